//! The table that answers "did it work, how fast": plain text, at most 100 columns.
//!
//! Owns the layout. What is absent is printed as absent, with the reason, never as 0.

mod perception;

use std::fmt::Write as _;

use super::Report;
use crate::check::{Severity, Verdict, breaches};
use crate::measure::distribution::Summary;
use crate::measure::measured::{JudgedAt, LinkFigures};
use crate::media::verify::Tally;
use crate::net::model::{Direction, LinkCounts};

/// Findings that are printed; the report file has them all.
const SHOWN_FINDINGS: usize = 12;

/// How the table is decorated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No colours.
    Plain,
    /// ANSI colours.
    Coloured,
}

impl Style {
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    fn verdict(self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Pass => self.paint("1;32", "PASS"),
            Verdict::Fail => self.paint("1;31", "FAIL"),
            Verdict::Invalid => self.paint("1;33", "INVALID"),
        }
    }

    fn mark(self, met: bool) -> String {
        if met {
            self.paint("32", "✓")
        } else {
            self.paint("31", "✗")
        }
    }
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut out, report, style);
    out
}

fn write_table(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    frames(out, report)?;
    join(out, report)?;
    delays(out, report)?;
    perception::write(out, report)?;
    streams(out, report)?;
    call(out, report)?;
    signaling(out, report)?;
    server(out, report)?;
    generator(out, report)?;
    findings(out, report, style)?;
    verdict(out, report, style)
}

fn frames(out: &mut String, report: &Report) -> std::fmt::Result {
    let measured = &report.measured;
    let totals = &measured.totals;
    let level = match measured.judged_at {
        JudgedAt::Exact => "exact: every frame held against the ledger",
        JudgedAt::Stamped => "stamped: decoded and read; not verified",
        JudgedAt::Intact => "intact: complete only; not verified",
        JudgedAt::Nothing => "nothing arrived",
    };
    writeln!(
        out,
        "frames       {} viewers, {:.1} s, judged {level}",
        measured.viewers.len(),
        measured.streamed_ms / 1_000.0
    )?;
    writeln!(
        out,
        "  {:<8} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10}",
        "", "expected", "verified", "lost", "corrupt", "late", "again", "reordered", "unexpected"
    )?;
    tally(out, "frames", totals)?;
    match &measured.sound_totals {
        Some(sound) => tally(out, "sound", sound),
        None => writeln!(out, "  sound        none was sent"),
    }
}

fn tally(out: &mut String, name: &str, tally: &Tally) -> std::fmt::Result {
    writeln!(
        out,
        "  {name:<8} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10}",
        tally.expected,
        tally.verified,
        tally.lost,
        tally.corrupt,
        tally.late,
        tally.repeated,
        tally.reordered,
        tally.unexpected
    )
}

fn heading(out: &mut String, title: &str) -> std::fmt::Result {
    writeln!(
        out,
        "\n{title:<24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "n", "min", "p50", "p95", "p99", "max"
    )
}

/// One line of a distribution; a percentile that the samples cannot carry is a dash.
fn line(out: &mut String, name: &str, summary: Option<&Summary>, absent: &str) -> std::fmt::Result {
    let Some(summary) = summary else {
        return writeln!(out, "  {name:<22} {absent}");
    };
    let percentile = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    writeln!(
        out,
        "  {name:<22} {:>8} {:>8.1} {:>8} {:>8} {:>8} {:>8.1}",
        summary.count,
        summary.min_ms,
        percentile(summary.p50_ms),
        percentile(summary.p95_ms),
        percentile(summary.p99_ms),
        summary.max_ms
    )
}

fn join(out: &mut String, report: &Report) -> std::fmt::Result {
    heading(out, "join, ms from start")?;
    for phase in &report.measured.join {
        if phase.time.is_none()
            && phase.missing == report.measured.viewers.len() as u64
            && report.measured.viewers.is_empty()
        {
            continue;
        }
        line(
            out,
            phase.phase.label(),
            phase.time.as_ref(),
            "reached by no viewer",
        )?;
    }
    Ok(())
}

fn delays(out: &mut String, report: &Report) -> std::fmt::Result {
    let delays = &report.measured.delays;
    heading(out, "delay, ms")?;
    let absent = delays.absent_because.as_deref().unwrap_or("no samples");
    line(out, "frame latency", delays.frame_latency.as_ref(), absent)?;
    line(
        out,
        "  capture",
        delays.capture.as_ref(),
        "no broadcaster in this process",
    )?;
    line(
        out,
        "  encode",
        delays.encode.as_ref(),
        "no broadcaster in this process",
    )?;
    line(out, "  transport", delays.transport.as_ref(), absent)?;
    if report.measured.sound_totals.is_some() {
        line(out, "sound latency", delays.sound_latency.as_ref(), absent)?;
    }
    line(out, "decode", delays.decode.as_ref(), "no viewer decoded")?;
    line(
        out,
        "due to decoded",
        delays.glass_latency.as_ref(),
        "no viewer decoded",
    )?;
    let skew_absent = if report.measured.viewers.len() < 2 {
        "needs two viewers"
    } else {
        absent
    };
    line(
        out,
        "fan-out skew",
        report.measured.fanout_skew.as_ref(),
        skew_absent,
    )
}

fn streams(out: &mut String, report: &Report) -> std::fmt::Result {
    let measured = &report.measured;
    let rtp: Vec<_> = measured.viewers.iter().filter_map(|viewer| viewer.rtp).collect();
    writeln!(out)?;
    if rtp.is_empty() {
        writeln!(out, "streams      no packets were received")?;
    } else {
        let sum =
            |field: fn(&crate::measure::measured::RtpFigures) -> u64| rtp.iter().map(field).sum::<u64>();
        let rates: Vec<f64> = rtp.iter().filter_map(|rtp| rtp.bitrate_bps).collect();
        let rate = match rates.len() {
            0 => "bitrate unknown".to_owned(),
            n => format!(
                "{:.0} kbit/s a viewer",
                rates.iter().sum::<f64>() / n as f64 / 1_000.0
            ),
        };
        writeln!(
            out,
            "streams      {rate}; packets {} received, {} lost after repair; NACK {}, PLI {}",
            sum(|rtp| rtp.packets_received),
            sum(|rtp| rtp.packets_lost),
            sum(|rtp| rtp.nack_count.unwrap_or(0)),
            sum(|rtp| rtp.pli_count.unwrap_or(0))
        )?;
        let jitter = rtp.iter().map(|rtp| rtp.jitter_ms).fold(0.0, f64::max);
        let freezes: u32 = measured.viewers.iter().map(|viewer| viewer.freezes.count).sum();
        let frozen: f64 = measured
            .viewers
            .iter()
            .map(|viewer| viewer.freezes.total_ms)
            .sum();
        writeln!(
            out,
            "             jitter up to {jitter:.1} ms; {freezes} freezes, {frozen:.0} ms in all"
        )?;
        let arrivals = measured.viewers.iter().flat_map(|viewer| &viewer.arrivals);
        let (again, out_of_order) = arrivals.fold((0, 0), |(again, order), stream| {
            (again + stream.again, order + stream.out_of_order)
        });
        writeln!(
            out,
            "             before repair {again} arrived again and {out_of_order} out of order"
        )?;
    }
    let decoded: Vec<_> = measured
        .viewers
        .iter()
        .filter_map(|viewer| viewer.decoded)
        .collect();
    if decoded.is_empty() {
        writeln!(out, "decoded      no viewer decoded")?;
    } else {
        let sum = |field: fn(&crate::measure::measured::DecodedFigures) -> u64| {
            decoded.iter().map(field).sum::<u64>()
        };
        writeln!(
            out,
            "decoded      {} frames at {} viewer(s); stamps {} right, {} wrong, {} unreadable, {} read only; {} black while muted",
            sum(|d| d.frames_decoded),
            decoded.len(),
            sum(|d| d.stamps_matched),
            sum(|d| d.stamps_wrong),
            sum(|d| d.stamps_unreadable),
            sum(|d| d.stamps_read),
            sum(|d| d.muted_black)
        )?;
    }
    for broadcaster in &measured.broadcasters {
        writeln!(
            out,
            "sent         {} frames, {} key frames, {} sound packets; {} connections, {} RTP packets; \
             {} key frame requests",
            broadcaster.frames,
            broadcaster.key_frames,
            broadcaster.sound_packets,
            broadcaster.connections,
            broadcaster.packets_sent,
            broadcaster.key_frame_requests
        )?;
    }
    Ok(())
}

/// What the simulated network did on the way to viewers.
fn network(out: &mut String, links: &[LinkFigures]) -> std::fmt::Result {
    let down = || links.iter().filter(|link| link.direction == Direction::Down);
    let sum = |field: fn(&LinkCounts) -> u64| down().map(|link| field(&link.counts)).sum::<u64>();
    writeln!(
        out,
        "network      the model delivered {} of {} datagrams: {} lost, {} dropped in full queues, {} too large; \
         {} copied, {} spoiled, {} overtaken",
        sum(|counts| counts.delivered),
        sum(|counts| counts.sent),
        sum(|counts| counts.lost),
        sum(|counts| counts.queue_dropped),
        sum(|counts| counts.too_large),
        sum(|counts| counts.duplicated),
        sum(|counts| counts.corrupted),
        sum(|counts| counts.reordered)
    )
}

/// How the two peers of a call came to an agreement.
fn call(out: &mut String, report: &Report) -> std::fmt::Result {
    for (number, caller) in report.measured.callers.iter().enumerate() {
        let stable = match caller.stable_ms {
            Some(ms) => format!("stable after {ms:.1} ms"),
            None => "never stable".to_owned(),
        };
        writeln!(
            out,
            "{:<12} {}, {}: {stable}; {} offers, {} collided with one of its own, {} taken back",
            if number == 0 { "call" } else { "" },
            caller.label,
            if caller.polite { "polite" } else { "impolite" },
            caller.offers,
            caller.collisions,
            caller.rolled_back
        )?;
    }
    Ok(())
}

/// How often signaling was lost, if it was, and how long it was away.
fn signaling(out: &mut String, report: &Report) -> std::fmt::Result {
    let measured = &report.measured;
    let of_viewers = measured.viewers.iter().map(|viewer| &viewer.signaling_losses);
    let of_broadcasters = measured.broadcasters.iter();
    let of_broadcasters = of_broadcasters.map(|broadcaster| &broadcaster.signaling_losses);
    let losses: Vec<_> = of_viewers
        .chain(of_broadcasters)
        .filter(|of| !of.is_empty())
        .collect();
    if losses.is_empty() {
        return Ok(());
    }
    let all = || losses.iter().copied().flatten();
    let away: Vec<f64> = all().filter_map(|loss| loss.away_ms).collect();
    let how_long = if away.is_empty() {
        String::new()
    } else {
        let (least, most) = away.iter().fold((f64::MAX, 0.0_f64), |(least, most), ms| {
            (least.min(*ms), most.max(*ms))
        });
        format!(", away {least:.0} to {most:.0} ms")
    };
    writeln!(
        out,
        "signaling    lost {} times at {} bots; back {} times{how_long}",
        all().count(),
        losses.len(),
        away.len()
    )
}

fn server(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(process) = &report.measured.server_process else {
        return Ok(());
    };
    let mb = |bytes: u64| bytes as f64 / 1e6;
    writeln!(
        out,
        "server       {:.2} of a core; RSS {:.1} MB at first, {:.1} at most, {:.1} at last; {}",
        process.cores_used,
        mb(process.rss_at_start),
        mb(process.rss_max),
        mb(process.rss_at_end),
        process.command
    )
}

fn generator(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(links) = &report.measured.network {
        network(out, links)?;
    }
    if let Some(simulated) = &report.simulated {
        return writeln!(
            out,
            "simulated    {:.1} s of virtual time in {:.2} s, {:.0} times real time; seed {}",
            simulated.virtual_ms / 1_000.0,
            simulated.real_ms / 1_000.0,
            simulated.virtual_ms / simulated.real_ms.max(0.001),
            simulated.seed
        )
        .and_then(|()| match report.verdict {
            Verdict::Pass => Ok(()),
            _ => writeln!(
                out,
                "again        GREENROOM_SEED={} and the same scenario give this run again, event by event",
                simulated.seed
            ),
        });
    }
    let health = &report.measured.generator;
    let tail = |summary: &Option<Summary>| {
        summary.as_ref().map_or_else(
            || "not measured".to_owned(),
            |summary| match summary.p99_ms {
                Some(p99) => format!("p99 {p99:.1} ms"),
                None => format!("max {:.1} ms", summary.max_ms),
            },
        )
    };
    let share = |share: Option<f64>| {
        share.map_or_else(
            || "not measured".to_owned(),
            |share| format!("{:.0} %", share * 100.0),
        )
    };
    writeln!(
        out,
        "generator    CPU {} of {} cores, waited for one {}; lag {}; pacing error {}; socket drops {}",
        share(health.cpu_share),
        health.allowed_cores,
        health.cpu_wait_ms.map_or_else(
            || "not measured".to_owned(),
            |ms| format!("{ms:.2} ms on average")
        ),
        tail(&health.scheduler_lag),
        tail(&health.pacing_error),
        health
            .socket_drops
            .map_or_else(|| "not measured".to_owned(), |drops| drops.to_string())
    )?;
    for breach in breaches(health) {
        writeln!(out, "             over its limit: {breach}")?;
    }
    Ok(())
}

/// Why viewers have no picture.
fn causes(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    if report.causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\ncauses")?;
    for cause in report.causes.iter().take(SHOWN_FINDINGS) {
        let kind = cause.kind.to_string();
        writeln!(out, "  {}  {}", style.paint("31", &kind), cause.message)?;
        for (what, event) in [("last right", &cause.last), ("shown by", &cause.shown_by)] {
            if let Some(event) = event {
                writeln!(
                    out,
                    "      {what:<10} {:>9.1} ms  {} {} (event {})",
                    event.at_us as f64 / 1_000.0,
                    event.peer,
                    event.what,
                    event.number
                )?;
            }
        }
        writeln!(out, "      fix        {}", cause.fix)?;
    }
    Ok(())
}

fn findings(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    causes(out, report, style)?;
    if report.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nfindings")?;
    for finding in report.findings.iter().take(SHOWN_FINDINGS) {
        let severity = match finding.severity {
            Severity::Error => style.paint("31", "error  "),
            Severity::Warning => style.paint("33", "warning"),
            Severity::Note => "note   ".to_owned(),
        };
        writeln!(out, "  {severity}  {}", finding.message)?;
    }
    let more = report.findings.len().saturating_sub(SHOWN_FINDINGS);
    if more > 0 {
        writeln!(out, "  and {more} more, in report.json")?;
    }
    Ok(())
}

fn verdict(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    writeln!(out)?;
    for criterion in &report.criteria {
        writeln!(
            out,
            "  {} {} ({})",
            style.mark(criterion.met),
            criterion.name,
            criterion.figure
        )?;
    }
    let interrupted = match &report.aborted {
        Some(error) => format!(", ended early at {:.0} ms", error.effect.at_us as f64 / 1_000.0),
        None if report.interrupted => ", interrupted".to_owned(),
        None => String::new(),
    };
    writeln!(
        out,
        "\n{}{interrupted}: {}",
        style.verdict(report.verdict),
        report.because
    )
}
