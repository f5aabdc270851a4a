//! Writing a record: plan its size, then write it in one go where it will lie.
//!
//! The plan refuses what the format can't hold, so that writing can't fail. The bins are walked twice, which is
//! why they come as an iterator that can be cloned.

use super::{CHECKSUM_SIZE, ESCAPED, SHORT_TIME_LIMIT_MS, flag, varint};
use crate::error::{CorruptRecord, StoreError};
use crate::meta::{BIN_COUNT_MAX, BIN_NAME_MAX, BinRef, KeyRef, Meta, RECORD_SIZE_MAX, SetId};
use shipload_value::{Digest, ParticleType};

/// A record about to be written: its metadata and how many bytes it will take.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'k> {
    meta: Meta,
    key: Option<KeyRef<'k>>,
    bin_count: usize,
    body_size: usize,
}

impl<'k> Plan<'k> {
    /// Measures a record; refuses what the format can't hold.
    #[inline]
    pub fn new<'b>(
        meta: &Meta,
        key: Option<KeyRef<'k>>,
        bins: impl Iterator<Item = BinRef<'b>>,
    ) -> Result<Plan<'k>, StoreError> {
        let (mut bin_count, mut bin_bytes) = (0usize, 0usize);
        for bin in bins {
            if bin.name.len() > BIN_NAME_MAX {
                return Err(StoreError::BinName);
            }
            bin_count = bin_count.saturating_add(1);
            bin_bytes = bin_bytes.saturating_add(bin_size(&bin));
        }
        if bin_count > BIN_COUNT_MAX {
            return Err(StoreError::TooManyBins);
        }
        let meta = meta.storable();
        let body_size = head_size(&meta, key, bin_count).saturating_add(bin_bytes);
        if body_size > RECORD_SIZE_MAX {
            return Err(StoreError::RecordTooBig);
        }
        Ok(Plan { meta, key, bin_count, body_size })
    }

    /// How many bytes the record takes in the block log.
    #[inline]
    #[must_use]
    pub fn size(&self) -> usize {
        CHECKSUM_SIZE.saturating_add(varint::size(self.body_size)).saturating_add(self.body_size)
    }

    /// Writes the record over `out`, which is exactly [`Plan::size`] bytes. `bins` are those of the plan.
    #[inline]
    pub fn write<'b>(
        &self,
        out: &mut [u8],
        digest: &Digest,
        bins: impl Iterator<Item = BinRef<'b>>,
        seed: u32,
    ) {
        assert_eq!(out.len(), self.size(), "invariant: the space for a record is what its plan says");
        let mut writer = Writer { rest: out.get_mut(CHECKSUM_SIZE..).unwrap_or_default() };
        writer.varint(self.body_size);
        self.write_head(&mut writer, digest);
        bins.for_each(|bin| write_bin(&mut writer, &bin));
        assert!(writer.rest.is_empty(), "invariant: the bins are those that were planned");
        seal(out, seed);
    }

    fn write_head(&self, writer: &mut Writer<'_>, digest: &Digest) {
        let few = u8::try_from(self.bin_count).ok().filter(|&count| count < flag::MANY_BINS);
        writer.put(&[shape(&self.meta, self.key.is_some()) | (few.unwrap_or(flag::MANY_BINS) << 4)]);
        writer.put(&digest.0);
        writer.put(&self.meta.generation.to_le_bytes());
        writer.put(time_bytes(self.meta.last_update_ms, &self.meta.last_update_ms.to_le_bytes()));
        if self.meta.set != SetId::NONE {
            writer.put(&self.meta.set.number().to_le_bytes());
        }
        if self.meta.void_time != 0 {
            writer.put(&self.meta.void_time.to_le_bytes());
        }
        if few.is_none() {
            writer.varint(self.bin_count);
        }
        if let Some(key) = self.key {
            writer.put(&[key.kind]);
            writer.varint(key.bytes.len());
            writer.put(key.bytes);
        }
    }
}

/// Rewrites the metadata of an encoded record in place and renews its checksum. False, with nothing changed, when
/// the new metadata would take another number of bytes.
pub fn patch_meta(record: &mut [u8], meta: &Meta, seed: u32) -> Result<bool, CorruptRecord> {
    let meta = meta.storable();
    let body = record.get_mut(CHECKSUM_SIZE..).ok_or(CorruptRecord::Truncated)?;
    let length_size = {
        let mut rest = &*body;
        varint::take(&mut rest)?;
        body.len().saturating_sub(rest.len())
    };
    let body = body.get_mut(length_size..).ok_or(CorruptRecord::Truncated)?;
    let (flags, rest) = body.split_first_mut().ok_or(CorruptRecord::Truncated)?;
    if *flags & 15 & !flag::KEY != shape(&meta, false) {
        return Ok(false);
    }
    let rest = rest.get_mut(20..).ok_or(CorruptRecord::Truncated)?;
    let time = meta.last_update_ms.to_le_bytes();
    let time = time_bytes(meta.last_update_ms, &time);
    let optional = optional_size(&meta);
    if rest.len() < time.len().saturating_add(2).saturating_add(optional) {
        return Err(CorruptRecord::Truncated);
    }
    let mut writer = Writer { rest };
    writer.put(&meta.generation.to_le_bytes());
    writer.put(time);
    if meta.set != SetId::NONE {
        writer.put(&meta.set.number().to_le_bytes());
    }
    if meta.void_time != 0 {
        writer.put(&meta.void_time.to_le_bytes());
    }
    seal(record, seed);
    Ok(true)
}

/// Writes a frame without content over damaged bytes, so that a walk from record to record steps over them.
pub(crate) fn encode_gap(bytes: &mut [u8]) {
    bytes.fill(0);
    let Some(rest) = bytes.get_mut(CHECKSUM_SIZE..) else { return };
    // A length may take more bytes than it needs; so every number of damaged bytes has a frame that fits.
    let room = |size: usize| rest.len().saturating_sub(size);
    let limits = [(1, 1 << 7), (2, 1 << 14), (3, 1 << 21), (4, 1usize << 28)];
    let Some((size, _)) = limits.into_iter().find(|&(size, limit)| room(size) < limit) else { return };
    let (mut low, mut left) = ([0u8; 4], room(size));
    for (index, byte) in low.iter_mut().enumerate() {
        let more = if index.saturating_add(1) < size { 0x80 } else { 0 };
        *byte = u8::try_from(left & 0x7f).unwrap_or_default() | more;
        left >>= 7;
    }
    rest.iter_mut().zip(low).take(size).for_each(|(byte, low)| *byte = low);
}

/// Computes the checksum of an encoded record for the block with this seed.
pub(crate) fn seal(record: &mut [u8], seed: u32) {
    if let Some((checksum, rest)) = record.split_first_chunk_mut::<CHECKSUM_SIZE>() {
        *checksum = crc32c::crc32c_append(seed, rest).to_le_bytes();
    }
}

/// The flags that say which optional parts a record has.
fn shape(meta: &Meta, has_key: bool) -> u8 {
    let mut flags = 0;
    if meta.set != SetId::NONE {
        flags |= flag::SET;
    }
    if meta.void_time != 0 {
        flags |= flag::VOID_TIME;
    }
    if has_key {
        flags |= flag::KEY;
    }
    if meta.last_update_ms >= SHORT_TIME_LIMIT_MS {
        flags |= flag::LATE;
    }
    flags
}

fn time_bytes(time_ms: u64, bytes: &[u8; 8]) -> &[u8] {
    let length = if time_ms >= SHORT_TIME_LIMIT_MS { 6 } else { 5 };
    bytes.get(..length).unwrap_or_default()
}

/// Bytes of set and void time.
fn optional_size(meta: &Meta) -> usize {
    let set = if meta.set == SetId::NONE { 0usize } else { 2 };
    set.saturating_add(if meta.void_time == 0 { 0 } else { 4 })
}

/// Bytes between the length and the first bin.
fn head_size(meta: &Meta, key: Option<KeyRef<'_>>, bin_count: usize) -> usize {
    let time = if meta.last_update_ms >= SHORT_TIME_LIMIT_MS { 6 } else { 5 };
    let count = if bin_count < usize::from(flag::MANY_BINS) { 0 } else { varint::size(bin_count) };
    let key = key.map_or(0, |key| {
        1usize.saturating_add(varint::size(key.bytes.len())).saturating_add(key.bytes.len())
    });
    [1, 20, 2, time, optional_size(meta), count, key].into_iter().fold(0, usize::saturating_add)
}

/// A bin head's code for a value: short where the type has one and the value the length that it implies.
#[inline]
fn bin_code(bin: &BinRef<'_>) -> (u8, bool) {
    use ParticleType as P;
    match (bin.kind, bin.value.len()) {
        (P::Integer, 8) => (1, true),
        (P::Double, 8) => (2, true),
        (P::String, _) => (3, false),
        (P::Blob, _) => (4, false),
        (P::Bool, 1) => (5, true),
        (P::Hll, _) => (6, false),
        (P::Map, _) => (7, false),
        (P::List, _) => (8, false),
        (P::GeoJson, _) => (9, false),
        (P::Vector, _) => (10, false),
        (P::Integer | P::Double | P::Bool, _) => (ESCAPED, false),
        (P::JavaBlob | P::CSharpBlob | P::PythonBlob | P::RubyBlob | P::PhpBlob | P::ErlangBlob, _) => {
            (ESCAPED, false)
        }
    }
}

#[inline]
fn bin_size(bin: &BinRef<'_>) -> usize {
    let (code, fixed) = bin_code(bin);
    let escape = usize::from(code == ESCAPED);
    let length = if fixed { 0 } else { varint::size(bin.value.len()) };
    [1, bin.name.len(), escape, length, bin.value.len()].into_iter().fold(0, usize::saturating_add)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the plan refuses names above 15 bytes")]
fn write_bin(writer: &mut Writer<'_>, bin: &BinRef<'_>) {
    let (code, fixed) = bin_code(bin);
    writer.put(&[((bin.name.len() as u8) << 4) | code]);
    writer.put(bin.name);
    if code == ESCAPED {
        writer.put(&[bin.kind.number()]);
    }
    if !fixed {
        writer.varint(bin.value.len());
    }
    writer.put(bin.value);
}

/// Fills a slice from the front.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.rest);
        let (head, tail) =
            rest.split_at_mut_checked(bytes.len()).expect("invariant: what is written is what was planned");
        head.copy_from_slice(bytes);
        self.rest = tail;
    }

    #[inline]
    fn varint(&mut self, value: usize) {
        let (bytes, length) = varint::encode(value);
        self.put(bytes.get(..length).unwrap_or_default());
    }
}
