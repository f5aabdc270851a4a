//! Payloads that are lists: stamps, digests, records. Read one by one; the first bad entry ends the list.

use super::decode::{DecodeError, Reader};
use crate::replication::Stamp;
use shipload_value::Digest;

/// Appends stamps, 34 bytes each.
pub fn encode_stamps(stamps: &[Stamp], out: &mut Vec<u8>) {
    for stamp in stamps {
        encode_stamp(stamp, out);
    }
}

fn encode_stamp(stamp: &Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(&stamp.digest.0);
    out.extend_from_slice(&stamp.last_update_ms.to_le_bytes());
    out.extend_from_slice(&stamp.generation.to_le_bytes());
    out.extend_from_slice(&stamp.check.to_le_bytes());
}

fn take_stamp(reader: &mut Reader<'_>) -> Result<Stamp, DecodeError> {
    Ok(Stamp {
        digest: reader.digest()?,
        last_update_ms: reader.u64()?,
        generation: reader.u16()?,
        check: reader.u32()?,
    })
}

/// Reads entries until the bytes end or one is bad.
fn entries<'a, T>(
    bytes: &'a [u8],
    take: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> impl Iterator<Item = Result<T, DecodeError>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let entry = take(&mut reader);
        if entry.is_err() {
            reader = Reader(&[]);
        }
        Some(entry)
    })
}

/// The stamps of a listing.
pub fn stamps(bytes: &[u8]) -> impl Iterator<Item = Result<Stamp, DecodeError>> {
    entries(bytes, take_stamp)
}

/// Appends digests, 20 bytes each.
pub fn encode_digests(digests: &[Digest], out: &mut Vec<u8>) {
    digests.iter().for_each(|digest| out.extend_from_slice(&digest.0));
}

/// The digests of a pull.
pub fn digests(bytes: &[u8]) -> impl Iterator<Item = Result<Digest, DecodeError>> {
    entries(bytes, Reader::digest)
}

/// A record that was pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled<'a> {
    /// The record and what it is compared by.
    Record(Stamp, &'a [u8]),
    /// There is no such record any more.
    Gone(Digest),
}

/// Appends one pulled record.
pub fn encode_pulled(record: &Pulled<'_>, out: &mut Vec<u8>) {
    match record {
        Pulled::Record(stamp, image) => {
            out.push(1);
            encode_stamp(stamp, out);
            out.extend_from_slice(&u32::try_from(image.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(image);
        }
        Pulled::Gone(digest) => {
            out.push(0);
            out.extend_from_slice(&digest.0);
        }
    }
}

/// The records of an answer to a pull.
pub fn pulled(bytes: &[u8]) -> impl Iterator<Item = Result<Pulled<'_>, DecodeError>> {
    entries(bytes, |reader| match reader.u8()? {
        0 => reader.digest().map(Pulled::Gone),
        1 => {
            let stamp = take_stamp(reader)?;
            let length = reader.u32()? as usize;
            reader.slice(length).map(|image| Pulled::Record(stamp, image))
        }
        _ => Err(DecodeError::Field),
    })
}
