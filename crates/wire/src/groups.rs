//! Groups: what a query answers that wants counts and sums instead of rows; between nodes of this project only.
//!
//! A request for [rows](crate::rows) with the field [`GROUPS`](crate::bits::field::GROUPS) says what the cells of each bin
//! must be, which bins make a group, and what is measured of its rows. A record whose cells are something else is
//! not measured: its row is handed out, and whoever asked does the rest. The same happens to all records when groups do
//! not pay because nearly every row is one of its own. The request's filter holds for records that are measured.
//!
//! ```text
//!  field    u8 count, u8 cell type (and MAY_BE_KEY) for each bin; u8 count, u8 bin for each key of a group;
//!           u8 count, u8 measure and u8 bin for each measure, where numbers after the bins' mean expressions;
//!           u8 count, u16 length and bytes for each packed expression of floats
//!  message  fields: PARTITIONS that are read to their end, DIGESTS after which another one goes on;
//!           operations: u32 count and rows; u32 count and groups: cells of the keys, then of the measures
//! ```
//!
//! A message counts as a whole: what it measures is of the partitions that it names.

use crate::bits::{field, info4, op};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::reply::{self, ReplyHeader};
use crate::response::Response;
use crate::rows::Block;

/// Beside a cell's type: a record without the bin may have the value as its user key.
const MAY_BE_KEY: u8 = 0x80;
const BLOB: u8 = 4;
const INFO4_AT: usize = 4;

/// What a cell must be, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellType {
    /// A whole number of 8 bits.
    Byte = 1,
    /// A whole number of 16 bits.
    Short = 2,
    /// A whole number of 32 bits.
    Int = 3,
    /// A whole number of 64 bits.
    Long = 4,
    /// A float.
    Double = 5,
    /// Text in UTF-8.
    Text = 6,
    /// True or false.
    Bool = 7,
}

impl CellType {
    fn of_number(number: u8) -> Option<CellType> {
        let all = [Self::Byte, Self::Short, Self::Int, Self::Long, Self::Double, Self::Text, Self::Bool];
        all.into_iter().find(|one| *one as u8 == number)
    }

    /// Whether these are whole numbers.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Int | Self::Long)
    }
}

/// What is measured of the rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Measure {
    /// How many rows; an integer.
    Rows = 1,
    /// How many rows have the cell; an integer.
    Values = 2,
    /// The sum of whole numbers, around at 2^63; an integer, nothing without any.
    Sum = 3,
    /// The sum of numbers as floats; nothing without any.
    DoubleSum = 4,
    /// The smallest cell; nothing without any.
    Min = 5,
    /// The greatest cell; nothing without any.
    Max = 6,
}

impl Measure {
    fn of_number(number: u8) -> Option<Measure> {
        let all = [Self::Rows, Self::Values, Self::Sum, Self::DoubleSum, Self::Min, Self::Max];
        all.into_iter().find(|one| *one as u8 == number)
    }

    /// Whether cells of a type can be measured so.
    #[must_use]
    pub fn fits(self, ty: CellType) -> bool {
        match self {
            Self::Rows | Self::Values => true,
            Self::Sum => ty.is_whole(),
            Self::DoubleSum => ty.is_whole() || ty == CellType::Double,
            Self::Min | Self::Max => ty != CellType::Bool,
        }
    }
}

/// The cells of one bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cells {
    /// What they must be.
    pub ty: CellType,
    /// A record without the bin may have the value as its user key.
    pub may_be_key: bool,
}

/// What a request wants of groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// The cells of each bin that the request names, in its order.
    pub cells: Vec<Cells>,
    /// The bins that make a group; without any all rows are one.
    pub keys: Vec<u8>,
    /// What is measured, and of which bin or expression: these are counted on after the bins.
    pub measures: Vec<(Measure, u8)>,
    /// Expressions that give floats, packed.
    pub expressions: Vec<Vec<u8>>,
}

impl Groups {
    /// The field's data.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = |items: usize| u8::try_from(items).unwrap_or(u8::MAX);
        let mut out = vec![count(self.cells.len())];
        out.extend(self.cells.iter().map(|one| one.ty as u8 | if one.may_be_key { MAY_BE_KEY } else { 0 }));
        out.push(count(self.keys.len()));
        out.extend_from_slice(&self.keys);
        out.push(count(self.measures.len()));
        out.extend(self.measures.iter().flat_map(|(measure, bin)| [*measure as u8, *bin]));
        out.push(count(self.expressions.len()));
        for expression in &self.expressions {
            let length = u16::try_from(expression.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(expression);
        }
        out
    }

    /// Reads the field's data for a request with so many bins.
    ///
    /// # Errors
    /// Anything that [`Groups::encode`] would not write for so many bins.
    pub fn decode(data: &[u8], bins: usize) -> Result<Groups, DecodeError> {
        let wrong = DecodeError::Field(field::GROUPS);
        let mut cursor = Cursor::new(data);
        let mut groups = Groups::default();
        for _ in 0..cursor.u8()? {
            let byte = cursor.u8()?;
            let ty = CellType::of_number(byte & !MAY_BE_KEY).ok_or(wrong)?;
            groups.cells.push(Cells { ty, may_be_key: byte & MAY_BE_KEY != 0 });
        }
        for _ in 0..cursor.u8()? {
            groups.keys.push(cursor.u8()?);
        }
        for _ in 0..cursor.u8()? {
            let measure = Measure::of_number(cursor.u8()?).ok_or(wrong)?;
            groups.measures.push((measure, cursor.u8()?));
        }
        for _ in 0..cursor.u8()? {
            let length = u16::from_be_bytes(*cursor.array::<2>()?);
            groups.expressions.push(cursor.take(usize::from(length))?.to_vec());
        }
        let cell = |bin: &u8| groups.cells.get(usize::from(*bin));
        let keys = groups.keys.iter().all(|bin| cell(bin).is_some_and(|one| one.ty != CellType::Double));
        let mut measures = groups.measures.iter();
        let computed =
            |bin: &u8| usize::from(*bin).wrapping_sub(groups.cells.len()) < groups.expressions.len();
        let fit = measures.all(|(measure, bin)| match cell(bin) {
            Some(one) => measure.fits(one.ty),
            None if computed(bin) => matches!(measure, Measure::Values | Measure::DoubleSum),
            None => *measure == Measure::Rows,
        });
        let whole = cursor.rest().is_empty() && groups.cells.len() == bins;
        if whole && keys && fit { Ok(groups) } else { Err(wrong) }
    }
}

/// Appends a message: how far has been read, and the count and bytes of rows and of groups.
pub fn append(
    out: &mut Vec<u8>,
    done: &[u16],
    after: Option<&[u8; 20]>,
    rows: (u32, &[u8]),
    groups: (u32, impl FnOnce(&mut Vec<u8>)),
) {
    let field_count = u16::from(!done.is_empty()).saturating_add(u16::from(after.is_some()));
    let header = ReplyHeader { field_count, op_count: 2, ..ReplyHeader::default() };
    let start = out.len();
    reply::header(out, &header);
    if let Some(info4) = out.get_mut(start.saturating_add(INFO4_AT)) {
        *info4 |= info4::ROWS;
    }
    if !done.is_empty() {
        let bytes: Vec<u8> = done.iter().flat_map(|partition| partition.to_le_bytes()).collect();
        reply::field(out, field::PARTITIONS, &bytes);
    }
    if let Some(after) = after {
        reply::field(out, field::DIGESTS, after);
    }
    let op = reply::begin_op(out, op::READ, BLOB, b"");
    out.extend_from_slice(&rows.0.to_be_bytes());
    out.extend_from_slice(rows.1);
    reply::end_op(out, op);
    let op = reply::begin_op(out, op::READ, BLOB, b"");
    out.extend_from_slice(&groups.0.to_be_bytes());
    (groups.1)(out);
    reply::end_op(out, op);
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct Measured<'a> {
    /// Partitions that are read to their end.
    pub done: Vec<u16>,
    /// Where a partition that is not goes on.
    pub after: Option<[u8; 20]>,
    /// Rows that were not measured.
    pub rows: Block<'a>,
    /// The groups, as rows of their keys and measures.
    pub groups: Block<'a>,
}

impl<'a> Measured<'a> {
    /// What a message has measured; none when it holds something else.
    ///
    /// # Errors
    /// A message that says that it has measured and holds something else.
    pub fn of(message: &Response<'a>) -> Result<Option<Measured<'a>>, DecodeError> {
        if message.header.info4 & info4::ROWS == 0 || message.header.op_count != 2 {
            return Ok(None);
        }
        let (done, rest) = message.fields.partitions.unwrap_or_default().as_chunks::<2>();
        let after = message.fields.digests.map(<[u8; 20]>::try_from).transpose();
        let after = after.map_err(|_| DecodeError::Field(field::DIGESTS))?;
        if !rest.is_empty() {
            return Err(DecodeError::Field(field::PARTITIONS));
        }
        let mut ops = message.ops.clone();
        let mut block = || Block::decode(ops.next().ok_or(DecodeError::Truncated)?.value, [0; 20]);
        let done = done.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        Ok(Some(Measured { done, after, rows: block()?, groups: block()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::{CellType, Cells, Groups, Measure, Measured, append};
    use crate::response::messages;
    use crate::rows::{Block, RowReader, cell};

    fn wanted() -> Groups {
        let cells = [(CellType::Text, true), (CellType::Int, false), (CellType::Double, false)];
        Groups {
            cells: cells.map(|(ty, may_be_key)| Cells { ty, may_be_key }).to_vec(),
            keys: vec![0],
            measures: vec![
                (Measure::Rows, 255),
                (Measure::Sum, 1),
                (Measure::Max, 2),
                (Measure::DoubleSum, 3),
            ],
            expressions: vec![vec![1, 2, 3]],
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        assert_eq!(Groups::decode(&wanted().encode(), 3), Ok(wanted()));
        assert_eq!(Groups::decode(&Groups::default().encode(), 0), Ok(Groups::default()));
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused() {
        let bytes = wanted().encode();
        for length in 0..bytes.len() {
            assert!(Groups::decode(&bytes[..length], 3).is_err());
        }
        assert!(Groups::decode(&bytes, 2).is_err(), "another count of bins");
        assert!(Groups::decode(&[bytes.as_slice(), &[0]].concat(), 3).is_err(), "bytes behind the end");
        for (keys, measures) in [
            (vec![3], vec![]),
            (vec![2], vec![]),
            (vec![], vec![(Measure::Sum, 0)]),
            (vec![], vec![(Measure::Min, 3)]),
            (vec![], vec![(Measure::DoubleSum, 4)]),
        ] {
            let wrong = Groups { keys, measures, ..wanted() };
            assert!(Groups::decode(&wrong.encode(), 3).is_err(), "{wrong:?}");
        }
        let mut unknown = bytes;
        unknown[1] = 99;
        assert!(Groups::decode(&unknown, 3).is_err());
    }

    #[test]
    fn groups_are_read_as_they_were_written() {
        let (mut out, mut rows) = (Vec::new(), Vec::new());
        cell(&mut rows, Some((3, b"odd")));
        append(
            &mut out,
            &[7, 4095],
            Some(&[9; 20]),
            (1, &rows),
            (2, |out: &mut Vec<u8>| {
                cell(out, Some((1, &[1; 8])));
                cell(out, None);
            }),
        );
        let message = messages(&out).next().expect("a message").expect("a good one");
        let measured = Measured::of(&message).expect("measured").expect("there");
        assert_eq!((measured.done, measured.after), (vec![7, 4095], Some([9; 20])));
        assert_eq!((measured.rows.count, measured.groups.count), (1, 2));
        assert_eq!(RowReader::new(measured.rows.rest()).cell(), Ok((3, b"odd".as_slice())));
        let mut groups = RowReader::new(measured.groups.rest());
        assert_eq!(groups.cell(), Ok((1, [1; 8].as_slice())));
        assert_eq!(groups.cell(), Ok((0, [].as_slice())));

        let mut bare = Vec::new();
        append(&mut bare, &[], None, (0, &[]), (0, |_: &mut Vec<u8>| {}));
        let message = messages(&bare).next().expect("a message").expect("a good one");
        assert!(Measured::of(&message).expect("measured").is_some());
        let mut block = Vec::new();
        crate::rows::Open::begin(&mut block).end(&mut block);
        let message = messages(&block).next().expect("a message").expect("a good one");
        assert!(Measured::of(&message).expect("no error").is_none() && Block::of(&message).is_ok());
    }
}
