//! A record on its way between a node and a backup.

/// A bin: its particle type number and its value as the protocol has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) name: Vec<u8>,
    pub(super) kind: u8,
    pub(super) value: Vec<u8>,
}

/// A record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Particle type number and bytes of the key, when it is stored.
    pub(super) key: Option<(u8, Vec<u8>)>,
    pub(super) namespace: Vec<u8>,
    pub(super) digest: [u8; 20],
    /// Empty for none.
    pub(super) set: Vec<u8>,
    pub(super) generation: u32,
    /// Seconds since 2010-01-01; 0 is never.
    pub(super) void_time: u32,
    pub(super) bins: Vec<Bin>,
}

/// Particle type numbers.
pub(super) mod kind {
    pub(crate) const INTEGER: u8 = 1;
    pub(crate) const DOUBLE: u8 = 2;
    pub(crate) const STRING: u8 = 3;
    pub(crate) const BLOB: u8 = 4;
    pub(crate) const BOOL: u8 = 17;
    pub(crate) const GEO_JSON: u8 = 23;
    /// Kinds that a backup holds as bytes, with their letters.
    pub(crate) const AS_BYTES: [(u8, u8); 10] = [
        (BLOB, b'B'),
        (7, b'J'),
        (8, b'C'),
        (9, b'P'),
        (10, b'R'),
        (11, b'H'),
        (12, b'E'),
        (18, b'Y'),
        (19, b'M'),
        (20, b'L'),
    ];
}
