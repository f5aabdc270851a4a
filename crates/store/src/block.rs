//! A write block: a header that says whose it is, then records one after the other.
//!
//! Guarantees: a header decodes only when its checksum is right and its format version is known. The header's
//! checksum is the seed of its records' checksums, so a record counts only in the very block that it was
//! written into: bytes left over from an earlier use of the same space never look alive.
//! Byte by byte: `docs/format/block.md`.

use crate::volume::Place;
use thiserror::Error;

/// The size of an ordinary block, in bytes, header included.
pub const BLOCK_SIZE: usize = 1 << 20;
/// The size of a block's header, in bytes: where its first record starts.
pub const HEADER_SIZE: usize = 64;
/// The first bytes of every block.
pub const MAGIC: [u8; 8] = *b"shipload";
/// The version of the block and record format: 2 since records may be compressed. Blocks of version 1 are read.
pub const FORMAT_VERSION: u16 = 2;

/// Where the checksum of the header lies in it.
const CHECKSUM_AT: usize = 60;

/// Whose records a block log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Names the namespace for ever, whatever it is called.
    pub namespace: [u8; 16],
    /// The stripe's number, 0 to 63.
    pub stripe: u16,
}

/// A block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whose records the block holds.
    pub identity: Identity,
    /// Counts the blocks that the stripe has begun, from 1: of two headers the higher is the younger.
    pub sequence: u64,
    /// The block's place in its stripe's log.
    pub number: u32,
    /// The block's size in bytes, header included; above [`BLOCK_SIZE`] when one record needs it.
    pub size: u32,
    /// Tells the blocks of one life of a volume from those of others; 0 in memory.
    pub salt: u64,
    /// Where the block lies on the devices; all 0 in memory.
    pub place: Place,
}

/// Why bytes are not the header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Too short, or without the magic bytes.
    #[error("not a block")]
    NotABlock,
    /// The checksum does not match the bytes.
    #[error("the block header's checksum does not match")]
    Checksum,
    /// Written by a later version of this program.
    #[error("block format version {0} is not known, only those up to {FORMAT_VERSION}")]
    Version(u16),
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0u8; HEADER_SIZE];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.identity.stripe.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.identity.namespace);
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.size.to_le_bytes());
        bytes[44..52].copy_from_slice(&self.salt.to_le_bytes());
        bytes[52..54].copy_from_slice(&self.place.device.to_le_bytes());
        bytes[54..58].copy_from_slice(&self.place.slot.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header and the seed for its records' checksums from the start of a block.
    pub fn decode(block: &[u8]) -> Result<(Header, u32), HeaderError> {
        let bytes = block.first_chunk::<HEADER_SIZE>().ok_or(HeaderError::NotABlock)?;
        if bytes[0..8] != MAGIC {
            return Err(HeaderError::NotABlock);
        }
        let seed = Header::seed(bytes);
        if crc32c::crc32c(&bytes[..CHECKSUM_AT]) != seed {
            return Err(HeaderError::Checksum);
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version == 0 || version > FORMAT_VERSION {
            return Err(HeaderError::Version(version));
        }
        let mut namespace = [0u8; 16];
        namespace.copy_from_slice(&bytes[16..32]);
        let (mut sequence, mut salt) = ([0u8; 8], [0u8; 8]);
        sequence.copy_from_slice(&bytes[32..40]);
        salt.copy_from_slice(&bytes[44..52]);
        let stripe = u16::from_le_bytes([bytes[10], bytes[11]]);
        let header = Header {
            identity: Identity { namespace, stripe },
            sequence: u64::from_le_bytes(sequence),
            number: u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
            size: u32::from_le_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]),
            salt: u64::from_le_bytes(salt),
            place: Place {
                device: u16::from_le_bytes([bytes[52], bytes[53]]),
                slot: u32::from_le_bytes([bytes[54], bytes[55], bytes[56], bytes[57]]),
            },
        };
        Ok((header, seed))
    }

    /// The seed of the records' checksums in the block with these header bytes.
    #[must_use]
    pub fn seed(bytes: &[u8; HEADER_SIZE]) -> u32 {
        u32::from_le_bytes([bytes[60], bytes[61], bytes[62], bytes[63]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_seen() {
        let header = Header {
            identity: Identity { namespace: *b"0123456789abcdef", stripe: 63 },
            sequence: 1 << 40,
            number: 77,
            size: 1 << 20,
            salt: u64::MAX - 5,
            place: Place { device: 3, slot: 1 << 30 },
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes).unwrap(), (header, Header::seed(&bytes)));
        for bit in 0..HEADER_SIZE * 8 {
            let mut broken = bytes;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&broken).is_err(), "bit {bit}");
        }
        assert_eq!(Header::decode(&bytes[..63]), Err(HeaderError::NotABlock));
    }

    #[test]
    fn a_later_format_version_is_named() {
        let header = Header {
            identity: Identity::default(),
            sequence: 1,
            number: 0,
            size: 64,
            salt: 0,
            place: Place::default(),
        };
        let mut bytes = header.encode();
        bytes[8] = 9;
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Version(9)));
    }
}
