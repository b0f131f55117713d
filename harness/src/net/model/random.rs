//! Owns the seeded randomness of the network, of what explores it and of each track: SplitMix64, one stream per
//! seed. It never asks the system.

/// SplitMix64 (Steele, Lea, Flood 2014): a whole stream from any seed, zero included.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in 0..1, of 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        to_unit(self.bits())
    }
}

/// The 53 upper bits as a number in 0..1.
pub(crate) fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A seed of its own for each thing that is numbered by `parts`, so that no two share a stream.
pub(crate) fn derive(seed: u64, parts: [u64; 2]) -> u64 {
    // Each part goes through the mixer after the ones before, so that their order counts.
    parts.into_iter().fold(Random::new(seed).bits(), |state, part| {
        Random::new(state ^ part).bits()
    })
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        // The first values that the reference implementation gives (prng.di.unimi.it/splitmix64.c).
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn derived_seeds_differ_by_every_part() {
        let mut seeds: Vec<u64> = (0..50)
            .flat_map(|seed| (0..50).flat_map(move |host| (0..2).map(move |way| derive(seed, [host, way]))))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 50 * 50 * 2);
    }
}
