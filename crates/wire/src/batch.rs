//! Batches: many small commands in one field, with "same as before" rows.
//!
//! Rows are decoded one at a time and borrow from the field. A row that cannot be decoded is the last item that the
//! iterator yields, for nothing after it can be found. Source: `guide/protocol.md` part 4.1.

use crate::bits::row;
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::fields::Fields;
use crate::ops::Ops;

/// All bits that a row's type byte may have, the repeat bit aside.
const PARTS: u8 = row::INFO | row::GENERATION | row::TTL | row::INFO4;

/// The content of field 41.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Rows that the client announces, at least 1.
    pub count: u32,
    /// Bits of [`crate::bits::batch`].
    pub flags: u8,
    rows: &'a [u8],
}

/// One command of a batch.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The client's number for this row; the answer carries it.
    pub index: u32,
    /// The record.
    pub digest: &'a [u8; 20],
    /// Bits of [`crate::bits::info1`].
    pub info1: u8,
    /// Bits of [`crate::bits::info2`].
    pub info2: u8,
    /// Bits of [`crate::bits::info3`].
    pub info3: u8,
    /// Bits of [`crate::bits::info4`].
    pub info4: u8,
    /// Expected generation, when sent.
    pub generation: Option<u16>,
    /// Time to live or read-touch percent, when sent.
    pub ttl: Option<u32>,
    /// The row's fields.
    pub fields: Fields<'a>,
    /// The row's operations.
    pub ops: Ops<'a>,
}

impl<'a> Batch<'a> {
    /// Reads count and flags; the rows are checked when they are walked.
    ///
    /// # Errors
    /// Fewer than five bytes, or no rows announced.
    pub fn decode(field: &'a [u8]) -> Result<Batch<'a>, DecodeError> {
        let mut cursor = Cursor::new(field);
        let batch = Batch { count: cursor.u32()?, flags: cursor.u8()?, rows: cursor.rest() };
        if batch.count == 0 { Err(DecodeError::EmptyBatch) } else { Ok(batch) }
    }

    /// The announced rows in order. Bytes after the last one are ignored.
    #[must_use]
    pub fn rows(&self) -> Rows<'a> {
        Rows { cursor: Cursor::new(self.rows), remaining: self.count, row: Row::EMPTY, repeatable: false }
    }
}

/// Walks the rows of a batch; cheap to clone, so that a batch can be checked before it is executed.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    cursor: Cursor<'a>,
    remaining: u32,
    /// The row that was decoded last, in place: repeating it must not cost decoding it again, or a small batch
    /// could ask for a lot of work.
    row: Row<'a>,
    /// Whether `row` is one that may be repeated.
    repeatable: bool,
}

impl<'a> Rows<'a> {
    /// Decodes the next row into `self.row`.
    fn advance(&mut self) -> Result<(), DecodeError> {
        let index = self.cursor.u32()?;
        let digest = self.cursor.array()?;
        let kind = self.cursor.u8()?;
        if kind == row::REPEAT {
            (self.row.index, self.row.digest) = (index, digest);
            return if self.repeatable { Ok(()) } else { Err(DecodeError::RepeatFirst) };
        }
        self.row = Row { index, digest, ..Row::EMPTY };
        match kind {
            0 => self.row.info1 = self.cursor.u8()?,
            kind if kind & !PARTS == 0 => self.row.fill_parts(&mut self.cursor, kind)?,
            kind => return Err(DecodeError::RowType(kind)),
        }
        self.repeatable = true;
        self.row.fill_tail(&mut self.cursor)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        match self.advance() {
            Ok(()) => Some(Ok(self.row.clone())),
            Err(error) => {
                self.remaining = 0;
                Some(Err(error))
            }
        }
    }
}

impl<'a> Row<'a> {
    const EMPTY: Row<'a> = Row {
        index: 0,
        digest: &[0; 20],
        info1: 0,
        info2: 0,
        info3: 0,
        info4: 0,
        generation: None,
        ttl: None,
        fields: Fields::EMPTY,
        ops: Ops::EMPTY,
    };

    /// The parts that the row's type byte names, in their fixed order.
    fn fill_parts(&mut self, cursor: &mut Cursor<'a>, kind: u8) -> Result<(), DecodeError> {
        let has = |bit: u8| kind & bit != 0;
        if has(row::INFO) {
            [self.info1, self.info2, self.info3] = *cursor.array()?;
        }
        if has(row::INFO4) {
            self.info4 = cursor.u8()?;
        }
        self.generation = has(row::GENERATION).then(|| cursor.u16()).transpose()?;
        self.ttl = has(row::TTL).then(|| cursor.u32()).transpose()?;
        Ok(())
    }

    /// Fields and operations, which end every row.
    fn fill_tail(&mut self, cursor: &mut Cursor<'a>) -> Result<(), DecodeError> {
        let field_count = cursor.u16()?;
        let op_count = cursor.u16()?;
        self.fields.fill(cursor, field_count)?;
        self.ops = Ops::read(cursor, op_count)?;
        Ok(())
    }
}
