//! The catalogue of rules as a document: docs/rules.md is what this renders.
//!
//! Owns the layout only; every word about a rule is the catalogue's.

use std::fmt::Write as _;

use super::catalogue::{self, Decided, Rule};
use crate::check::Severity;

/// Columns of prose.
const COLUMNS: usize = 120;

/// How to read the document.
const INTRO: &[&str] = &[
    "What greenroom's checker holds an exchange of signaling and media against. Every run is judged by these rules as it \
     goes on, and `greenroom trace check FILE` judges a recorded one by the same code. A finding names a rule by its id; \
     `greenroom rule explain OA-02` prints what stands here on one screen, `greenroom rule list` all of them.",
    "An **error** fails the run. A **warning** is suspicious, or other implementations are known to stumble over it; it \
     decides nothing, and neither does a **note**. Rules that are *not decided* cannot be judged from what a trace holds, \
     for the reason that is given; they are here because applications break them.",
    "In the examples `b1` is the broadcaster and `v2` a viewer, as the signaling server names them, `->` is a message or a \
     packet on its way, and `<-` marks the fault.",
];

/// The whole catalogue as Markdown.
pub fn document() -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_document(&mut out);
    out
}

fn write_document(out: &mut String) -> std::fmt::Result {
    writeln!(out, "# Rules")?;
    for paragraph in INTRO {
        writeln!(out)?;
        prose(out, paragraph)?;
    }
    writeln!(out)?;
    prose(
        out,
        "This file is rendered from harness/src/rules/catalogue. After a change there, write it again:",
    )?;
    writeln!(out, "\n```sh\ngreenroom rule document > docs/rules.md\n```")?;
    let mut group = "";
    for rule in catalogue::all() {
        let of_rule = group_of(rule);
        if of_rule != group {
            group = of_rule;
            writeln!(out, "\n## {}\n", title(group))?;
            table(out, group)?;
        }
        explain(out, rule)?;
    }
    Ok(())
}

fn table(out: &mut String, group: &str) -> std::fmt::Result {
    writeln!(
        out,
        "| rule | severity | decided | what must hold |\n|---|---|---|---|"
    )?;
    for rule in catalogue::all().filter(|rule| group_of(rule) == group) {
        let decided = match rule.decided {
            Decided::Yes => "yes",
            Decided::No(_) => "no",
        };
        let (id, severity) = (rule.id, rule.severity.name());
        writeln!(
            out,
            "| [{id}](#{}) | {severity} | {decided} | {} |",
            id.to_lowercase(),
            escaped(rule.title)
        )?;
    }
    Ok(())
}

fn explain(out: &mut String, rule: &Rule) -> std::fmt::Result {
    writeln!(out, "\n### {}\n", rule.id)?;
    prose(out, &format!("**{}**", escaped(rule.title)))?;
    writeln!(out)?;
    let decided = match rule.decided {
        Decided::Yes => "Decided from a trace.".to_owned(),
        Decided::No(reason) => format!("Not decided: {}.", escaped(reason.trim_end_matches('.'))),
    };
    let severity = match rule.severity {
        Severity::Error => "An error",
        Severity::Warning => "A warning",
        Severity::Note => "A note",
    };
    let source = escaped(rule.source.trim_end_matches('.'));
    prose(out, &format!("{severity}. Source: {source}. {decided}"))?;
    writeln!(out)?;
    prose(out, &escaped(rule.why))?;
    writeln!(out, "\n```text\n{}\n```\n", rule.broken)?;
    prose(out, &format!("Fix: {}", escaped(rule.fix)))
}

/// The group's two letters.
fn group_of(rule: &Rule) -> &'static str {
    rule.id.split_once('-').map_or(rule.id, |(group, _)| group)
}

fn title(group: &str) -> &str {
    match group {
        "OA" => "OA: offer and answer",
        "TR" => "TR: trickled candidates",
        "IC" => "IC: ICE",
        "DT" => "DT: DTLS",
        "RT" => "RT: RTP and RTCP",
        "GL" => "GL: glare",
        "SG" => "SG: the signaling server",
        "WI" => "WI: WHIP",
        "WE" => "WE: WHEP",
        "JA" => "JA: Janus",
        other => other,
    }
}

/// Without what Markdown would take for its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '<' | '*' | '`' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A paragraph, its words in lines. No line begins with what would begin a list or a heading.
fn prose(out: &mut String, text: &str) -> std::fmt::Result {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        // A sign that would begin a list stays on the line before it.
        let sign = word.chars().all(|c| matches!(c, '-' | '+' | '#' | '=' | '>')) || is_number(word);
        let too_long = column + 1 + width > if sign { COLUMNS } else { COLUMNS - 8 };
        if column > 0 && too_long {
            writeln!(out)?;
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    writeln!(out)
}

/// Such as `12.` or `12)`, with which a numbered list begins.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(['.', ')']);
    digits.len() < word.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_catalogue_says() {
        assert!(
            include_str!("../../../docs/rules.md") == document(),
            "docs/rules.md is not what the catalogue says; write it again: greenroom rule document > docs/rules.md"
        );
    }

    #[test]
    fn prose_keeps_its_columns_and_no_rule_is_missing() {
        let document = document();
        let mut example = false;
        for line in document.lines() {
            example ^= line.starts_with("```");
            let length = line.chars().count();
            assert!(
                example || line.starts_with('|') || length <= COLUMNS,
                "{length}: {line}"
            );
        }
        for rule in catalogue::all() {
            assert!(document.contains(&format!("\n### {}\n", rule.id)), "{}", rule.id);
        }
    }
}
