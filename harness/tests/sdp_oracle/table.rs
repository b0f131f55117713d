//! The agreement of checker and stacks as a document.
//!
//! Owns counting and wording. It must not judge: what a disagreement means is `argued`'s.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::argued::{self, ARGUED};
use super::edits::{self, Edited};
use super::pairs::Judged;
use super::stack::{SHAPES, Stack};

/// What is told before the figures.
const INTRO: &str = include_str!("intro.md");

/// The row about those who were asked the same question, which are the answerers.
const MAJORITY: &str = "| two of the three, on offers |";

/// Pairs by what was edited, in the order of the edits.
pub(crate) struct Table<'a> {
    rows: Vec<((Edited, &'static str), Vec<&'a Judged>)>,
}

/// How often a stack was asked, and how often it said other than the checker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) asked: usize,
    pub(crate) refused: usize,
    pub(crate) disagreed: usize,
}

impl<'a> Table<'a> {
    pub(crate) fn of(pairs: &'a [Judged]) -> Self {
        let mut by_edit: BTreeMap<(Edited, &str), Vec<&Judged>> = BTreeMap::new();
        for pair in pairs {
            by_edit.entry((pair.edited, pair.edit)).or_default().push(pair);
        }
        let all = [Edited::Offer, Edited::Answer]
            .into_iter()
            .flat_map(|edited| edits::of(edited).map(move |edit| (edited, edit.name)));
        let rows = all.filter_map(|key| Some((key, by_edit.remove(&key)?))).collect();
        Self { rows }
    }

    /// Edits that nothing could be done with, and edits of which the checker says now this and now that: neither is a
    /// row that could be read.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        let mut unreadable = Vec::new();
        for edited in [Edited::Offer, Edited::Answer] {
            for edit in edits::of(edited) {
                match self.rows.iter().find(|(key, _)| *key == (edited, edit.name)) {
                    None => unreadable.push(format!("no {} could be edited: {}", edited.name(), edit.name)),
                    Some((_, pairs)) => {
                        let refused = pairs.iter().filter(|pair| pair.checker.refuses()).count();
                        if refused != 0 && refused != pairs.len() {
                            unreadable.push(format!(
                                "{}: {}: the checker refuses {refused} of {}",
                                edited.name(),
                                edit.name,
                                pairs.len()
                            ));
                        }
                    }
                }
            }
        }
        unreadable
    }

    /// Disagreements that nobody has argued, one line each.
    pub(crate) fn unargued(&self) -> Vec<String> {
        let mut unargued = Vec::new();
        for ((edited, edit), pairs) in &self.rows {
            for pair in pairs {
                for (stack, verdict) in &pair.verdicts {
                    if verdict.is_err() != pair.checker.refuses()
                        && argued::find(*edited, edit, *stack).is_none()
                    {
                        unargued.push(format!(
                            "{} of {} ({}), {edit}: {} {}, the checker finds {:?}",
                            edited.name(),
                            pair.offerer.name(),
                            pair.shape,
                            stack.name(),
                            verdict
                                .as_ref()
                                .map_or_else(|why| format!("refuses ({why})"), |()| "accepts".to_owned()),
                            pair.checker.errors
                        ));
                    }
                }
            }
        }
        unargued
    }

    /// Arguments for disagreements that do not occur, as far as the stack was asked.
    pub(crate) fn stale(&self, asked: &[Stack]) -> Vec<String> {
        let mut stale = Vec::new();
        for argued in ARGUED {
            for (edited, edit) in argued.about {
                for stack in argued.stacks.iter().filter(|stack| asked.contains(stack)) {
                    if self.count(*edited, edit, *stack).disagreed == 0 {
                        stale.push(format!("{}: {edit}: {}", edited.name(), stack.name()));
                    }
                }
            }
        }
        stale
    }

    pub(crate) fn total(&self, stack: Stack) -> Count {
        let counts = self
            .rows
            .iter()
            .map(|((edited, edit), _)| self.count(*edited, edit, stack));
        counts.fold(Count::default(), |sum, count| Count {
            asked: sum.asked + count.asked,
            refused: sum.refused + count.refused,
            disagreed: sum.disagreed + count.disagreed,
        })
    }

    fn count(&self, edited: Edited, edit: &str, stack: Stack) -> Count {
        let rows = self.rows.iter().filter(|(key, _)| *key == (edited, edit));
        let mut count = Count::default();
        for pair in rows.flat_map(|(_, pairs)| pairs) {
            for (_, verdict) in pair.verdicts.iter().filter(|(asked, _)| *asked == stack) {
                count.asked += 1;
                count.refused += usize::from(verdict.is_err());
                count.disagreed += usize::from(verdict.is_err() != pair.checker.refuses());
            }
        }
        count
    }

    /// The whole document.
    pub(crate) fn document(&self, stacks: &[Stack]) -> String {
        let mut text = INTRO.to_owned();
        self.agreement(stacks, &mut text);
        for edited in [Edited::Offer, Edited::Answer] {
            self.verdicts(edited, stacks, &mut text);
        }
        self.arguments(stacks, &mut text);
        text
    }

    fn agreement(&self, stacks: &[Stack], text: &mut String) {
        text.push_str(
            "\n## Agreement\n\n| stack | pairs | agrees | disagrees, argued |\n|---|---|---|---|\n",
        );
        for stack in stacks {
            let Count { asked, disagreed, .. } = self.total(*stack);
            let agreed = asked - disagreed;
            let share = 100.0 * agreed as f64 / asked as f64;
            let _ = writeln!(
                text,
                "| {} | {asked} | {agreed} ({share:.1} %) | {disagreed} |",
                stack.name()
            );
        }
        let (asked, agreed) = self.majority();
        if asked > 0 {
            let share = 100.0 * agreed as f64 / asked as f64;
            let disagreed = asked - agreed;
            let _ = writeln!(
                text,
                "{MAJORITY} {asked} | {agreed} ({share:.1} %) | {disagreed} |"
            );
        }
        let shapes: Vec<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        let _ = writeln!(text, "\nCalls: {}.", shapes.join("; "));
    }

    fn verdicts(&self, edited: Edited, stacks: &[Stack], text: &mut String) {
        let names: Vec<&str> = stacks.iter().map(|stack| stack.name()).collect();
        let _ = write!(
            text,
            "\n## Edited {}s\n\n| what is edited | checker | {} |\n|---|---|{}\n",
            edited.name(),
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for ((_, edit), pairs) in self.rows.iter().filter(|((of, _), _)| *of == edited) {
            let _ = write!(text, "| {edit} | {} |", ruling(pairs));
            for stack in stacks {
                let _ = write!(text, " {} |", verdicts(self.count(edited, edit, *stack)));
            }
            text.push('\n');
        }
    }

    fn arguments(&self, stacks: &[Stack], text: &mut String) {
        let names: Vec<&str> = stacks.iter().map(|stack| stack.name()).collect();
        let _ = write!(
            text,
            "\n## Argued disagreements\n\n| what is edited | why | {} |\n|---|---|{}\n",
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for argued in ARGUED {
            let about = |wanted: Edited| {
                let edits = argued.about.iter().filter(|(edited, _)| *edited == wanted);
                let edits: Vec<&str> = edits.map(|(_, edit)| *edit).collect();
                (!edits.is_empty()).then(|| format!("{}: {}", wanted.name(), edits.join("; ")))
            };
            let about = [Edited::Offer, Edited::Answer].into_iter().filter_map(about);
            let about = about.collect::<Vec<_>>().join("; ");
            let _ = write!(text, "| {about} | {} |", argued.reason);
            for stack in stacks {
                let pairs = argued
                    .about
                    .iter()
                    .map(|(edited, edit)| self.count(*edited, edit, *stack).disagreed);
                let pairs: usize = pairs.filter(|_| argued.stacks.contains(stack)).sum();
                let _ = match pairs {
                    0 => write!(text, " - |"),
                    _ => write!(text, " {pairs} |"),
                };
            }
            text.push('\n');
        }
    }

    /// Offers that all three stacks judged, and of these those on which at least two judge as the checker.
    fn majority(&self) -> (usize, usize) {
        let pairs = self.rows.iter().flat_map(|(_, pairs)| pairs);
        let with_all: Vec<_> = pairs
            .filter(|pair| pair.verdicts.len() == Stack::ALL.len())
            .collect();
        let agreeing = with_all.iter().filter(|pair| {
            let agree = pair
                .verdicts
                .iter()
                .filter(|(_, verdict)| verdict.is_err() == pair.checker.refuses());
            agree.count() >= 2
        });
        (with_all.len(), agreeing.count())
    }
}

/// What a document says where Chromium is not there: without its row, its columns and what only three can say.
pub(crate) fn without_chromium(document: &str) -> String {
    let name = Stack::Chromium.name();
    let rows = [format!("| {name} |"), MAJORITY.to_owned()];
    let column = format!(" {name} |");
    let mut kept = String::new();
    let mut is_last_column = false;
    for line in document.lines() {
        if rows.iter().any(|row| line.starts_with(row)) {
            continue;
        }
        is_last_column = (is_last_column && line.starts_with('|')) || line.ends_with(&column);
        let cells = line.trim_end_matches('|').rsplit_once('|');
        match cells.filter(|_| is_last_column) {
            Some((rest, _)) => kept.push_str(&format!("{rest}|")),
            None => kept.push_str(line),
        }
        kept.push('\n');
    }
    kept
}

/// The checker's verdict and the rules that it names.
fn ruling(pairs: &[&Judged]) -> String {
    // Answers to Chromium's offers are left out, because the document must say the same where Chromium is not there.
    let rules = pairs
        .iter()
        .filter(|pair| pair.edited == Edited::Offer || pair.offerer != Stack::Chromium)
        .flat_map(|pair| &pair.checker.errors);
    let rules: std::collections::BTreeSet<&str> = rules.map(String::as_str).collect();
    if rules.is_empty() {
        return "accepts".to_owned();
    }
    let rules: Vec<&str> = rules.into_iter().collect();
    format!("refuses: {}", rules.join(", "))
}

fn verdicts(Count { asked, refused, .. }: Count) -> String {
    match (asked, refused) {
        (0, _) => "-".to_owned(),
        (_, 0) => format!("accepts {asked}"),
        _ if refused == asked => format!("refuses {asked}"),
        _ => format!("refuses {refused} of {asked}"),
    }
}
