//! `greenroom rule score`: how far the checker is to be trusted, measured by faults on purpose.
//!
//! Owns the printing. What counts as right is in [`crate::score`].

use std::collections::BTreeMap;
use std::io::Write as _;

use clap::Args;

use super::{complain, exit};
use crate::rules::catalogue::{self, Decided};
use crate::score::{self, Mutated, Scored};

/// Plant every fault in a simulated call, and say what the checker made of it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom rule score\n  \
    greenroom rule score --mutations 1000\n  \
    greenroom run --sim lan --fault random-17      one of the mutations again")]
pub(super) struct ScoreArgs {
    /// Random mutations outside the list of faults
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(super) mutations: u64,
}

/// Does it; gives the exit code.
pub(super) async fn run(args: ScoreArgs) -> u8 {
    match print(args.mutations).await {
        Ok(true) => exit::PASS,
        Ok(false) => crate::check::Verdict::Fail.exit_code(),
        Err(error) => {
            complain(&error.to_string());
            exit::HARNESS_FAILED
        }
    }
}

fn say(line: &str) {
    // Nobody reads it when this fails.
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn print(mutations: u64) -> Result<bool, crate::run::RunError> {
    let mut scored = Vec::new();
    say("fault                            cause                    rules");
    for fault in crate::fault::wire::all() {
        let one = score::score(fault, 1).await?;
        let cause = one.cause.map_or("-".to_owned(), |cause| cause.to_string());
        let mark = if one.is_right() { " " } else { "!" };
        say(&format!(
            "{mark} {:<30} {cause:<24} {}",
            one.fault,
            one.rules.join(" ")
        ));
        scored.push(one);
    }
    let right = scored.iter().filter(|one| one.is_right()).count();
    say(&format!(
        "\n{right} of {} faults found as what they are",
        scored.len()
    ));
    per_rule(&scored);
    let mut alarms = 0;
    let calls = score::clean_calls();
    for (name, scenario) in &calls {
        for alarm in score::false_alarms(scenario.clone()).await? {
            alarms += 1;
            say(&format!("! false alarm in {name}: {alarm}"));
        }
    }
    say(&format!(
        "{alarms} false alarms in {} calls in which nothing is wrong",
        calls.len()
    ));
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=mutations {
        let (mutated, because) = score::mutate(seed).await?;
        let name = match mutated {
            Mutated::Named => "named",
            Mutated::Harmless => "harmless",
            Mutated::Idle => "without effect",
            Mutated::Missed => "missed",
        };
        *counts.entry(name).or_default() += 1;
        if mutated == Mutated::Missed {
            say(&format!("! random-{seed} is missed: {because}"));
        }
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    let consequential = count("named") + count("missed");
    let rate = match consequential {
        0 => "no miss rate, because none had a consequence".to_owned(),
        some => format!(
            "miss rate {:.1} % of {some}",
            count("missed") as f64 / some as f64 * 100.0
        ),
    };
    say(&format!(
        "{mutations} random mutations: {} named, {} harmless, {} without effect, {} missed; {rate}",
        count("named"),
        count("harmless"),
        count("without effect"),
        count("missed")
    ));
    Ok(right == scored.len() && alarms == 0)
}

/// Which rules were broken by how many faults, and which cannot be decided.
fn per_rule(scored: &[Scored]) {
    let mut untested = Vec::new();
    for rule in catalogue::all() {
        let meant = scored.iter().filter(|one| one.expected_rule == Some(rule.id));
        let missed = meant.clone().filter(|one| !one.is_right()).count();
        match (rule.decided, meant.count()) {
            (Decided::No(reason), _) => say(&format!("  {}  not decided: {reason}", rule.id)),
            (Decided::Yes, 0) => untested.push(rule.id),
            (Decided::Yes, count) => say(&format!("  {}  {count} fault(s), {missed} missed", rule.id)),
        }
    }
    if !untested.is_empty() {
        say(&format!(
            "  decided, and no fault of the list is meant for it: {}",
            untested.join(" ")
        ));
    }
}
