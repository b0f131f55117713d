//! A scenario as a TOML file: text in, value out, and what is wrong with its line and what would be right.
//!
//! Owns the readable form of times and the wording of errors. It opens nothing; docs/scenario.md is the
//! page for people.

use serde::Deserialize as _;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::serial::{parse_time, position};
use super::{Scenario, ScenarioError};

/// What is a time under one of these names may be written with its unit, `duration = "30s"`, and is then the
/// field with `_ms`.
const TIMES: [&str; 19] = [
    "after",
    "at",
    "audio_late",
    "broadcaster_delay",
    "capture",
    "decode",
    "delay",
    "duration",
    "encode",
    "first",
    "first_key_frame",
    "frame",
    "jitter",
    "join",
    "most",
    "nat_timeout",
    "timeout",
    "viewers_delay",
    "warmup",
];

/// A scenario file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ScenarioFileError {
    /// It is not TOML, or says something that no scenario has.
    #[error("line {line}, column {column}: {problem}; {remedy}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
        /// What was expected, or the nearest name that exists.
        remedy: String,
    },
    /// It reads well, and cannot be run.
    #[error("line {line}, column {column}: {path}: {error}")]
    Invalid {
        /// Line, from 1, of the field or of the nearest one around it that the file has.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The field, such as `rooms[0].viewers`.
        path: String,
        /// What is wrong with it, and what would be right.
        error: ScenarioError,
    },
}

impl Scenario {
    /// Reads and checks the TOML form; what is absent has its default.
    ///
    /// ```
    /// # fn main() -> Result<(), greenroom::ScenarioFileError> {
    /// let scenario = greenroom::Scenario::from_toml("duration = \"30s\"\nnetwork.down.loss = 0.02\n")?;
    /// assert_eq!(scenario.duration.as_secs(), 30);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, where, and what would be right.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioFileError> {
        let document = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
        let span = document.span();
        let document = Spanned::new(span, name_units(document.into_inner()));
        let scenario = Self::deserialize(toml::Deserializer::from(document.clone()))
            .map_err(|error| syntax(text, &error))?;
        scenario.check().map_err(|misplaced| {
            let at = locate(document.get_ref(), &misplaced.path);
            let (line, column) = position(text, at);
            ScenarioFileError::Invalid {
                line,
                column,
                path: misplaced.path,
                error: misplaced.error,
            }
        })?;
        Ok(scenario)
    }
}

/// Gives every time that is written with its unit the name that the field has.
fn name_units(table: DeTable<'_>) -> DeTable<'_> {
    let taken: Vec<String> = table
        .keys()
        .map(|key| key.get_ref().clone().into_owned())
        .collect();
    table
        .into_iter()
        .map(|(mut key, value)| {
            let name = format!("{}_ms", key.get_ref());
            // `decode` is also the name of something that is no time.
            let is_time = value.get_ref().as_str().is_some_and(|text| {
                TIMES.contains(&key.get_ref().as_ref())
                    && (key.get_ref() != "decode" || parse_time(text).is_some())
            });
            if is_time && !taken.contains(&name) {
                key = Spanned::new(key.span(), name.into());
            }
            (key, name_units_within(value))
        })
        .collect()
}

fn name_units_within(value: Spanned<DeValue<'_>>) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(name_units(table)),
        DeValue::Array(mut array) => {
            for item in array.iter_mut() {
                let taken = std::mem::replace(item, Spanned::new(0..0, DeValue::Boolean(false)));
                *item = name_units_within(taken);
            }
            DeValue::Array(array)
        }
        other => other,
    };
    Spanned::new(span, value)
}

/// Where a path such as `rooms[0].viewers` is in the text, in bytes, as deep as the file has it.
pub(crate) fn locate(document: &DeTable<'_>, path: &str) -> usize {
    let mut at = 0;
    let mut table = Some(document);
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for step in path.split(['.', '[']) {
        let next = match step.strip_suffix(']') {
            Some(index) => {
                let array = value.and_then(|value| value.get_ref().as_array());
                array
                    .zip(index.parse::<usize>().ok())
                    .and_then(|(array, index)| array.get(index))
            }
            None => table.and_then(|table| table.get(step)),
        };
        let Some(next) = next else { break };
        at = next.span().start;
        value = Some(next);
        table = next.get_ref().as_table();
    }
    at
}

fn syntax(text: &str, error: &toml::de::Error) -> ScenarioFileError {
    let (line, column) = position(text, error.span().map_or(0, |span| span.start));
    let (problem, remedy) = reword(error.message(), "docs/scenario.md has every field");
    ScenarioFileError::Syntax {
        line,
        column,
        problem,
        remedy,
    }
}

/// The problem and the remedy in a message of the deserializer.
pub(crate) fn reword(message: &str, otherwise: &str) -> (String, String) {
    if let Some(field) = message.strip_prefix("missing field ") {
        return (message.to_owned(), format!("add {field}"));
    }
    // What is checked by hand says itself what would be right.
    if let Some((problem, remedy)) = message.split_once("; ") {
        return (problem.to_owned(), remedy.to_owned());
    }
    let Some((problem, expected)) = message.split_once(", expected ") else {
        let remedy = if message.contains("duplicate key") {
            "leave one of the two out"
        } else {
            otherwise
        };
        return (message.to_owned(), remedy.to_owned());
    };
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let wrong = problem.split('`').nth(1);
    let near = wrong
        .filter(|_| problem.starts_with("unknown"))
        .and_then(|wrong| nearest(wrong, &names));
    let remedy = match near {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}", plainly(expected)),
    };
    (problem.to_owned(), remedy)
}

/// What was expected in words that do not ask for Rust.
fn plainly(expected: &str) -> &str {
    match expected {
        "u32" | "u64" | "usize" | "i64" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "an array, in [ ]",
        other if other.starts_with("struct ") => "a table, with names and values",
        other => other,
    }
}

/// The name that is most like a wrong one, if any is.
fn nearest<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    let (distance, name) = names
        .iter()
        .map(|name| {
            // Without its unit a name is the right one.
            let bare = name.strip_suffix("_ms").unwrap_or(name);
            (distance(wrong, name).min(distance(wrong, bare)), *name)
        })
        .min()?;
    (distance <= 1 + wrong.chars().count() / 4).then_some(name)
}

/// How many letters have to be put in, taken out or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
