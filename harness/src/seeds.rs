//! Seeds of a test: all of them, or the one that somebody wants to see again.
//!
//! Owns the meaning of `GREENROOM_SEED` in tests. Draws nothing.

/// The seeds, or only the one in the environment variable `GREENROOM_SEED`, which a failing run prints.
///
/// ```no_run
/// # #[cfg(feature = "sim")]
/// # async fn test() -> Result<(), greenroom::RunError> {
/// for seed in greenroom::seeds(1..=20) {
///     greenroom::Run::simulated(seed).run().await?.assert_passed();
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When the variable is set to something that is no seed: a test that ran other seeds instead would mislead.
pub fn seeds(all: impl IntoIterator<Item = u64>) -> Vec<u64> {
    match std::env::var("GREENROOM_SEED") {
        Err(_) => all.into_iter().collect(),
        Ok(text) => vec![only(&text)],
    }
}

fn only(text: &str) -> u64 {
    #[expect(clippy::panic, reason = "it is for tests, and says so")]
    text.parse().unwrap_or_else(|_| {
        panic!("GREENROOM_SEED is {text:?}; expected a whole number, as in GREENROOM_SEED=7")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_as_it_is_printed() {
        assert_eq!(only("7"), 7);
        assert_eq!(only("18446744073709551615"), u64::MAX);
    }

    #[test]
    #[should_panic(expected = "GREENROOM_SEED=7")]
    fn what_is_no_seed_is_refused_with_one_that_is() {
        only("seven");
    }
}
