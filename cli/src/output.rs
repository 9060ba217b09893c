//! The only place that prints. Standard output carries the data that was asked for and nothing else; everything said
//! about it goes to standard error. A reader that goes away ends the command quietly.

use crate::{Exit, Failure, client::Reply, table::Sheet};
use anstream::ColorChoice;
use serde_json::Value;
use shared::Lang;
use std::{
    io::{self, IsTerminal, Write},
    sync::Mutex,
};

/// How data is written. What stands in a comment of documentation here would be completed by a shell, in English for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    // For people.
    Table,
    // One document, as the server gave it.
    Json,
    // One object a line.
    Jsonl,
    // Ids only.
    Name,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    // On a terminal that wants it (`NO_COLOR`, `CLICOLOR_FORCE` and `TERM` count).
    #[default]
    Auto,
    Always,
    Never,
}

/// Where a command says things.
#[derive(Debug)]
pub struct Output {
    /// As asked for; `None` lets the command choose.
    pub format: Option<Format>,
    /// The reader's language.
    pub lang: Lang,
    /// No notices.
    pub quiet: bool,
    /// Lines of a table that is drawn in place, so that the next one covers it.
    drawn: Mutex<bool>,
}

impl Output {
    /// Output in this way.
    pub fn new(format: Option<Format>, lang: Lang, quiet: bool, color: Color) -> Self {
        match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
        Self { format, lang, quiet, drawn: Mutex::new(false) }
    }

    /// The format of an answer.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Table)
    }

    /// The format of something that goes on: a line of JSON per change when nobody looks.
    pub fn live_format(&self) -> Format {
        self.format.unwrap_or(if io::stdout().is_terminal() { Format::Table } else { Format::Jsonl })
    }

    /// True when a table may be drawn over the one before.
    pub fn can_redraw(&self) -> bool {
        self.live_format() == Format::Table && io::stdout().is_terminal()
    }

    /// Data: a line.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Data: one thing. `id` names the field that `-o name` prints; `table` is what people read.
    pub fn one(&self, reply: &Reply, id: &str, table: impl FnOnce() -> Result<Sheet, Failure>) -> Result<(), Failure> {
        match self.format() {
            Format::Table => self.sheet(&table()?),
            Format::Name => self.names(std::slice::from_ref(&reply.body), id),
            format => self.json(reply, format),
        }
    }

    /// Data: a collection. An empty one is told on standard error.
    pub fn list(&self, reply: &Reply, id: &str, table: impl FnOnce() -> Result<Sheet, Failure>) -> Result<(), Failure> {
        let items = reply.items();
        match self.format() {
            Format::Table if items.is_empty() => {
                self.note(self.lang.pick("아직 없어요", "Nothing here yet."));
                Ok(())
            }
            Format::Table => self.sheet(&table()?),
            Format::Name => self.names(&items, id),
            Format::Jsonl => items.iter().try_for_each(|item| self.line(&item.to_string())),
            Format::Json => self.json(reply, Format::Json),
        }
    }

    /// Data that is not from the server.
    pub fn value(&self, value: &Value, id: &str, table: impl FnOnce() -> Sheet) -> Result<(), Failure> {
        let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        match self.format() {
            Format::Table => self.sheet(&table()),
            Format::Name => self.names(&items, id),
            Format::Jsonl => items.iter().try_for_each(|item| self.line(&item.to_string())),
            Format::Json => self.line(&value.to_string()),
        }
    }

    /// As the server wrote it; easier to read on a terminal.
    fn json(&self, reply: &Reply, format: Format) -> Result<(), Failure> {
        if format == Format::Json && io::stdout().is_terminal() {
            return self.line(&serde_json::to_string_pretty(&reply.body).unwrap_or_else(|_| reply.text.clone()));
        }
        let text = reply.text.trim();
        self.line(&if text.contains('\n') { reply.body.to_string() } else { text.to_owned() })
    }

    fn names(&self, items: &[Value], id: &str) -> Result<(), Failure> {
        items.iter().filter_map(|item| item.get(id)?.as_str()).try_for_each(|name| self.line(name))
    }

    /// Data: a table.
    pub fn sheet(&self, sheet: &Sheet) -> Result<(), Failure> {
        let text = sheet.draw(self.lang, io::stdout().is_terminal());
        if text.is_empty() { Ok(()) } else { self.line(&text) }
    }

    /// Data: a table over the one before.
    pub fn redraw(&self, title: &str, sheet: &Sheet) -> Result<(), Failure> {
        let mut drawn = self.drawn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = anstream::stdout().lock();
        if !std::mem::replace(&mut *drawn, true) {
            write!(out, "\x1b[2J")?;
        }
        writeln!(out, "\x1b[H\x1b[J\x1b[1m{title}\x1b[0m\n\n{}", sheet.draw(self.lang, true))?;
        Ok(out.flush()?)
    }

    /// Said about the data: a line on standard error. That it cannot be written does not matter.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            drop(writeln!(anstream::stderr(), "{text}"));
        }
    }

    /// Said when something worked.
    pub fn done(&self, text: &str) {
        self.note(&format!("\x1b[32m✓\x1b[0m {text}"));
    }

    /// What to type next.
    pub fn next(&self, command: &str) {
        self.note(&format!("  {}: \x1b[36m{command}\x1b[0m", self.lang.pick("다음", "next")));
    }

    /// Calls somebody back to the screen.
    pub fn ring(&self) {
        // Not through anstream, which takes out what is no text.
        drop(io::stderr().write_all(b"\x07"));
    }

    /// Says what went wrong: in three lines to people, in one object to a reader of JSON.
    pub fn failure(&self, failure: &Failure) {
        if failure.what.is_empty() {
            return;
        }
        if matches!(self.format, Some(Format::Json | Format::Jsonl)) {
            return raw_error(&format!("{}\n", failure.json()));
        }
        let mut err = anstream::stderr().lock();
        for (i, line) in failure.lines(self.lang).iter().enumerate() {
            match line.split_once(':') {
                Some((head, rest)) if i == 0 => drop(writeln!(err, "\x1b[1;31m{head}\x1b[0m:{rest}")),
                _ => drop(writeln!(err, "{line}")),
            }
        }
    }

    /// Gives the terminal its cursor and its echo back, after a prompt that was interrupted.
    pub fn restore_terminal() {
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            drop(write!(io::stderr(), "\x1b[?25h"));
            drop(std::process::Command::new("stty").arg("echo").status());
        }
    }
}

/// True when somebody can be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The first line of standard input, for a password that is piped in.
pub fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Text that was made elsewhere, such as help or completions.
pub fn raw(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// A complaint of the parser.
pub fn raw_error(text: &str) {
    drop(write!(anstream::stderr(), "{text}"));
}
