//! The stream of random bytes that follows from a seed.
//!
//! Owns the generator, xoshiro256++ seeded by SplitMix64 as its authors advise: small, fast, and the same
//! on every platform and with every version of any crate. It is no cryptographic generator.

use std::cell::Cell;

/// A generator that several callers on one thread draw from.
#[derive(Debug)]
pub(crate) struct Stream {
    state: Cell<[u64; 4]>,
}

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = counter;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self {
            state: Cell::new(state),
        }
    }

    /// The next eight bytes; a caller that wants fewer throws the rest away.
    pub(crate) fn next(&self) -> [u8; 8] {
        let mut s = self.state.get();
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        self.state.set(s);
        result.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[track_caller]
    fn check(state: [u64; 4], expect: &[u64]) {
        let stream = Stream::new(0);
        stream.state.set(state);
        for (index, expect) in expect.iter().enumerate() {
            assert_eq!(u64::from_le_bytes(stream.next()), *expect, "word {index}");
        }
    }

    #[test]
    fn the_reference_vector_of_xoshiro256_plus_plus() {
        check(
            [1, 2, 3, 4],
            &[
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162,
            ],
        );
    }

    #[test]
    fn seeds_beside_each_other_have_nothing_in_common() {
        let words = |seed| {
            let stream = Stream::new(seed);
            [(); 64].map(|()| stream.next())
        };
        let (one, two) = (words(1), words(2));
        assert!(one.iter().all(|word| !two.contains(word)));
    }
}
