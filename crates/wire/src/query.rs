//! Queries: which partitions to read, from where, how many records and how fast.
//!
//! [`PartitionQuery::decode`] refuses what a real server refuses: an empty or odd partition list, numbers over 4095, a
//! partition named twice (also through a digest), index values that do not go with the digests.
//! Source: `guide/protocol.md` parts 4.3 to 4.5.

use crate::bits::field;
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::fields::Fields;

/// Partitions of every namespace.
const PARTITION_COUNT: u16 = 4096;

/// The fields of a query that say where to read and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionQuery<'a> {
    /// The client's id for the query, when it sent one.
    pub task_id: Option<u64>,
    /// How long to wait for a client that does not read, ms; 0 when not sent.
    pub socket_timeout_ms: u32,
    /// Records per second; 0 for no limit.
    pub records_per_second: u32,
    /// Most records to return; 0 for no limit.
    pub max_records: u64,
    partitions: Option<&'a [[u8; 2]]>,
    digests: Option<&'a [[u8; 20]]>,
    bvals: Option<&'a [[u8; 8]]>,
}

impl<'a> PartitionQuery<'a> {
    /// Reads and checks the query's fields.
    ///
    /// # Errors
    /// A field of the wrong length, or partitions that are out of range or named twice.
    pub fn decode(fields: &Fields<'a>) -> Result<PartitionQuery<'a>, DecodeError> {
        let query = PartitionQuery {
            task_id: number(fields.task_id, field::TASK_ID)?.map(u64::from_be_bytes),
            socket_timeout_ms: number(fields.socket_timeout, field::SOCKET_TIMEOUT)?
                .map_or(0, u32::from_be_bytes),
            records_per_second: number(fields.records_per_second, field::RECORDS_PER_SECOND)?
                .map_or(0, u32::from_be_bytes),
            max_records: number(fields.max_records, field::MAX_RECORDS)?.map_or(0, u64::from_be_bytes),
            partitions: array(fields.partitions, field::PARTITIONS)?,
            digests: array(fields.digests, field::DIGESTS)?,
            bvals: array(fields.bvals, field::BVALS)?,
        };
        query.check()?;
        Ok(query)
    }

    /// Whether the client named partitions or digests; a foreground query must.
    #[must_use]
    pub fn names_partitions(&self) -> bool {
        self.partitions.is_some() || self.digests.is_some()
    }

    /// Partitions to read from their start, in the order sent, each below 4096 and named once.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = u16> + Clone + 'a {
        self.partitions.unwrap_or_default().iter().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Digests after which to go on in their partitions, in the order sent.
    pub fn digests(&self) -> impl ExactSizeIterator<Item = &'a [u8; 20]> + Clone + 'a {
        self.digests.unwrap_or_default().iter()
    }

    /// Index values that go with the digests, in the same order; empty when none were sent.
    pub fn bvals(&self) -> impl ExactSizeIterator<Item = i64> + Clone + 'a {
        self.bvals.unwrap_or_default().iter().map(|bytes| i64::from_le_bytes(*bytes))
    }

    fn check(&self) -> Result<(), DecodeError> {
        let mut seen = Seen::default();
        for partition in self.partitions() {
            if partition >= PARTITION_COUNT || !seen.insert(partition) {
                return Err(DecodeError::Field(field::PARTITIONS));
            }
        }
        for digest in self.digests() {
            if !seen.insert(partition_of(digest)) {
                return Err(DecodeError::Field(field::DIGESTS));
            }
        }
        match self.bvals {
            Some(bvals) if bvals.len() != self.digests().len() => Err(DecodeError::Field(field::BVALS)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The partition that a digest belongs to.
#[must_use]
pub fn partition_of(digest: &[u8; 20]) -> u16 {
    let [low, high, ..] = *digest;
    u16::from_le_bytes([low, high]) % PARTITION_COUNT
}

/// One bit for each partition: which ones were named.
struct Seen {
    words: [u64; 64],
}

impl Default for Seen {
    fn default() -> Self {
        Seen { words: [0; 64] }
    }
}

impl Seen {
    /// Marks a partition; false when it was marked before or is out of range.
    fn insert(&mut self, partition: u16) -> bool {
        let Some(word) = self.words.get_mut(usize::from(partition >> 6)) else { return false };
        let bit = 1u64 << (partition & 63);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// A field of exactly `N` bytes.
fn number<const N: usize>(data: Option<&[u8]>, id: u8) -> Result<Option<[u8; N]>, DecodeError> {
    data.map(|bytes| bytes.try_into().map_err(|_| DecodeError::Field(id))).transpose()
}

/// A field of one or more items of `N` bytes.
fn array<const N: usize>(data: Option<&[u8]>, id: u8) -> Result<Option<&[[u8; N]]>, DecodeError> {
    let Some(bytes) = data else { return Ok(None) };
    match bytes.as_chunks::<N>() {
        ([], _) => Err(DecodeError::Field(id)),
        (items, []) => Ok(Some(items)),
        (_, _) => Err(DecodeError::Field(id)),
    }
}

/// The range of a secondary index query (field 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange<'a> {
    /// Bin name; empty when the index is named or given as an expression.
    pub bin: &'a [u8],
    /// Particle type number of both ends.
    pub kind: u8,
    /// First value, inclusive.
    pub begin: &'a [u8],
    /// Last value, inclusive.
    pub end: &'a [u8],
}

impl<'a> IndexRange<'a> {
    /// Reads field 22, which must hold exactly one range. Whether begin is at most end is not judged here.
    ///
    /// # Errors
    /// Another number of ranges, or lengths that do not fit.
    pub fn decode(data: &'a [u8]) -> Result<IndexRange<'a>, DecodeError> {
        let mut cursor = Cursor::new(data);
        if cursor.u8()? != 1 {
            return Err(DecodeError::Field(field::INDEX_RANGE));
        }
        let name_size = cursor.u8()?;
        let bin = cursor.take(usize::from(name_size))?;
        let kind = cursor.u8()?;
        let begin_size = cursor.size()?;
        let begin = cursor.take(begin_size)?;
        let end_size = cursor.size()?;
        let end = cursor.take(end_size)?;
        if cursor.is_empty() { Ok(IndexRange { bin, kind, begin, end }) } else { Err(DecodeError::Trailing) }
    }

    /// Field 22 with this range.
    ///
    /// # Panics
    /// When the bin's name has more than 255 bytes, or an end 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size = |end: &[u8]| u32::try_from(end.len()).expect("invariant: values are smaller than 4 GiB");
        let name = u8::try_from(self.bin.len()).expect("invariant: names of bins are short");
        let mut out = vec![1, name];
        out.extend_from_slice(self.bin);
        out.push(self.kind);
        for end in [self.begin, self.end] {
            out.extend_from_slice(&size(end).to_be_bytes());
            out.extend_from_slice(end);
        }
        out
    }
}
