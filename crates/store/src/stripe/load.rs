//! Bringing a stripe back from the blocks of its volume.
//!
//! Guarantees: of the copies of a record that the blocks hold, the one that was written last counts; a tombstone counts
//! as one. Blocks may come in any order. Bytes that are no whole record are stepped over and told of.
//!
//! The idea: within a stripe the order of writing is the order of block sequence and place in the block.
//! Defragmentation only ever copies the newest copy, so a later copy never says something older. Times and
//! generations are not asked: a clock may step back, and a generation starts again after a delete.

use super::Stripe;
use super::tombs::{Tomb, Tombs};
use crate::block::{HEADER_SIZE, Header, Identity};
use crate::error::CorruptRecord;
use crate::index::{Entry, Key, Location};
use crate::log::{BlockLog, LogConfig};
use crate::meta::Meta;
use crate::record::{CHECKSUM_SIZE, decode, encode_gap, verify};
use crate::stripe::stripe_of;
use crate::volume::{Batch, SkippedSlot, Trouble, Volume};
use shipload_value::Digest;
use std::collections::HashMap;
use std::sync::Arc;

/// What a block brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Records and tombstones, old copies included.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The latest last-update time of any of them, in milliseconds since 2010-01-01.
    pub latest_ms: u64,
    /// What was wrong with it.
    pub skipped: Option<SkippedSlot>,
}

/// A record of a block as recovery sees it.
struct Found {
    digest: Digest,
    meta: Meta,
    offset: usize,
    size: usize,
    is_tomb: bool,
}

impl Stripe {
    /// An empty stripe whose blocks also lie on a volume.
    #[must_use]
    pub fn attached(stripe: u16, config: LogConfig, volume: Arc<Volume>) -> Stripe {
        let log = BlockLog::attached(stripe, config, volume);
        let identity = Identity { namespace: [0; 16], stripe };
        Stripe { log, tombs: Some(Box::new(Tombs::default())), ..Stripe::new(identity, config) }
    }

    /// Takes a block that [`Volume::scan`] found, whose header names this stripe.
    ///
    /// # Panics
    /// When the stripe is not attached to a volume.
    pub fn load_block(&mut self, volume: &Volume, header: &Header, mut bytes: Box<[u8]>, run: u32) -> Loaded {
        let mut loaded = Loaded::default();
        let seed = seed_of(&bytes);
        let (found, end, gaps) = walk(&mut bytes, seed, usize::from(header.identity.stripe));
        if !volume.occupy(header.place, run) {
            loaded.skipped = Some(volume.skipped(header.place, Trouble::Misplaced));
            return loaded;
        }
        if gaps.0 > 0 {
            let trouble = Trouble::Records { stretches: gaps.0, bytes: gaps.1 };
            loaded.skipped = Some(volume.skipped(header.place, trouble));
        }
        let Some(number) = self.log.add_loaded(header, seed, end, bytes) else { return loaded };
        if self.log.config().resident_bytes.is_some() && gaps.0 == 0 {
            self.log.forget_loaded(number);
            let size =
                |found: &Found| Some((u32::try_from(found.offset).ok()?, u32::try_from(found.size).ok()?));
            self.loading.insert(number, found.iter().filter_map(size).collect());
        }
        for record in found {
            loaded.records += 1;
            loaded.bytes += record.size as u64;
            loaded.latest_ms = loaded.latest_ms.max(record.meta.last_update_ms);
            let Ok(offset) = u32::try_from(record.offset) else { break };
            self.load_record(&record, Location::new(number, offset));
        }
        loaded
    }

    /// All blocks are loaded. Tombstones without an older copy go, unless something could not be read: then it may
    /// hold one.
    pub fn finish_load(&mut self, all_was_read: bool) {
        if all_was_read {
            let idle = self.tombs.as_mut().map(|tombs| tombs.extract(|tomb| !tomb.covers));
            for tomb in idle.into_iter().flatten() {
                let size = self.loaded_size(tomb.location);
                self.log.bury(tomb.location, size);
            }
        }
        if let Some(tombs) = &mut self.tombs {
            tombs.left_by_raid = tombs.len();
        }
        self.loading = HashMap::new();
        self.log.finish_load();
    }

    /// The size of a record that was loaded, without reading it again.
    fn loaded_size(&self, location: Location) -> usize {
        let sizes = self.loading.get(&location.block());
        let known = sizes.and_then(|sizes| {
            let at = sizes.binary_search_by_key(&location.offset(), |(offset, _)| *offset).ok()?;
            usize::try_from(sizes.get(at)?.1).ok()
        });
        known.unwrap_or_else(|| self.size_at(location))
    }

    /// Hands on the bytes that were written since the last call; whether there are more than fit in the batch.
    pub(crate) fn take_new_bytes(&mut self, batch: &mut Batch) -> bool {
        self.log.take_new_bytes(batch)
    }

    /// Copies them for the commit journal; whether there are more than fit in the batch.
    pub(crate) fn copy_new_bytes(&mut self, batch: &mut Batch) -> bool {
        self.log.copy_new_bytes(batch)
    }

    fn load_record(&mut self, found: &Found, location: Location) {
        let key = Key::of(&found.digest);
        let partition = found.digest.partition();
        if self.is_dropped(partition, location) {
            return;
        }
        let mut covers = false;
        if let Ok(slot) = self.table(partition).find(&key) {
            let old = *self.table(partition).entry(slot);
            if self.log.order(old.location()) > self.log.order(location) {
                return;
            }
            covers = true;
            let size = self.loaded_size(old.location());
            self.drop_entry(partition, slot);
            self.ledger.leave(old.set(), size);
            self.log.bury(old.location(), size);
        }
        if let Some(tomb) = self.tombs.as_mut().and_then(|tombs| tombs.get_mut(&found.digest)) {
            if self.log.order(tomb.location) > self.log.order(location) {
                tomb.covers |= !found.is_tomb;
                return;
            }
            let old = *tomb;
            covers |= old.covers;
            let size = self.loaded_size(old.location);
            self.log.bury(old.location, size);
            if let Some(tombs) = &mut self.tombs {
                tombs.remove(&found.digest);
            }
        }
        self.log.revive(location, found.size, found.meta.last_update_ms);
        if found.is_tomb {
            if let Some(tombs) = &mut self.tombs {
                tombs.insert(found.digest, Tomb { location, covers, judged: false });
            }
            return;
        }
        let Meta { void_time, generation, set, .. } = found.meta;
        let entry = Entry::new(&key, location, void_time, generation, set);
        self.insert_entry(partition, entry);
        self.ledger.enter(set, found.size);
    }
}

/// The seed of a block's records, from its whole header.
fn seed_of(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<HEADER_SIZE>().map_or(0, Header::seed)
}

/// The whole records of a block, where they end, and how many stretches of how many bytes between them are damaged.
/// Such a stretch is overwritten, in memory, with a gap that later walks step over.
fn walk(bytes: &mut [u8], seed: u32, stripe: usize) -> (Vec<Found>, usize, (u32, u64)) {
    let (mut found, mut end, mut gaps) = (Vec::new(), HEADER_SIZE, (0u32, 0u64));
    let mut at = HEADER_SIZE;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        match whole_record(rest, seed, stripe) {
            Ok((digest, meta, size, is_tomb)) => {
                if at > end {
                    gaps = (gaps.0 + 1, gaps.1 + (at - end) as u64);
                    encode_gap(bytes.get_mut(end..at).unwrap_or_default());
                }
                found.push(Found { digest, meta, offset: at, size, is_tomb });
                at += size;
                end = at;
            }
            Err(_) => at += step_over(rest),
        }
    }
    (found, end, gaps)
}

/// How far the next place is where a record can begin: one byte on, or behind most of a stretch of zeros.
fn step_over(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    // A checksum may begin with zeros itself.
    zeros.saturating_sub(CHECKSUM_SIZE).max(1)
}

/// The record at the start of `bytes` if it is one of this block's. What can't be one is told cheaply.
fn whole_record(
    bytes: &[u8],
    seed: u32,
    stripe: usize,
) -> Result<(Digest, Meta, usize, bool), CorruptRecord> {
    let record = decode(bytes)?;
    let digest = record.digest();
    if stripe_of(digest.partition()) != stripe {
        return Err(CorruptRecord::Field);
    }
    record.check_bins()?;
    let record = verify(bytes, seed)?;
    Ok((digest, record.meta(), record.size(), record.is_tombstone()))
}
