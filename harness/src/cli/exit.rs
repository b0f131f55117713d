//! Exit codes of every command, in one place (docs/exit-codes.md).

/// Every criterion is met, or the command did what it was asked to.
pub(super) const PASS: u8 = 0;
/// What was checked did not pass.
pub(super) const CHECKS_FAILED: u8 = 99;
/// The command line, a file or a URL cannot be used; nothing was started.
pub(super) const BAD_INPUT: u8 = 104;
/// greenroom itself failed.
pub(super) const HARNESS_FAILED: u8 = 109;
/// A second Ctrl-C ended everything at once, without a report.
pub(super) const KILLED: u8 = 130;

/// The code of an error that ended a run.
pub(super) fn of_error(error: &crate::RunError) -> u8 {
    if error.is_bad_input() {
        BAD_INPUT
    } else {
        HARNESS_FAILED
    }
}

/// The worse of two codes: a failure counts more than an invalid run, and either more than a pass.
pub(super) fn worse(a: u8, b: u8) -> u8 {
    let rank = |code| match code {
        PASS => 0,
        120 => 1,
        99 => 2,
        _ => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_an_invalid_run_and_that_a_pass() {
        assert_eq!(worse(0, 120), 120);
        assert_eq!(worse(120, 99), 99);
        assert_eq!(worse(99, 0), 99);
        assert_eq!(worse(99, HARNESS_FAILED), HARNESS_FAILED);
    }
}
