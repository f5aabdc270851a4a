//! A record's bytes: the form in which it lies in the block log, in memory and on disk.
//!
//! Guarantees: [`decode`] and everything that a [`RecordRef`] offers read within bounds and never panic, whatever
//! the bytes are; [`verify`] tells whether they are what was written. Nothing is copied or allocated.
//!
//! The idea: a frame (checksum, length, flags, digest, metadata) whose optional parts are announced by flags,
//! then the bins one after the other. Byte by byte: `docs/format/record.md`. Refuses to know what is live.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod encode;
mod packed;
mod varint;

use crate::error::CorruptRecord;
use crate::meta::{BIN_COUNT_MAX, BinRef, KeyRef, Meta, SetId};
use shipload_value::{Digest, ParticleType};

pub use encode::{Plan, patch_meta};
pub(crate) use encode::{encode_gap, seal};
pub use packed::Compression;
pub(crate) use packed::{pack, unpack};

/// Bytes of the checksum in front of a record.
pub(crate) const CHECKSUM_SIZE: usize = 4;
/// Last-update times below this take five bytes, others six.
pub(crate) const SHORT_TIME_LIMIT_MS: u64 = 1 << 40;

/// Flag bits; the upper four bits of the flag byte are the bin count.
pub(crate) mod flag {
    pub(crate) const SET: u8 = 1;
    pub(crate) const VOID_TIME: u8 = 2;
    pub(crate) const KEY: u8 = 4;
    pub(crate) const LATE: u8 = 8;
    /// The bin count that says "a varint follows".
    pub(crate) const MANY_BINS: u8 = 15;
}

/// A record in the block log, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    bytes: &'a [u8],
    digest: &'a [u8; 20],
    meta: Meta,
    key: Option<KeyRef<'a>>,
    bins: &'a [u8],
    bin_count: u16,
    /// Key and bins are compressed.
    is_packed: bool,
}

impl<'a> RecordRef<'a> {
    /// The record's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(*self.digest)
    }

    /// Generation, void time, last-update time and set.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// The stored user key, if the client sent one to be kept.
    #[must_use]
    pub fn key(&self) -> Option<KeyRef<'a>> {
        self.key
    }

    /// How many bins the record has.
    #[must_use]
    pub fn bin_count(&self) -> usize {
        usize::from(self.bin_count)
    }

    /// Whether key and bins are compressed: then they are not to be seen here.
    pub(crate) fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Whether the record says that it was removed.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.bin_count == 0 && !self.is_packed
    }

    /// The bins in stored order.
    #[must_use]
    pub fn bins(&self) -> Bins<'a> {
        Bins { rest: self.bins, left: self.bin_count }
    }

    /// The bin with this name.
    #[must_use]
    pub fn bin(&self, name: &[u8]) -> Option<BinRef<'a>> {
        self.bins().find(|bin| bin.is_named(name))
    }

    /// The record's encoded size in bytes: what it takes in the block log.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The record's encoded bytes; [`decode`] reads a copy of them just as well.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether every announced bin is there and nothing follows them.
    pub fn check_bins(&self) -> Result<(), CorruptRecord> {
        let mut bins = self.bins();
        let whole = bins.by_ref().count() == self.bin_count();
        // What is packed can only be judged by its checksum.
        if self.is_packed || whole && bins.rest.is_empty() { Ok(()) } else { Err(CorruptRecord::Truncated) }
    }
}

/// The bins of a record in stored order. Ends early where the bytes are no bin, which [`RecordRef::check_bins`] tells.
#[derive(Debug, Clone)]
pub struct Bins<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Iterator for Bins<'a> {
    type Item = BinRef<'a>;

    fn next(&mut self) -> Option<BinRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let bin = take_bin(&mut self.rest);
        if bin.is_none() {
            self.left = 0;
        }
        bin
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

/// Exact for every record whose bytes are whole.
impl ExactSizeIterator for Bins<'_> {}

/// Reads the record at the start of `bytes`; what follows it is ignored. Neither the checksum nor the bins are
/// checked: see [`verify`] and [`RecordRef::check_bins`].
#[inline]
pub fn decode(bytes: &[u8]) -> Result<RecordRef<'_>, CorruptRecord> {
    let total = frame_size(bytes)?;
    let bytes = bytes.get(..total).ok_or(CorruptRecord::Truncated)?;
    let mut body = bytes.get(CHECKSUM_SIZE..).ok_or(CorruptRecord::Truncated)?;
    varint::take(&mut body)?;
    let [flags] = *take_chunk(&mut body)?;
    let digest = take_chunk(&mut body)?;
    let generation = u16::from_le_bytes(*take_chunk(&mut body)?);
    let last_update_ms = take_time(&mut body, flags & flag::LATE != 0)?;
    let set = if flags & flag::SET == 0 {
        SetId::NONE
    } else {
        SetId::new(u16::from_le_bytes(*take_chunk(&mut body)?)).ok_or(CorruptRecord::Field)?
    };
    let void_time =
        if flags & flag::VOID_TIME == 0 { 0 } else { u32::from_le_bytes(*take_chunk(&mut body)?) };
    let bin_count = take_bin_count(&mut body, flags >> 4)?;
    let meta = Meta { generation, void_time, last_update_ms, set };
    // Who counts bins in a field of its own counts at least fifteen; zero stands for a packed record.
    if flags >> 4 == flag::MANY_BINS && bin_count == 0 {
        return Ok(RecordRef { bytes, digest, meta, key: None, bins: &[], bin_count, is_packed: true });
    }
    let key = if flags & flag::KEY == 0 { None } else { Some(take_key(&mut body)?) };
    Ok(RecordRef { bytes, digest, meta, key, bins: body, bin_count, is_packed: false })
}

/// The encoded size of the record at the start of `bytes`, which need hold no more than its length.
#[inline]
pub fn frame_size(bytes: &[u8]) -> Result<usize, CorruptRecord> {
    let mut rest = bytes.get(CHECKSUM_SIZE..).ok_or(CorruptRecord::Truncated)?;
    let before = rest.len();
    let length = varint::take(&mut rest)?;
    if length == 0 {
        return Err(CorruptRecord::End);
    }
    let head = before.wrapping_sub(rest.len()).wrapping_add(CHECKSUM_SIZE);
    Ok(head.wrapping_add(length as usize))
}

/// Whether the record at the start of `bytes` is exactly what was written into the block with this seed.
pub fn verify(bytes: &[u8], seed: u32) -> Result<RecordRef<'_>, CorruptRecord> {
    let record = decode(bytes)?;
    let (stored, rest) = record.bytes.split_first_chunk::<CHECKSUM_SIZE>().ok_or(CorruptRecord::Truncated)?;
    if crc32c::crc32c_append(seed, rest) != u32::from_le_bytes(*stored) {
        return Err(CorruptRecord::Checksum);
    }
    record.check_bins()?;
    Ok(record)
}

fn take_chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], CorruptRecord> {
    let (chunk, tail) = rest.split_first_chunk::<N>().ok_or(CorruptRecord::Truncated)?;
    *rest = tail;
    Ok(chunk)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (slice, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(slice)
}

fn take_time(rest: &mut &[u8], late: bool) -> Result<u64, CorruptRecord> {
    if late {
        let [a, b, c, d, e, f] = *take_chunk(rest)?;
        return Ok(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
    }
    let [a, b, c, d, e] = *take_chunk(rest)?;
    Ok(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
}

fn take_bin_count(rest: &mut &[u8], small: u8) -> Result<u16, CorruptRecord> {
    if small != flag::MANY_BINS {
        return Ok(u16::from(small));
    }
    let count = varint::take(rest)?;
    u16::try_from(count).ok().filter(|&count| usize::from(count) <= BIN_COUNT_MAX).ok_or(CorruptRecord::Field)
}

fn take_key<'a>(rest: &mut &'a [u8]) -> Result<KeyRef<'a>, CorruptRecord> {
    let [kind] = *take_chunk(rest)?;
    let length = varint::take(rest)? as usize;
    let bytes = take_slice(rest, length).ok_or(CorruptRecord::Truncated)?;
    Ok(KeyRef { kind, bytes })
}

#[inline]
fn take_bin<'a>(rest: &mut &'a [u8]) -> Option<BinRef<'a>> {
    let (&head, tail) = rest.split_first()?;
    *rest = tail;
    let name = take_slice(rest, usize::from(head >> 4))?;
    let (kind, fixed) = match head & 15 {
        ESCAPED => {
            let (&number, tail) = rest.split_first()?;
            *rest = tail;
            (ParticleType::from_number(number)?, None)
        }
        code => short_kind(code)?,
    };
    let length = match fixed {
        Some(length) => length,
        None => varint::take(rest).ok()? as usize,
    };
    let value = take_slice(rest, length)?;
    Some(BinRef { name, kind, value })
}

/// The code of a bin head that says "the particle type number follows".
pub(crate) const ESCAPED: u8 = 15;

/// What a bin head's code stands for: the type, and the value's length where the type has only one.
#[inline]
fn short_kind(code: u8) -> Option<(ParticleType, Option<usize>)> {
    use ParticleType as P;
    Some(match code {
        1 => (P::Integer, Some(8)),
        2 => (P::Double, Some(8)),
        3 => (P::String, None),
        4 => (P::Blob, None),
        5 => (P::Bool, Some(1)),
        6 => (P::Hll, None),
        7 => (P::Map, None),
        8 => (P::List, None),
        9 => (P::GeoJson, None),
        10 => (P::Vector, None),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
#[path = "record_tests.rs"]
mod tests;
