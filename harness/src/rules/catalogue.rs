//! The rules of signaling and media, as `greenroom rule` lists and teaches them.
//!
//! Owns each rule's words: what must hold, where it is written, why it matters, an example that breaks it and
//! what to change. Decides nothing: a checker names a rule by its id.

mod dt;
mod gl;
mod ic;
mod ja;
mod oa;
mod rt;
mod sg;
mod tr;
mod we;
mod wi;

use crate::check::Severity;

/// Whether a recorded trace is judged by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is.
    Yes,
    /// It is not, and why, in one clause.
    No(&'static str),
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name: the group's two letters, a hyphen, and two digits that count from 01.
    pub id: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// What must hold, in one sentence.
    pub title: &'static str,
    /// Where that is written. Without a section number where none could be confirmed.
    pub source: &'static str,
    /// What a user notices when it is broken, and how that comes about in an application.
    pub why: &'static str,
    /// A short example that breaks it: two to eight lines of signaling, SDP or packets. `<-` marks the fault.
    pub broken: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Whether a trace is judged by it.
    pub decided: Decided,
}

/// Every rule, group by group: offer and answer, trickle, ICE, DTLS, RTP, glare, signaling, WHIP, WHEP, Janus.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        oa::OA,
        tr::TR,
        ic::IC,
        dt::DT,
        rt::RT,
        gl::GL,
        sg::SG,
        wi::WI,
        we::WE,
        ja::JA,
    ]
    .into_iter()
    .flatten()
}

/// The rule with this id, in upper or lower case.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const COLUMNS: usize = 100;
    const LINES: usize = 24;

    /// Every text of a rule.
    fn texts(rule: &Rule) -> Vec<&'static str> {
        let mut texts = vec![rule.id, rule.title, rule.source, rule.why, rule.broken, rule.fix];
        if let Decided::No(reason) = rule.decided {
            texts.push(reason);
        }
        texts
    }

    /// How many lines a paragraph takes when its words are wrapped.
    fn wrapped(text: &str) -> usize {
        let mut lines = 1;
        let mut column = 0;
        for word in text.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > COLUMNS {
                lines += 1;
                column = width;
            } else {
                column += width + usize::from(column > 0);
            }
        }
        lines
    }

    #[test]
    fn ids_are_unique_and_well_formed() {
        let mut seen = BTreeSet::new();
        for rule in all() {
            let (group, number) = rule.id.split_once('-').unwrap();
            assert!(
                group.len() == 2 && group.bytes().all(|b| b.is_ascii_uppercase()),
                "{}",
                rule.id
            );
            assert!(
                number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()),
                "{}",
                rule.id
            );
            assert!(seen.insert(rule.id), "{} is there twice", rule.id);
        }
    }

    #[test]
    fn groups_come_in_order_and_count_from_one() {
        let expected = [
            ("OA", 16),
            ("TR", 9),
            ("IC", 9),
            ("DT", 6),
            ("RT", 6),
            ("GL", 3),
            ("SG", 8),
            ("WI", 5),
            ("WE", 2),
            ("JA", 4),
        ];
        let ids: Vec<String> = expected
            .iter()
            .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number:02}")))
            .collect();
        assert_eq!(all().map(|rule| rule.id).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_rule_is_found_in_either_case_and_nothing_else_is() {
        for rule in all() {
            assert_eq!(find(rule.id).map(|found| found.id), Some(rule.id));
            assert_eq!(find(&rule.id.to_lowercase()).map(|found| found.id), Some(rule.id));
        }
        for unknown in ["", "OA", "OA-00", "OA-17", "OA-1", " OA-01", "ÖA-01"] {
            assert!(find(unknown).is_none(), "{unknown:?}");
        }
    }

    #[test]
    fn every_text_says_something_and_nothing_is_left_to_look_up() {
        for rule in all() {
            for text in texts(rule) {
                assert!(!text.trim().is_empty(), "{} has an empty text", rule.id);
                assert_eq!(text, text.trim(), "{}", rule.id);
                assert!(!text.to_lowercase().contains("recheck"), "{}: {text}", rule.id);
            }
        }
    }

    #[test]
    fn every_example_is_short_and_points_at_the_fault() {
        for rule in all() {
            let lines: Vec<&str> = rule.broken.lines().collect();
            assert!(
                (2..=8).contains(&lines.len()),
                "{}: {} lines",
                rule.id,
                lines.len()
            );
            assert!(rule.broken.contains("<- "), "{} marks no fault", rule.id);
            for line in lines {
                assert_eq!(line, line.trim_end(), "{}", rule.id);
                assert!(!line.contains('\t'), "{}: {line}", rule.id);
            }
        }
    }

    #[test]
    fn an_explanation_fits_a_screenful() {
        // Id, severity and state share a line; title, source and reason follow, then three paragraphs. The
        // example is indented by two columns and never wrapped.
        for rule in all() {
            for line in rule.broken.lines() {
                let width = line.chars().count() + 2;
                assert!(width <= COLUMNS, "{}: {width} columns: {line}", rule.id);
            }
            let reason = match rule.decided {
                Decided::Yes => 0,
                Decided::No(reason) => wrapped(reason),
            };
            let lines = 1
                + wrapped(rule.title)
                + wrapped(rule.source)
                + reason
                + (1 + wrapped(rule.why))
                + (1 + rule.broken.lines().count())
                + (1 + wrapped(rule.fix));
            assert!(lines <= LINES, "{} takes {lines} lines", rule.id);
        }
    }
}
