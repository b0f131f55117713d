//! How a card looks, and the exit code that it makes.
//!
//! Owns the printing of cards, of servers and of clients alike. Answers and sentences are the doctor's.

use std::io::Write as _;
use std::path::Path;

use super::rule::wrapped;
use super::{complain, exit};
use crate::check::Verdict;
use crate::doctor::{Answer, Asked, Card, CardLine};
use crate::report::Style;
use crate::trace::TraceFileError;

/// Columns of a sentence under a line.
const COLUMNS: usize = 92;

/// The exit code of an examination.
pub(super) fn code<Q: Asked>(card: &Card<Q>) -> u8 {
    let any = |answer| card.lines.iter().any(|line| line.answer == answer);
    match card.is_green() {
        true => exit::PASS,
        false if any(Answer::Sick) => Verdict::Fail.exit_code(),
        false => Verdict::Invalid.exit_code(),
    }
}

pub(super) fn print(text: &str) {
    // A closed pipe is no reason to fail.
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line of the card, with what was wrong below it.
pub(super) fn text<Q: Asked>(line: &CardLine<Q>, style: Style) -> String {
    let name = line.question.to_string();
    let (mark, colour, beside) = match line.answer {
        Answer::Healthy => ("✓", "32", line.cause.clone()),
        Answer::Sick => ("✗", "31", line.question.asks().to_owned()),
        Answer::Unclear => ("?", "33", line.question.asks().to_owned()),
        Answer::NotAsked => ("-", "2", format!("not asked: {}", line.cause)),
    };
    let mut text = format!("  {} {name:<18} {beside}\n", style.paint(colour, mark));
    let below = matches!(line.answer, Answer::Sick | Answer::Unclear).then_some(&line.cause);
    for (label, sentence) in [("cause", below), ("fix", line.fix.as_ref())] {
        let Some(sentence) = sentence else { continue };
        for (number, part) in wrapped(sentence, COLUMNS).into_iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            text += &format!("      {label:<6} {part}\n");
        }
    }
    text
}

/// What the lines come to.
pub(super) fn summary<Q>(card: &Card<Q>) -> String {
    let answers = [
        (Answer::Healthy, "healthy"),
        (Answer::Sick, "sick"),
        (Answer::Unclear, "unclear"),
        (Answer::NotAsked, "not asked"),
    ];
    let counts = answers.map(|(answer, word)| {
        let number = card.lines.iter().filter(|line| line.answer == answer).count();
        (number, format!("{number} {word}"))
    });
    let told = counts.into_iter().filter(|(number, _)| *number > 0);
    told.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}

/// Draws the trace of a question.
pub(super) fn draw<Q: Asked>(
    card: &Card<Q>,
    question: Q,
    drawn: impl Fn(&Path) -> Result<String, TraceFileError>,
) {
    let Some(trace) = card.line(question).and_then(|line| line.trace.as_ref()) else {
        return complain(&format!("{question} was not asked, so there is nothing to draw"));
    };
    match drawn(trace) {
        Ok(ladder) => print(&format!("\n{question}\n\n{ladder}")),
        Err(error) => complain(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectChoice;
    use crate::doctor::Question;

    fn line(answer: Answer) -> CardLine<Question> {
        CardLine {
            question: Question::ThirdPeer,
            answer,
            cause: "a second broadcaster took the room over".to_owned(),
            fix: (answer == Answer::Sick).then(|| "refuse it".to_owned()),
            trace: None,
        }
    }

    fn card(answers: &[Answer]) -> Card<Question> {
        Card {
            url: "ws://h/".to_owned(),
            dialect: DialectChoice::default(),
            lines: answers.iter().map(|answer| line(*answer)).collect(),
        }
    }

    #[test]
    fn a_sick_line_says_what_was_asked_what_was_wrong_and_what_to_do() {
        let text = text(&line(Answer::Sick), Style::Plain);
        for part in [
            "✗ third-peer",
            "disturb anybody?",
            "cause  a second",
            "fix    refuse it",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_card_of_nothing_is_not_green() {
        let codes = [
            (&[][..], Verdict::Invalid.exit_code()),
            (&[Answer::NotAsked], Verdict::Invalid.exit_code()),
            (&[Answer::Healthy, Answer::NotAsked], exit::PASS),
            (&[Answer::Healthy, Answer::Unclear], Verdict::Invalid.exit_code()),
            (&[Answer::Unclear, Answer::Sick], Verdict::Fail.exit_code()),
        ];
        for (answers, expected) in codes {
            assert_eq!(code(&card(answers)), expected, "{answers:?}");
        }
        let summed = summary(&card(&[Answer::Healthy, Answer::Sick, Answer::Healthy]));
        assert_eq!(summed, "2 healthy, 1 sick");
    }
}
