//! Rooms of Janus have numbers, and greenroom's have names. Owns the number of a name.

use crate::RoomId;

/// FNV-1a of 32 bits: short, and the same in every version of this crate.
const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// A name that is a number is that number; of any other it is a hash, which nobody else is likely to have.
pub(super) fn number(room: &RoomId) -> u64 {
    let name = room.as_str();
    let number = name.parse::<u64>().ok();
    // Janus asks for a positive number that its JSON library can hold; 007 would be another room than 7.
    let number =
        number.filter(|number| *number > 0 && i64::try_from(*number).is_ok() && number.to_string() == name);
    number.unwrap_or_else(|| {
        let hash = name
            .bytes()
            .fold(OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME));
        u64::from(hash.max(1))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_names_itself_and_a_name_has_one_of_its_own() {
        let number = |name: &str| super::number(&name.parse().unwrap());
        assert_eq!(number("1234"), 1234);
        // Known of the algorithm, so that it stays what it is.
        assert_eq!(number("a"), 0xe40c_292c);
        assert_ne!(number("demo"), number("demo2"));
        for other in ["0", "007", "18446744073709551615"] {
            let hash = number(other);
            assert!(hash > 0 && hash <= u64::from(u32::MAX), "{other}: {hash}");
        }
    }
}
