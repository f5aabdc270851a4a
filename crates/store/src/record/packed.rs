//! Records whose content is compressed: everything behind the metadata, which stays readable.
//!
//! Guarantees: [`unpack`] gives back the record that was packed, or says that the bytes are none; it allocates no more
//! than the largest record takes. A record that would not become smaller is not packed. Byte by byte:
//! `docs/format/record.md`.

use super::{CHECKSUM_SIZE, flag, varint};
use crate::error::CorruptRecord;
use crate::meta::RECORD_SIZE_MAX;

/// How the content of records is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Fast, and small where bytes repeat.
    Lz4,
    /// Smaller, at this level from 1 to 9.
    Zstd(u8),
}

const LZ4: u8 = 1;
const ZSTD: u8 = 2;
/// Content below this is not worth a try.
const WORTH_BYTES: usize = 64;

/// An encoded record in its parts.
struct Parts<'a> {
    flags: u8,
    /// Digest and metadata.
    meta: &'a [u8],
    /// Bin count if it stands here, key, bins; or what follows the mark of a packed record.
    rest: &'a [u8],
}

fn parts(record: &[u8]) -> Result<Parts<'_>, CorruptRecord> {
    let mut body = record.get(CHECKSUM_SIZE..).ok_or(CorruptRecord::Truncated)?;
    varint::take(&mut body)?;
    let (&flags, body) = body.split_first().ok_or(CorruptRecord::Truncated)?;
    let sizes = [(flag::LATE, 1), (flag::SET, 2), (flag::VOID_TIME, 4)];
    let optional: usize = sizes.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, size)| size).sum();
    let (meta, rest) = body
        .split_at_checked(20usize.saturating_add(7).saturating_add(optional))
        .ok_or(CorruptRecord::Truncated)?;
    Ok(Parts { flags, meta, rest })
}

/// A record in the packed form, its checksum not computed yet; none when it would not become smaller.
pub(crate) fn pack(record: &[u8], compression: Compression) -> Option<Vec<u8>> {
    let Parts { flags, meta, rest } = parts(record).ok().filter(|parts| parts.rest.len() >= WORTH_BYTES)?;
    let mut content = Vec::with_capacity(rest.len().saturating_add(1));
    content.push(flags);
    content.extend_from_slice(rest);
    let (method, packed) = match compression {
        Compression::Lz4 => (LZ4, lz4_flex::block::compress(&content)),
        Compression::Zstd(level) => (ZSTD, zstd::bulk::compress(&content, i32::from(level)).ok()?),
    };
    let mut body = Vec::with_capacity(packed.len().saturating_add(64));
    body.push((flags & 15) | (flag::MANY_BINS << 4));
    body.extend_from_slice(meta);
    body.extend_from_slice(&[0, method]);
    put_varint(&mut body, content.len());
    body.extend_from_slice(&packed);
    let framed = frame(&body);
    (framed.len() < record.len()).then_some(framed)
}

/// The record that was packed; its checksum is not computed.
pub(crate) fn unpack(record: &[u8]) -> Result<Vec<u8>, CorruptRecord> {
    let Parts { meta, rest, .. } = parts(record)?;
    let (mark, rest) = rest.split_first_chunk::<2>().ok_or(CorruptRecord::Truncated)?;
    let mut packed = rest;
    let length = varint::take(&mut packed)? as usize;
    if length > RECORD_SIZE_MAX {
        return Err(CorruptRecord::Field);
    }
    let content = match mark {
        [0, LZ4] => lz4_flex::block::decompress(packed, length).map_err(|_| CorruptRecord::Field)?,
        [0, ZSTD] => zstd::bulk::decompress(packed, length).map_err(|_| CorruptRecord::Field)?,
        _ => return Err(CorruptRecord::Field),
    };
    let (&flags, rest) = content.split_first().ok_or(CorruptRecord::Truncated)?;
    let mut body = Vec::with_capacity(length.saturating_add(meta.len()));
    body.push(flags);
    body.extend_from_slice(meta);
    body.extend_from_slice(rest);
    Ok(frame(&body))
}

/// A body behind its length and room for a checksum.
fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(8));
    out.extend_from_slice(&[0; CHECKSUM_SIZE]);
    put_varint(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

fn put_varint(out: &mut Vec<u8>, value: usize) {
    let (bytes, length) = varint::encode(value);
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}
