//! Settings from a file: TOML with the names of the flags, for whatever flags and variables leave open.

use crate::gateway::table::Lines;
use clap::{ArgMatches, Command, parser::ValueSource};
use std::{fs, path::PathBuf};
use toml::{Table, Value};

/// A settings file is written by hand; a larger one is something else.
const MAX_BYTES: u64 = 64 * 1024;
/// Tables of the file that are not flags: the gateway's routing table.
const TABLES: [&str; 2] = ["backends", "routes"];

/// The file's settings as arguments, those left out that were made in another way; and the gateway's routing table.
///
/// # Errors
/// A file that cannot be read, a setting that there is not, or a value that is none.
pub fn arguments(command: &Command, matches: &ArgMatches) -> Result<(Vec<String>, Lines), String> {
    let Some(path) = matches.get_one::<PathBuf>("config") else { return Ok((vec![], Lines::default())) };
    let shown = path.display();
    let size = fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?.len();
    if size > MAX_BYTES {
        return Err(format!("{shown}: a settings file has at most {MAX_BYTES} bytes, this one has {size}"));
    }
    let text = fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    // The line of a mistake may hold a secret: only where it is, is said.
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        format!("{shown}: line {line}: {}", e.message())
    })?;
    let (routing, settings): (Table, Table) = table.into_iter().partition(|(name, _)| TABLES.contains(&name.as_str()));
    let routing = routing.try_into().map_err(|e: toml::de::Error| format!("{shown}: the routing table: {}", e.message()))?;
    let mut arguments = vec![];
    for (name, value) in &settings {
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(name) && name != "config");
        let Some(arg) = known else { return Err(format!("{shown}: {name}: no such setting")) };
        let said = matches.value_source(arg.get_id().as_str());
        if matches!(said, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        for value in texts(value).ok_or_else(|| format!("{shown}: {name}: a text, a number, or a list of them is wanted"))? {
            arguments.push(format!("--{name}={value}"));
        }
    }
    Ok((arguments, routing))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(number) => Some(vec![number.to_string()]),
        Value::Boolean(flag) => Some(vec![flag.to_string()]),
        Value::Array(list) => {
            list.iter().map(|value| texts(value).filter(|one| one.len() == 1)).collect::<Option<Vec<_>>>().map(|l| l.concat())
        }
        _ => None,
    }
}

/// A mistake in the file, without the values that the command line would repeat.
pub fn without_secrets(command: &mut Command, error: &clap::Error) -> clap::Error {
    let name = error.get(clap::error::ContextKind::InvalidArg).map_or_else(String::new, ToString::to_string);
    let why = std::error::Error::source(error).map_or_else(|| "the value is not one of its kind".to_owned(), ToString::to_string);
    command.error(error.kind(), format!("the settings file: {name}: {why}"))
}
