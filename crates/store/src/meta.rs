//! What is known of a record beside its bins, and how a bin and a stored key are passed around.

use shipload_value::{Particle, ParticleType};

/// The longest bin name, in bytes.
pub const BIN_NAME_MAX: usize = 15;
/// The most bins that a record may have. Source: `guide/protocol.md` part 1.8.
pub const BIN_COUNT_MAX: usize = 32767;
/// The largest last-update time that a record can hold, in milliseconds since 2010-01-01.
const TIME_MAX_MS: u64 = (1 << 48) - 1;
/// The largest encoded record, in bytes: 8 MiB of data and room for its frame.
pub const RECORD_SIZE_MAX: usize = (8 << 20) + (64 << 10);

/// The number of a set in its namespace's [`SetTable`](crate::SetTable); 0 is "no set".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SetId(u16);

impl SetId {
    /// Records that belong to no set.
    pub const NONE: SetId = SetId(0);
    /// The largest number: an index entry has twelve bits for it.
    pub const MAX: u16 = 4095;

    /// The set with this number; none when it is above [`SetId::MAX`].
    #[must_use]
    pub fn new(number: u16) -> Option<SetId> {
        (number <= SetId::MAX).then_some(SetId(number))
    }

    /// The number, 0 to 4095.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number as an index into an array.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A record's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// How often the record was written; 16 bits, wraps.
    pub generation: u16,
    /// When the record expires, in seconds since 2010-01-01; 0 is never.
    pub void_time: u32,
    /// When the record was last written, in milliseconds since 2010-01-01; below 2^48.
    pub last_update_ms: u64,
    /// The set that the record belongs to.
    pub set: SetId,
}

impl Meta {
    /// The metadata as a record can hold it: a last-update time that is too late becomes the latest possible.
    #[inline]
    #[must_use]
    pub fn storable(self) -> Meta {
        Meta { last_update_ms: self.last_update_ms.min(TIME_MAX_MS), ..self }
    }
}

/// A stored user key: the particle type number that it was sent with, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRef<'a> {
    /// The particle type number of the key.
    pub kind: u8,
    /// The key's wire bytes.
    pub bytes: &'a [u8],
}

/// A bin, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BinRef<'a> {
    /// At most 15 bytes; may be empty.
    pub name: &'a [u8],
    /// What the value's bytes mean.
    pub kind: ParticleType,
    /// The value's wire bytes in stored form.
    pub value: &'a [u8],
}

impl<'a> BinRef<'a> {
    /// The bin's value without its name.
    #[must_use]
    pub fn particle(&self) -> Particle<'a> {
        Particle { kind: self.kind, bytes: self.value }
    }

    /// Whether it has this name. Names are so short that a call to compare them would cost more than comparing.
    #[inline]
    #[must_use]
    pub fn is_named(&self, name: &[u8]) -> bool {
        let ends = |bytes: &[u8]| Some((*bytes.first_chunk::<8>()?, *bytes.last_chunk::<8>()?));
        let short = |bytes: &[u8]| Some((*bytes.first_chunk::<4>()?, *bytes.last_chunk::<4>()?));
        if self.name.len() != name.len() {
            false
        } else if let (Some(own), Some(other)) = (ends(self.name), ends(name)) {
            // Sixteen bytes at most: the two ends meet.
            own == other && (name.len() <= 16 || self.name == name)
        } else if let (Some(own), Some(other)) = (short(self.name), short(name)) {
            own == other
        } else {
            self.name.iter().eq(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BinRef;
    use shipload_value::ParticleType;

    #[test]
    fn names_of_all_lengths_are_told_apart() {
        let letters = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..20 {
            let name = &letters[..length];
            let bin = BinRef { name, kind: ParticleType::Blob, value: &[] };
            assert!(bin.is_named(name));
            assert!(!bin.is_named(&letters[..length + 1]));
            for place in 0..length {
                let mut other = name.to_vec();
                other[place] = b'Z';
                assert!(!bin.is_named(&other), "{length} {place}");
            }
        }
    }
}
