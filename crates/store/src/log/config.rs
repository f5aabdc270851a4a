//! What of a block log can be configured.

use crate::block::{BLOCK_SIZE, HEADER_SIZE};
use crate::record::Compression;

/// Settings of a block log. All but `block_bytes` can change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Bytes of an ordinary block; the format's 1 MiB but in tests, never more.
    pub block_bytes: usize,
    /// The most bytes of blocks that one stripe may hold.
    pub capacity_bytes: u64,
    /// A closed block with a smaller part of its bytes alive, in percent, is defragmented; 0 to 99.
    pub low_water_pct: u8,
    /// How many freed blocks a stripe keeps for its next ones; others go back to the system.
    pub pooled_blocks: usize,
    /// Tombstones of a stripe below which they are not looked through for some that may go.
    pub tombstones_min: usize,
    /// On a volume, the most bytes of written blocks that stay in memory; none: all of them.
    pub resident_bytes: Option<u64>,
    /// How the content of new records is compressed; none: not at all.
    pub compression: Option<Compression>,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            block_bytes: BLOCK_SIZE,
            capacity_bytes: u64::MAX,
            low_water_pct: 50,
            pooled_blocks: 1,
            tombstones_min: 256,
            resident_bytes: None,
            compression: None,
        }
    }
}

impl LogConfig {
    /// The settings with every value in its range.
    pub(crate) fn bounded(self) -> LogConfig {
        LogConfig {
            block_bytes: self.block_bytes.clamp(2 * HEADER_SIZE, BLOCK_SIZE),
            low_water_pct: self.low_water_pct.min(99),
            ..self
        }
    }
}
