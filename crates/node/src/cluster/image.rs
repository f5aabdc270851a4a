//! A record as it travels between nodes: everything that a copy must have, in terms that all nodes share.
//!
//! Guarantees: decoding reads within bounds and never panics; two copies with the same content have the same image on
//! every node, because set names stand in it and not their numbers. Little endian:
//!
//! ```text
//! format u8 = 1 | generation u16 | last update u48 in a u64 (ms since 2010) | void time u32 | set u8 + name
//! key: 0, or 1 + kind u8 + length u32 + bytes | bins u16, each: name u8 + name, kind u8, value u32 + bytes
//! ```

use shipload_cluster::replication::Stamp;
use shipload_store::{BinRef, KeyRef, Meta, RecordRef, SetId};
use shipload_value::{Digest, ParticleType};

/// The only format so far.
const FORMAT: u8 = 1;
/// Where the part of an image begins that the checksum of its stamp covers: behind format, generation and last update.
const CONTENT_AT: usize = 11;

/// A record that came from another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    /// Metadata; the set is not translated yet.
    pub(crate) meta: Meta,
    /// Name of the set; empty for none.
    pub(crate) set: &'a [u8],
    /// The stored key.
    pub(crate) key: Option<KeyRef<'a>>,
    bins: &'a [u8],
}

/// Appends a record's image. `set` is the name of the record's set.
pub(crate) fn encode(record: &RecordRef<'_>, set: &[u8], out: &mut Vec<u8>) {
    let meta = record.meta();
    out.push(FORMAT);
    out.extend_from_slice(&meta.generation.to_le_bytes());
    out.extend_from_slice(&meta.last_update_ms.to_le_bytes());
    out.extend_from_slice(&meta.void_time.to_le_bytes());
    out.push(u8::try_from(set.len()).unwrap_or(0));
    out.extend_from_slice(set);
    match record.key() {
        None => out.push(0),
        Some(key) => {
            out.extend_from_slice(&[1, key.kind]);
            put_long(out, key.bytes);
        }
    }
    let count = u16::try_from(record.bin_count()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for bin in record.bins() {
        out.push(u8::try_from(bin.name.len()).unwrap_or(0));
        out.extend_from_slice(bin.name);
        out.push(bin.kind.number());
        put_long(out, bin.value);
    }
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What a record with this image is compared by.
pub(crate) fn stamp(digest: Digest, meta: &Meta, image: &[u8]) -> Stamp {
    let check = crc32c::crc32c(image.get(CONTENT_AT..).unwrap_or_default());
    Stamp { digest, last_update_ms: meta.last_update_ms, generation: meta.generation, check }
}

impl<'a> Image<'a> {
    /// Reads an image whole; none when it is malformed.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Image<'a>> {
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [FORMAT] {
            return None;
        }
        let generation = u16::from_le_bytes(take(&mut rest)?);
        let last_update_ms = u64::from_le_bytes(take(&mut rest)?);
        let void_time = u32::from_le_bytes(take(&mut rest)?);
        let set = short(&mut rest)?;
        let key = match take::<1>(&mut rest)? {
            [0] => None,
            [1] => {
                let [kind] = take(&mut rest)?;
                Some(KeyRef { kind, bytes: long(&mut rest)? })
            }
            _ => return None,
        };
        let meta = Meta { generation, void_time, last_update_ms, set: SetId::NONE };
        let image = Image { meta, set, key, bins: rest };
        let count = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
        let mut bins = image.bins();
        let whole = bins.by_ref().count() == count && bins.rest.is_empty();
        whole.then_some(image)
    }

    /// The bins in stored order.
    pub(crate) fn bins(&self) -> Bins<'a> {
        match self.bins.split_first_chunk() {
            Some((count, rest)) => Bins { rest, left: u16::from_le_bytes(*count) },
            None => Bins { rest: &[], left: 0 },
        }
    }
}

/// The bins of an image.
#[derive(Debug, Clone)]
pub(crate) struct Bins<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Iterator for Bins<'a> {
    type Item = BinRef<'a>;

    fn next(&mut self) -> Option<BinRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let name = short(&mut self.rest)?;
        let [kind] = take(&mut self.rest)?;
        Some(BinRef { name, kind: ParticleType::from_number(kind)?, value: long(&mut self.rest)? })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [length] = take(rest)?;
    slice(rest, usize::from(length))
}

fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?);
    slice(rest, usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Image, encode};
    use proptest::prelude::{any, proptest};
    use shipload_store::{BinRef, Identity, KeyRef, LogConfig, Meta, Stripe, stripe_of};
    use shipload_value::{Digest, ParticleType};

    fn stripe_with_record() -> (Stripe, Digest) {
        let digest = Digest::of(b"demo", 3, b"key");
        let number = u16::try_from(stripe_of(digest.partition())).unwrap();
        let mut stripe = Stripe::new(Identity { namespace: [7; 16], stripe: number }, LogConfig::default());
        let bins = [
            BinRef { name: b"a", kind: ParticleType::Integer, value: &[0, 0, 0, 0, 0, 0, 0, 9] },
            BinRef { name: b"", kind: ParticleType::String, value: b"text" },
        ];
        let meta = Meta { generation: 65_535, void_time: 77, last_update_ms: 1 << 41, ..Meta::default() };
        let key = KeyRef { kind: 3, bytes: b"key" };
        stripe.put(&digest, &meta, Some(key), bins.iter().copied()).unwrap();
        (stripe, digest)
    }

    #[test]
    fn an_image_comes_back_and_no_part_of_it_is_one() {
        let (stripe, digest) = stripe_with_record();
        let record = stripe.get(&digest).unwrap();
        let mut bytes = Vec::new();
        encode(&record, b"demo", &mut bytes);
        let image = Image::decode(&bytes).unwrap();
        assert_eq!((image.set, image.key), (b"demo".as_slice(), record.key()));
        assert_eq!(image.meta, Meta { set: image.meta.set, ..record.meta() });
        assert!(image.bins().eq(record.bins()));
        for cut in 0..bytes.len() {
            assert_eq!(Image::decode(&bytes[..cut]), None, "{cut}");
        }
        bytes.push(0);
        assert_eq!(Image::decode(&bytes), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(image) = Image::decode(&bytes) {
                let _ = image.bins().count();
            }
        }
    }
}
