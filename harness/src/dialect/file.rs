//! A dialect file: TOML in, value out, and what is wrong with its line and what would be right.

use std::path::{Path, PathBuf};

use greenroom_signaling::DialectFile;
use serde::Deserialize as _;
use thiserror::Error;
use toml::de::DeTable;

use crate::scenario::file::{locate, reword};
use crate::scenario::serial::position;

/// A dialect file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DialectError {
    /// It cannot be opened.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is not TOML, says something that no dialect has, or makes no sense.
    #[error("{}, line {line}, column {column}: {problem}; {remedy}", path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
        /// What would be right.
        remedy: String,
    },
}

/// Reads and checks a dialect file.
///
/// # Errors
///
/// [`DialectError`]: the first thing that is wrong, where, and what would be right.
pub fn read_dialect(path: impl AsRef<Path>) -> Result<DialectFile, DialectError> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|error| DialectError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    parse(&text, path)
}

pub(crate) fn parse(text: &str, path: &Path) -> Result<DialectFile, DialectError> {
    let wrong = |at: usize, problem: String, remedy: String| {
        let (line, column) = position(text, at);
        DialectError::Wrong {
            path: path.to_owned(),
            line,
            column,
            problem,
            remedy,
        }
    };
    let syntax = |error: toml::de::Error| {
        let (problem, remedy) = reword(error.message(), "docs/dialects.md has every field");
        wrong(error.span().map_or(0, |span| span.start), problem, remedy)
    };
    let document = DeTable::parse(text).map_err(syntax)?;
    let file = DialectFile::deserialize(toml::Deserializer::from(document.clone())).map_err(syntax)?;
    file.check().map_err(|error| {
        wrong(
            locate(document.get_ref(), &error.path),
            error.problem,
            error.remedy,
        )
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: &str = include_str!("../../../docs/dialects/native.toml");

    #[track_caller]
    fn refused(text: &str, expect: &[&str]) {
        let error = parse(text, Path::new("my.toml")).unwrap_err().to_string();
        for part in expect {
            assert!(error.contains(part), "{error:?} should say {part:?}");
        }
    }

    #[track_caller]
    fn changed(from: &str, to: &str, expect: &[&str]) {
        assert!(NATIVE.contains(from), "{from}");
        refused(&NATIVE.replacen(from, to, 1), expect);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
        refused("name = ", &["my.toml, line 1, column 8"]);
        refused("", &["missing field `name`", "add `name`"]);
        changed("offer = ", "ofer = ", &["line 7, column 1", "`offer`"]);
        changed(
            r#""$description"}'"#,
            r#""$description"'"#,
            &["line 7, column 9", "not JSON"],
        );
        changed(
            r#""offer":"$description""#,
            r#""offer":1"#,
            &["line 7", "offer needs $sdp, or $description"],
        );
        changed(
            r#""to":"$to""#,
            r#""to":"$too""#,
            &["line 7", "nothing binds $too; did you mean $to?"],
        );
        changed(
            r#""message":"$text""#,
            r#""message":"$sdp""#,
            &["line 11", "chat has no $sdp"],
        );
        changed(
            "event = \"joined\"",
            "event = \"join\"",
            &["line 20, column 9", "joined"],
        );
        changed(
            r#""from":"$from","answer""#,
            r#""from":"$form","answer""#,
            &["line 37", "binds $form", "did you mean $from?"],
        );
        changed(
            r#""from":"$from","answer""#,
            r#""answer""#,
            &["line 37", "does not say whose it is", "$from"],
        );
        changed(
            r#""id":"$peer"}'"#,
            r#""id":"$_"}'"#,
            &["line 22", "names nobody"],
        );
        changed(
            r#"each = '{"id":"$peer""#,
            r#"each = '{"id":"$from""#,
            &["line 19", "no use for $from"],
        );
        changed(
            "event = \"answer\"",
            "event = \"ignore\"",
            &["event = \"answer\"", "add one"],
        );
        changed(
            "event = \"joined\"",
            "event = \"ignore\"",
            &["no [[receive]] has event = \"joined\""],
        );
    }

    #[test]
    fn what_is_left_out_is_asked_for() {
        let without = |line: &str| {
            let kept: Vec<&str> = NATIVE.lines().filter(|one| !one.starts_with(line)).collect();
            kept.join("\n")
        };
        refused(
            &without("candidate = "),
            &["no message for a candidate", "add candidate"],
        );
        refused(&without("answer = "), &["no message for an answer"]);
        let end = NATIVE.find("[[receive]]").unwrap();
        refused(&NATIVE[..end], &["no [[receive]] has event = \"offer\""]);
    }
}
