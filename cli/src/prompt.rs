//! Questions to a person at a terminal. Nothing here is ever needed: each question has a flag that answers it.

use crate::{Exit, Failure, parse::say};
use dialoguer::{Confirm, Input, MultiSelect, Password, Select, theme::ColorfulTheme};
use shared::Lang;

/// Says why a question has no answer.
fn unanswered(error: dialoguer::Error) -> Failure {
    let dialoguer::Error::IO(error) = error;
    match error.kind() {
        std::io::ErrorKind::Interrupted => Failure::new(Exit::Interrupted, ""),
        std::io::ErrorKind::NotConnected => Failure::usage(error.to_string()).hint("--yes, --no-input"),
        _ => error.into(),
    }
}

/// A question blocks its thread; the runtime is told, so that Ctrl-C is still heard.
fn ask<T>(question: impl FnOnce(&ColorfulTheme) -> dialoguer::Result<T>) -> Result<T, Failure> {
    tokio::task::block_in_place(|| question(&ColorfulTheme::default())).map_err(unanswered)
}

/// One of several.
pub fn select(prompt: &str, items: &[String]) -> Result<usize, Failure> {
    ask(|theme| Select::with_theme(theme).with_prompt(prompt).items(items).default(0).max_length(15).interact())
}

/// Some of several.
pub fn select_many(prompt: &str, items: &[String]) -> Result<Vec<usize>, Failure> {
    ask(|theme| MultiSelect::with_theme(theme).with_prompt(prompt).items(items).max_length(15).interact())
}

/// Yes or no; no is easier.
pub fn confirm(prompt: &str, default: bool) -> Result<bool, Failure> {
    ask(|theme| Confirm::with_theme(theme).with_prompt(prompt).default(default).interact())
}

/// A line of text that `read` understands.
pub fn line<T>(lang: Lang, prompt: &str, initial: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
    let text = ask(|theme| {
        let input = Input::<String>::with_theme(theme).with_prompt(prompt);
        let input = if initial.is_empty() { input } else { input.default(initial.to_owned()) };
        input.validate_with(|text: &String| read(text).map(drop).map_err(|e| say(&e, lang).to_owned())).interact_text()
    })?;
    read(&text).map_err(|e| Failure::usage(say(&e, lang)))
}

/// A password, twice when it is new.
pub fn password(lang: Lang, is_new: bool) -> Result<String, Failure> {
    let prompt = lang.pick("비밀번호", "Password");
    ask(|theme| {
        let question = Password::with_theme(theme).with_prompt(prompt);
        let again = (lang.pick("비밀번호 확인", "Again"), lang.pick("서로 달라요", "They differ."));
        if is_new { question.with_confirmation(again.0, again.1).interact() } else { question.interact() }
    })
}
