//! `greenroom rule`: the rules that an exchange is judged by, listed and taught.

use std::io::Write as _;

use clap::Subcommand;

use super::{complain, exit};
use crate::rules::catalogue::{self, Decided, Rule};
use crate::rules::document::document;

/// Columns of what is printed.
const COLUMNS: usize = 100;
/// Where the text of a list begins.
const INDENT: usize = 24;
/// Ids that are offered instead of one that does not exist.
const NEAREST: usize = 3;
/// Letters of an unknown id that are looked at.
const MAX_ID: usize = 16;

#[derive(Debug, Subcommand)]
pub(super) enum RuleCommand {
    /// List every rule: its id, how bad it is to break it, whether a trace is judged by it, and what must hold
    List,
    /// Teach one rule: why it matters, what breaks it, and what to change
    #[command(after_help = "Examples:\n  \
        greenroom rule explain OA-02\n  \
        greenroom rule explain sg-05                   in either case\n\n\
        A finding names its rule: `greenroom run` in its table and report.json, `greenroom trace check` for each one.")]
    Explain {
        /// Id of the rule: two letters, a hyphen, two digits
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Plant every fault in a simulated call, and print what the checker made of it
    Score(super::score::ScoreArgs),
    /// Print docs/rules.md
    #[command(hide = true)]
    Document,
}

/// Does what the subcommand says.
pub(super) async fn rule(command: RuleCommand) -> u8 {
    let text = match command {
        RuleCommand::Score(args) => return super::score::run(args).await,
        RuleCommand::List => list(),
        RuleCommand::Document => document(),
        RuleCommand::Explain { id } => match catalogue::find(id.trim()) {
            Some(rule) => explanation(rule),
            None => {
                let id: String = id.chars().take(MAX_ID).collect();
                complain(&format!(
                    "there is no rule {id:?}; the nearest are {}; `greenroom rule list` lists all",
                    nearest(&id).join(", ")
                ));
                return exit::BAD_INPUT;
            }
        },
    };
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    exit::PASS
}

fn list() -> String {
    let mut out = format!(
        "{:<7}{:<9}{:<8}what must hold, and where that is written\n",
        "rule", "severity", "decided"
    );
    for rule in catalogue::all() {
        let decided = match rule.decided {
            Decided::Yes => "yes",
            Decided::No(_) => "no",
        };
        let mut lines = wrapped(rule.title, COLUMNS - INDENT);
        lines.extend(wrapped(rule.source, COLUMNS - INDENT));
        if let Decided::No(reason) = rule.decided {
            lines.extend(wrapped(&format!("not decided: {reason}"), COLUMNS - INDENT));
        }
        let mut start = format!("{:<7}{:<9}{decided:<8}", rule.id, rule.severity.name());
        for line in lines {
            out += &format!("{start}{line}\n");
            start = " ".repeat(INDENT);
        }
    }
    out
}

/// One screenful.
fn explanation(rule: &Rule) -> String {
    let state = match rule.decided {
        Decided::Yes => "decided from a trace",
        Decided::No(_) => "not decided",
    };
    let mut lines = vec![format!("{}  {}, {state}", rule.id, rule.severity.name())];
    lines.extend(wrapped(rule.title, COLUMNS));
    lines.extend(wrapped(rule.source, COLUMNS));
    if let Decided::No(reason) = rule.decided {
        lines.extend(wrapped(reason, COLUMNS));
    }
    lines.push("WHY".to_owned());
    lines.extend(wrapped(rule.why, COLUMNS));
    lines.push("BROKEN".to_owned());
    lines.extend(rule.broken.lines().map(|line| format!("  {line}")));
    lines.push("FIX".to_owned());
    lines.extend(wrapped(rule.fix, COLUMNS));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// Words in lines of at most so many columns.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        } else if width > 0 {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    if width > 0 {
        lines.push(line);
    }
    lines
}

/// Ids that are most like this one.
fn nearest(id: &str) -> Vec<&'static str> {
    let id = id.to_uppercase();
    let mut ids: Vec<&'static str> = catalogue::all().map(|rule| rule.id).collect();
    // The sort keeps the catalogue's order among those that are equally near.
    ids.sort_by_key(|known| distance(&id, known));
    ids.truncate(NEAREST);
    ids
}

/// Letters that have to be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, letter) in a.chars().enumerate() {
        let mut next = vec![above + 1];
        for (column, other) in b.iter().enumerate() {
            let replaced = row[column] + usize::from(letter != *other);
            next.push(replaced.min(row[column + 1] + 1).min(next[column] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_explanation_is_one_screenful() {
        for rule in catalogue::all() {
            let text = explanation(rule);
            assert!(text.lines().count() <= 24, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
            assert!(
                text.contains(rule.broken.lines().next().unwrap_or_default()),
                "{text}"
            );
        }
    }

    #[test]
    fn the_list_has_every_rule_and_keeps_its_columns() {
        let list = list();
        for rule in catalogue::all() {
            assert!(list.lines().any(|line| line.starts_with(rule.id)), "{}", rule.id);
        }
        assert!(list.lines().all(|line| line.chars().count() <= COLUMNS), "{list}");
    }

    #[tokio::test]
    async fn an_unknown_id_gets_its_neighbours() {
        assert_eq!(distance("OA-02", "OA-02"), 0);
        assert_eq!(distance("", "OA-02"), 5);
        assert!(nearest("OA2").contains(&"OA-02"), "{:?}", nearest("OA2"));
        assert!(nearest("sg05").contains(&"SG-05"), "{:?}", nearest("sg05"));
        assert_eq!(nearest("").len(), NEAREST);
        assert_eq!(
            rule(RuleCommand::Explain {
                id: "XX-99".to_owned()
            })
            .await,
            exit::BAD_INPUT
        );
        assert_eq!(
            rule(RuleCommand::Explain {
                id: "sg-05".to_owned()
            })
            .await,
            exit::PASS
        );
    }
}
