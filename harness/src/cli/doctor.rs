//! `greenroom doctor`: examines a signaling server, and prints its card.
//!
//! Owns the flags and the looks of the card. Answers and sentences are the doctor's.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::access::AccessArgs;
use super::rule::wrapped;
use super::{complain, exit, style_of};
use crate::check::Verdict;
use crate::dialect::DialectChoice;
use crate::doctor::{Answer, Card, CardLine, Doctor, Question};
use crate::report::Style;
use crate::scenario::ExecSpec;

/// Columns of a sentence under a line.
const COLUMNS: usize = 92;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom doctor ws://127.0.0.1:3000/\n  \
    greenroom doctor ws://127.0.0.1:3000/ --dialect broadcast-ws --exec 'node server.js'\n  \
    greenroom doctor ws://127.0.0.1:3000/ --only third-peer,malformed-frames --ladder third-peer\n  \
    greenroom doctor wss://example.org/ws --token-file token.txt --json > card.json\n\n\
    With --exec the server is started anew for every question, so that one it died of is not held against the next.\n\n\
    Exit codes: 0 every answer is healthy, 99 the server is sick, 104 bad input, 105 interrupted,\n\
    120 nothing is sick and something could not be told.")]
pub(super) struct DoctorArgs {
    /// Signaling server, ws:// or wss://HOST:PORT/
    #[arg(value_name = "URL")]
    url: String,

    /// What it speaks: a built-in dialect, or a file that ends in .toml (docs/dialects.md)
    #[arg(
        long,
        env = "GREENROOM_DIALECT",
        default_value = "native",
        value_name = "NAME"
    )]
    dialect: DialectChoice,

    /// Ask only these, such as one-viewer,third-peer; all of them if absent
    #[arg(long, value_name = "QUESTION", value_delimiter = ',')]
    only: Vec<Question>,

    /// Draw the ladder of this question below the card
    #[arg(long, value_name = "QUESTION", value_delimiter = ',')]
    ladder: Vec<Question>,

    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,

    /// Folder for each question's report.json and trace.jsonl; a new one under greenroom-runs if absent
    #[arg(long, env = "GREENROOM_OUTPUT_DIR", value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// Start the server with this command, anew for every question, and stop it after it
    #[arg(long, env = "GREENROOM_EXEC", hide_env_values = true, value_name = "COMMAND")]
    exec: Option<String>,

    /// It is ready when its port accepts and a GET of this URL is answered with a status below 500
    #[arg(
        long,
        env = "GREENROOM_READY_URL",
        hide_env_values = true,
        value_name = "http://HOST:PORT/",
        requires = "exec"
    )]
    ready_url: Option<String>,

    /// How long it may take to be ready
    #[arg(
        long,
        env = "GREENROOM_EXEC_TIMEOUT",
        default_value = "10s",
        value_name = "TIME",
        value_parser = super::args::parse_duration
    )]
    exec_timeout: Duration,

    #[command(flatten)]
    access: AccessArgs,
}

/// Does what the flags say; gives the exit code.
pub(super) async fn doctor(args: DoctorArgs) -> u8 {
    let access = match args.access.access() {
        Ok(access) => access,
        Err(message) => {
            complain(&message);
            return exit::BAD_INPUT;
        }
    };
    let folder = args.output_dir.clone().unwrap_or_else(super::run::new_folder);
    let mut doctor = Doctor::new(&args.url)
        .dialect(args.dialect.clone())
        .access(access)
        .output_dir(&folder);
    if let Some(command) = &args.exec {
        doctor = doctor.exec(ExecSpec {
            ready_url: args.ready_url.clone(),
            timeout: args.exec_timeout,
            ..ExecSpec::new(command)
        });
    }
    if !args.only.is_empty() {
        doctor = doctor.only(args.only.clone());
    }
    let style = style_of(&std::io::stdout());
    let live = std::io::stderr().is_terminal();
    let mut lines = Vec::new();
    // Each run takes seconds: the first line says so, and each answer stands as it comes.
    let _ = writeln!(
        std::io::stderr(),
        "examining {} in {}, some seconds a question",
        crate::bot::dial::for_logs(&args.url),
        args.dialect
    );
    let examined = tokio::select! {
        biased;
        () = super::run::interrupt_signal() => None,
        examined = doctor.examine(|line| {
            lines.push(line.clone());
            if !args.json {
                print(&text(line, style));
            } else if live {
                let _ = writeln!(std::io::stderr(), "{}", line.question);
            }
        }) => Some(examined),
    };
    let (card, interrupted) = match examined {
        Some(Ok(card)) => (card, false),
        Some(Err(error)) => {
            complain(&error.to_string());
            return exit::of_error(&error);
        }
        None => {
            let url = crate::bot::dial::for_logs(&args.url);
            let dialect = args.dialect.clone();
            (Card { url, dialect, lines }, true)
        }
    };
    if args.json {
        print(&(serde_json::to_string(&card).unwrap_or_default() + "\n"));
    } else {
        print(&format!("\n{}; traces in {}\n", summary(&card), folder.display()));
    }
    for question in &args.ladder {
        draw(&card, *question);
    }
    if interrupted {
        crate::report::EXIT_INTERRUPTED
    } else {
        code(&card)
    }
}

fn code(card: &Card) -> u8 {
    let any = |answer| card.lines.iter().any(|line| line.answer == answer);
    match card.is_green() {
        true => exit::PASS,
        false if any(Answer::Sick) => Verdict::Fail.exit_code(),
        false => Verdict::Invalid.exit_code(),
    }
}

fn print(text: &str) {
    // A closed pipe is no reason to fail.
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line of the card, with what was wrong below it.
fn text(line: &CardLine, style: Style) -> String {
    let name = line.question.name();
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
fn summary(card: &Card) -> String {
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
fn draw(card: &Card, question: Question) {
    let Some(trace) = card.line(question).and_then(|line| line.trace.as_ref()) else {
        return complain(&format!("{question} was not asked, so there is nothing to draw"));
    };
    match super::trace::drawn(trace, None) {
        Ok(ladder) => print(&format!("\n{question}\n\n{ladder}")),
        Err(error) => complain(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(answer: Answer) -> CardLine {
        CardLine {
            question: Question::ThirdPeer,
            answer,
            cause: "a second broadcaster took the room over".to_owned(),
            fix: (answer == Answer::Sick).then(|| "refuse it".to_owned()),
            trace: None,
        }
    }

    fn card(answers: &[Answer]) -> Card {
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
