//! Records whose partition a drill chooses: their digests are made, not hashed from a key.

use aerospike::Key;

use super::cluster::NAMESPACE;

/// The set of all records of a drill.
pub(super) const SET: &str = "drill";
/// How many partitions a namespace has.
pub(super) const PARTITIONS: u16 = 4096;

/// The record with this number in a partition.
pub(super) fn in_partition(partition: u16, number: u64) -> Key {
    let mut digest = [0; 20];
    let [low, high] = (partition % PARTITIONS).to_le_bytes();
    let word = mix(number ^ (u64::from(partition) << 48));
    // The bits beside the partition's number are as random as those of a hash.
    let rest = u8::try_from(word >> 60).unwrap_or(0) << 4;
    digest[0] = low;
    digest[1] = high | rest;
    digest[2..10].copy_from_slice(&word.to_le_bytes());
    digest[10..18].copy_from_slice(&number.to_le_bytes());
    Key::with_digest(NAMESPACE, SET, None, digest)
}

/// The record with this number, in whatever partition it falls.
pub(super) fn anywhere(number: u64) -> Key {
    let [low, high, ..] = mix(number.wrapping_add(0x5EED)).to_le_bytes();
    in_partition(u16::from_le_bytes([low, high]) % PARTITIONS, number)
}

/// Spreads a number over all bits (the finalizer of splitmix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_in_the_partition_that_was_asked_for() {
        for partition in [0, 1, 2047, 4095] {
            let digest = in_partition(partition, 12).digest();
            assert_eq!(u16::from_le_bytes([digest[0], digest[1]]) % PARTITIONS, partition);
        }
        assert_ne!(in_partition(5, 1).digest(), in_partition(5, 2).digest());
        assert_ne!(anywhere(1).digest(), anywhere(2).digest());
    }
}
