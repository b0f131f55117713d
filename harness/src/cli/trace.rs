//! `greenroom trace`: judges a recorded trace as a run would have been judged, and draws it.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::rule::wrapped;
use super::{complain, exit};
use crate::check::{Severity, Verdict};
use crate::report::Ladder;
use crate::rules::{Cause, Checker, Diagnosis, EventRef, RuleFinding};
use crate::trace::{Extent, TraceFileError, read};

/// Columns of what is printed.
const COLUMNS: usize = 110;

#[derive(Debug, Subcommand)]
pub(super) enum TraceCommand {
    /// Judge a trace: why viewers have no picture, and which rules were broken
    Check(CheckArgs),
    /// Draw a trace: who said what to whom, and where it ended
    Diagram(DiagramArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom trace check greenroom-runs/2026-01-01T12-00-00.000Z/trace.jsonl\n  \
    greenroom trace check trace.jsonl --json | jq '.causes[].fix'\n  \
    greenroom rule explain SG-05                   what a rule says, and why\n\n\
    Exit codes: 0 no cause and no error, 99 there is one, 104 the file is no trace that can be read.")]
pub(super) struct CheckArgs {
    /// trace.jsonl of a run
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Print everything as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom trace diagram trace.jsonl                   broadcaster, server, and the viewers without a picture first\n  \
    greenroom trace diagram trace.jsonl --peer viewer-3   one viewer, its broadcaster and the server\n\n\
    An arrow is a signaling message, `x` ends one that never arrived, `*` is what a peer's own connection does, and\n\
    `<<<` marks what a cause or a rule names.")]
pub(super) struct DiagramArgs {
    /// trace.jsonl of a run
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Draw this viewer only, with its broadcaster and the server
    #[arg(long, value_name = "PEER")]
    pub(super) peer: Option<String>,
}

/// Judges a trace and prints what was found.
pub(super) fn check(args: CheckArgs) -> u8 {
    let mut checker = Checker::default();
    let extent = match read(&args.file, |event| checker.observe(event)) {
        Ok(extent) => extent,
        Err(error) => {
            complain(&error.to_string());
            return exit::BAD_INPUT;
        }
    };
    let diagnosis = checker.finish();
    let text = if args.json {
        serde_json::to_string(&diagnosis)
            .map(|json| json + "\n")
            .unwrap_or_default()
    } else {
        told(&args.file, &extent, &diagnosis)
    };
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code(&diagnosis)
}

/// Draws a trace.
pub(super) fn diagram(args: DiagramArgs) -> u8 {
    match drawn(&args.file, args.peer.as_deref()) {
        Ok(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            exit::PASS
        }
        Err(error) => {
            complain(&error.to_string());
            exit::BAD_INPUT
        }
    }
}

/// The ladder of a trace.
pub(super) fn drawn(file: &Path, peer: Option<&str>) -> Result<String, TraceFileError> {
    let mut checker = Checker::default();
    let mut ladder = Ladder::new(peer);
    read(file, |event| {
        checker.observe(event);
        ladder.observe(event);
    })?;
    Ok(ladder.finish(&checker.finish()))
}

/// The ladder of a client that was examined, without causes: the checker looks for those at both ends, and has one.
pub(super) fn drawn_of_client(file: &Path) -> Result<String, TraceFileError> {
    let mut ladder = Ladder::new(None);
    read(file, |event| ladder.observe(event))?;
    Ok(ladder.finish(&Diagnosis::default()))
}

fn code(diagnosis: &Diagnosis) -> u8 {
    let error = |finding: &RuleFinding| finding.severity == Severity::Error;
    if diagnosis.causes.is_empty() && !diagnosis.findings.iter().any(error) {
        exit::PASS
    } else {
        Verdict::Fail.exit_code()
    }
}

/// A diagnosis in words.
fn told(file: &Path, extent: &Extent, diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_told(&mut out, file, extent, diagnosis);
    out
}

fn write_told(out: &mut String, file: &Path, extent: &Extent, diagnosis: &Diagnosis) -> std::fmt::Result {
    let seconds = extent.end_us as f64 / 1e6;
    writeln!(
        out,
        "{}: {} events, {seconds:.1} s",
        file.display(),
        extent.events
    )?;
    if !diagnosis.causes.is_empty() {
        writeln!(out, "\nWhy there is no picture")?;
        for cause in &diagnosis.causes {
            write_cause(out, cause)?;
        }
    }
    let folded = fold(&diagnosis.findings);
    if !folded.is_empty() {
        writeln!(out, "\nBroken rules")?;
    }
    for found in &folded {
        write_finding(out, found)?;
    }
    if diagnosis.findings_dropped > 0 {
        writeln!(
            out,
            "\n{} more findings were counted and not kept",
            diagnosis.findings_dropped
        )?;
    }
    let of = |severity| {
        diagnosis
            .findings
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    };
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
    writeln!(
        out,
        "\n{} viewers without a picture, {errors} errors, {warnings} warnings, {notes} notes",
        diagnosis.causes.len()
    )
}

fn write_cause(out: &mut String, cause: &Cause) -> std::fmt::Result {
    writeln!(out, "  {}: {}", cause.viewer, cause.kind)?;
    line(out, "what", &cause.message)?;
    line(out, "fix", &cause.fix)?;
    if let Some(last) = &cause.last {
        line(out, "right until", &event(last))?;
    }
    if let Some(shown) = &cause.shown_by {
        line(out, "shown by", &event(shown))?;
    }
    if !cause.rules.is_empty() {
        line(out, "rules", &cause.rules.join(", "))?;
    }
    Ok(())
}

/// A finding, how often it came, at how many peers, and its last event.
struct Folded<'a> {
    first: &'a RuleFinding,
    count: u64,
    peers: BTreeSet<&'a str>,
    last: &'a EventRef,
}

/// Findings of the same rule with the same sentence are one; the worst come first.
fn fold(findings: &[RuleFinding]) -> Vec<Folded<'_>> {
    let mut folded: Vec<Folded<'_>> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for finding in findings {
        let key = (finding.rule.as_str(), finding.message.as_str());
        match places.get(&key).and_then(|place| folded.get_mut(*place)) {
            Some(found) => {
                found.count += 1;
                found.peers.insert(&finding.peer);
                found.last = &finding.effect;
            }
            None => {
                places.insert(key, folded.len());
                folded.push(Folded {
                    first: finding,
                    count: 1,
                    peers: BTreeSet::from([finding.peer.as_str()]),
                    last: &finding.effect,
                });
            }
        }
    }
    // The sort keeps the order of the trace among those that are equally bad.
    folded.sort_by_key(|found| std::cmp::Reverse(found.first.severity));
    folded
}

fn write_finding(out: &mut String, found: &Folded<'_>) -> std::fmt::Result {
    let finding = found.first;
    let severity = finding.severity.name();
    let more = match found.peers.len() {
        0 | 1 => String::new(),
        peers => format!(" and {} more peers", peers - 1),
    };
    writeln!(
        out,
        "  {} {severity} at {}{more}, {} ms",
        finding.rule,
        finding.peer,
        ms(finding.effect.at_us)
    )?;
    line(out, "what", &finding.message)?;
    if let Some(quote) = &finding.quote {
        line(out, "quoted", quote)?;
    }
    line(out, "source", &finding.source)?;
    line(out, "fix", &finding.fix)?;
    if let Some(cause) = &finding.cause {
        line(out, "contradicts", &event(cause))?;
    }
    line(out, "shown by", &event(&finding.effect))?;
    if found.count > 1 {
        let times = format!("{} times, the last one {}", found.count, event(found.last));
        line(out, "again", &times)?;
    }
    Ok(())
}

fn line(out: &mut String, name: &str, text: &str) -> std::fmt::Result {
    const INDENT: usize = 17;
    let mut name = format!("    {name:<13}");
    for text in wrapped(text, COLUMNS - INDENT) {
        writeln!(out, "{name}{text}")?;
        name = " ".repeat(INDENT);
    }
    Ok(())
}

fn event(event: &EventRef) -> String {
    format!(
        "#{} at {} ms, {}: {}",
        event.number,
        ms(event.at_us),
        event.peer,
        event.what
    )
}

fn ms(us: u64) -> String {
    format!("{}.{}", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceFileError;

    const HEADER: &str = r#"{"greenroom_trace":2,"epoch_unix_us":0,"greenroom":"0.1.0"}"#;
    const OPEN: &str = r#"{"at_us":5,"peer":"viewer-1","event":"signaling-open"}"#;
    const JOIN: &str = r#"{"at_us":6,"peer":"viewer-1","event":{"signaling":{"way":"out","frame":"{\"type\":\"viewer\",\"room\":\"r\"}"}}}"#;

    fn of(text: &str) -> (tempfile::NamedTempFile, Result<Extent, TraceFileError>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let extent = read(file.path(), |_| ());
        (file, extent)
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let (file, read) = of(text);
        let error = read.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        let args = CheckArgs {
            file: file.path().to_owned(),
            json: false,
        };
        assert_eq!(check(args), exit::BAD_INPUT);
        let args = DiagramArgs {
            file: file.path().to_owned(),
            peer: None,
        };
        assert_eq!(diagram(args), exit::BAD_INPUT);
    }

    #[test]
    fn what_is_no_trace_is_refused_with_a_reason() {
        refused("", "is empty");
        refused("hello\n", "line 1");
        refused(r#"{"greenroom_trace":1,"greenroom":"0.0.9"}"#, "version 1");
        refused(r#"{"greenroom_trace":4}"#, "version 4");
        refused(&format!("{HEADER}\n{OPEN}\n{{\"at_us\":1}}\n{OPEN}\n"), "line 3");
        refused(&format!("{HEADER}\n{OPEN}\n{{\"at_us\":1"), "cut short");
        refused(&format!("{HEADER}\n\n{OPEN}\n"), "line 2");
        assert!(matches!(
            read(Path::new("/nonexistent/trace.jsonl"), |_| ()),
            Err(TraceFileError::Io { .. })
        ));
    }

    #[test]
    fn a_viewer_without_a_picture_fails_and_an_empty_trace_does_not() {
        let (file, extent) = of(&format!("{HEADER}\n{OPEN}\n{JOIN}\n"));
        let extent = extent.unwrap();
        assert_eq!((extent.events, extent.end_us), (2, 6));
        for json in [false, true] {
            let args = CheckArgs {
                file: file.path().to_owned(),
                json,
            };
            assert_eq!(check(args), 99);
        }
        let (file, _) = of(&format!("{HEADER}\n"));
        let args = CheckArgs {
            file: file.path().to_owned(),
            json: false,
        };
        assert_eq!(check(args), exit::PASS);
    }

    #[test]
    fn findings_that_repeat_are_folded() {
        let effect = |number| EventRef {
            number,
            at_us: number * 1_000,
            peer: "viewer-1".to_owned(),
            what: "got candidate from b1".to_owned(),
        };
        let finding = |number, message: &str| RuleFinding {
            rule: "TR-05".to_owned(),
            severity: Severity::Error,
            peer: "viewer-1".to_owned(),
            message: message.to_owned(),
            quote: Some("a=x".to_owned()),
            source: "RFC 8838".to_owned(),
            fix: "relay each one once".to_owned(),
            cause: Some(effect(1)),
            effect: effect(number),
        };
        let diagnosis = Diagnosis {
            causes: Vec::new(),
            findings: vec![finding(3, "twice"), finding(5, "twice"), finding(6, "late")],
            findings_dropped: 0,
        };
        let text = told(Path::new("trace.jsonl"), &Extent::default(), &diagnosis);
        assert_eq!(text.matches("TR-05 error").count(), 2, "{text}");
        assert!(text.contains("2 times, the last one #5 at 5.0 ms"), "{text}");
        assert!(text.contains("contradicts  #1 at 1.0 ms, viewer-1"), "{text}");
        assert!(text.contains("3 errors"), "{text}");
        assert_eq!(code(&diagnosis), 99);
    }
}
