//! Rows: what a query answers when it asks for tables instead of records; between nodes of this project only.
//!
//! A request with [`info4::ROWS`](crate::bits::info4::ROWS) names the bins that it wants. Its answer holds blocks, each
//! one message with the same bit, the digest of its last record, and one operation whose value is a count of rows
//! and the rows. A row holds one cell for each bin, in the order asked: a record without any of them is a row as well.
//! Whoever does not know the bit answers records, and [`Block::of`] finds none in them.
//!
//! ```text
//!  block  u32 count, rows
//!  row    [digest 20, generation u32, void time u32, last update u64] with HEADS, [cell of the user key] with KEYS, cells
//!  cell   u8 kind, then 8 bytes (integer, double), nothing (0: no such bin), or u32 length and bytes
//! ```

use crate::bits::{field, info4, op};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::message;
use crate::reply::{self, HeaderMark, OpMark, ReplyHeader};
use crate::response::Response;

/// In the generation of a request: each row begins with its record's metadata.
pub const HEADS: u32 = 1;
/// In the generation of a request: the user key stands before the bins.
pub const KEYS: u32 = 2;

/// Particle numbers of what has eight bytes.
const INTEGER: u8 = 1;
const DOUBLE: u8 = 2;
const BLOB: u8 = 4;
/// The kind of a cell that holds nothing.
const NOTHING: u8 = 0;
const INFO4_AT: usize = 4;

/// A block that is being written.
#[derive(Debug)]
pub struct Open {
    head: HeaderMark,
    digest_at: usize,
    op: OpMark,
    count_at: usize,
    count: u32,
}

impl Open {
    /// Begins a block at the end of an answer.
    pub fn begin(out: &mut Vec<u8>) -> Open {
        let header = ReplyHeader { field_count: 1, op_count: 1, ..ReplyHeader::default() };
        let start = out.len();
        let head = reply::header(out, &header);
        if let Some(info4) = out.get_mut(start.saturating_add(INFO4_AT)) {
            *info4 |= info4::ROWS;
        }
        reply::field(out, field::DIGEST, &[0; 20]);
        let digest_at = out.len().saturating_sub(20);
        let op = reply::begin_op(out, op::READ, BLOB, b"");
        let count_at = out.len();
        out.extend_from_slice(&[0; 4]);
        Open { head, digest_at, op, count_at, count: 0 }
    }

    /// Counts a row whose cells have been appended, and notes its record.
    pub fn count(&mut self, out: &mut [u8], digest: &[u8; 20]) {
        self.count = self.count.saturating_add(1);
        if let Some(at) = out.get_mut(self.digest_at..).and_then(|rest| rest.first_chunk_mut()) {
            *at = *digest;
        }
    }

    /// Ends the block.
    pub fn end(self, out: &mut [u8]) {
        debug_assert!(self.head.start() < self.count_at, "the block's head is still there");
        if let Some(at) = out.get_mut(self.count_at..).and_then(|rest| rest.first_chunk_mut()) {
            *at = self.count.to_be_bytes();
        }
        reply::end_op(out, self.op);
    }
}

/// Appends what stands before a row's cells.
pub fn head(out: &mut Vec<u8>, head: &RowHead) {
    out.extend_from_slice(&head.digest);
    out.extend_from_slice(&head.generation.to_be_bytes());
    out.extend_from_slice(&head.void_time.to_be_bytes());
    out.extend_from_slice(&head.last_update_ms.to_be_bytes());
}

/// Appends a cell: particle number and bytes; none for no value.
#[inline]
pub fn cell(out: &mut Vec<u8>, particle: Option<(u8, &[u8])>) {
    match particle {
        None => out.push(NOTHING),
        Some((kind @ (INTEGER | DOUBLE), bytes)) if bytes.len() == 8 => {
            out.push(kind);
            out.extend_from_slice(bytes);
        }
        // Never stored: a number of another width is no value.
        Some((INTEGER | DOUBLE | NOTHING, _)) => out.push(NOTHING),
        Some((kind, bytes)) => {
            let length = u32::try_from(bytes.len()).unwrap_or(0);
            out.push(kind);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(if length == 0 { &[] } else { bytes });
        }
    }
}

/// A block that was received.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    /// Its rows.
    pub count: u32,
    /// The record of its last row.
    pub last: [u8; 20],
    rest: Cursor<'a>,
}

/// Where a row's cells begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowHead {
    /// The record's name.
    pub digest: [u8; 20],
    /// How often it was written.
    pub generation: u32,
    /// When it expires, in seconds since 2010; 0 is never.
    pub void_time: u32,
    /// When it was written last, in milliseconds since 1970.
    pub last_update_ms: u64,
}

impl<'a> Block<'a> {
    /// The block in a message; none in a message that holds something else.
    ///
    /// # Errors
    /// A message that says that it is a block and is none.
    pub fn of(message: &Response<'a>) -> Result<Option<Block<'a>>, DecodeError> {
        if message.header.info4 & info4::ROWS == 0 {
            return Ok(None);
        }
        let last = message.fields.digest20().copied().ok_or(DecodeError::Field(field::DIGEST))?;
        let op = message.ops.clone().next().ok_or(DecodeError::Truncated)?;
        Block::decode(op.value, last).map(Some)
    }

    /// The block in an operation's value.
    ///
    /// # Errors
    /// A value that is too short.
    pub fn decode(value: &'a [u8], last: [u8; 20]) -> Result<Block<'a>, DecodeError> {
        let mut rest = Cursor::new(value);
        Ok(Block { count: rest.u32()?, last, rest })
    }

    /// The value that [`Block::decode`] takes, after the count.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest.rest()
    }
}

/// Reads rows one after another.
#[derive(Debug, Clone)]
pub struct RowReader<'a> {
    rest: Cursor<'a>,
}

impl<'a> RowReader<'a> {
    /// Rows from the first one of a block on: the bytes of [`Block::rest`].
    #[must_use]
    pub fn new(rows: &'a [u8]) -> RowReader<'a> {
        RowReader { rest: Cursor::new(rows) }
    }

    /// What stands before the cells, with [`HEADS`].
    ///
    /// # Errors
    /// When the bytes end.
    pub fn head(&mut self) -> Result<RowHead, DecodeError> {
        let digest = *self.rest.array::<20>()?;
        let (generation, void_time) = (self.rest.u32()?, self.rest.u32()?);
        Ok(RowHead {
            digest,
            generation,
            void_time,
            last_update_ms: u64::from_be_bytes(*self.rest.array::<8>()?),
        })
    }

    /// The next cell: particle number and bytes; 0 for no value.
    ///
    /// # Errors
    /// When the bytes end.
    #[inline]
    pub fn cell(&mut self) -> Result<(u8, &'a [u8]), DecodeError> {
        match self.rest.u8()? {
            NOTHING => Ok((NOTHING, &[])),
            kind @ (INTEGER | DOUBLE) => Ok((kind, self.rest.array::<8>()?)),
            kind => {
                let length = self.rest.size()?;
                Ok((kind, self.rest.take(length)?))
            }
        }
    }
}

/// Bytes of an answer's message around a block without rows.
pub const BLOCK_BYTES: usize = message::HEADER_SIZE + 25 + 8 + 4;

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Block, Open, RowHead, RowReader, cell, head};
    use crate::response::messages;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let mut out = Vec::new();
        let mut open = Open::begin(&mut out);
        assert_eq!(out.len(), BLOCK_BYTES);
        for number in 0..3u8 {
            let before = RowHead { digest: [number; 20], generation: 7, void_time: 9, last_update_ms: 11 };
            head(&mut out, &before);
            cell(&mut out, Some((1, &[number; 8])));
            cell(&mut out, None);
            cell(&mut out, Some((3, b"text")));
            open.count(&mut out, &[number; 20]);
        }
        open.end(&mut out);
        let message = messages(&out).next().expect("a message").expect("a good one");
        let block = Block::of(&message).expect("a block").expect("one");
        assert_eq!((block.count, block.last), (3, [2; 20]));
        let mut rows = RowReader::new(block.rest());
        for number in 0..3u8 {
            let wanted = RowHead { digest: [number; 20], generation: 7, void_time: 9, last_update_ms: 11 };
            assert_eq!(rows.head(), Ok(wanted));
            assert_eq!(rows.cell(), Ok((1, [number; 8].as_slice())));
            assert_eq!(rows.cell(), Ok((0, [].as_slice())));
            assert_eq!(rows.cell(), Ok((3, b"text".as_slice())));
        }
        assert!(rows.cell().is_err());
    }

    #[test]
    fn no_bytes_are_read_behind_the_end() {
        let mut cut = RowReader::new(&[3, 0, 0, 0, 9, b'x']);
        assert!(cut.cell().is_err());
        assert!(Block::decode(&[0, 0], [0; 20]).is_err());
        assert!(RowReader::new(&[0; 35]).head().is_err());
    }
}
