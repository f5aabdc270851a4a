//! A container's body cut into its values, without copying or decoding them.
//!
//! One walk over the bytes notes where each value ends; from then on any value is one lookup, a search is binary, and
//! a change copies what stays in as few pieces as there are. Four bytes a value, which stay in the processor's cache.

use crate::msgpack::{Malformed, Reader};
use std::ops::Range;

/// The values of a body, in the order of their bytes.
#[derive(Clone)]
pub(super) struct Cut<'a> {
    body: &'a [u8],
    /// Where each value starts, and where the last one ends.
    starts: Vec<u32>,
}

impl<'a> Cut<'a> {
    /// Cuts what is left of a reader into `count` values; more bytes may follow them.
    pub(super) fn of(reader: &Reader<'a>, count: usize) -> Result<Cut<'a>, Malformed> {
        let body = reader.rest();
        let mut reader = Reader::new(body);
        if count > body.len() {
            return Err(Malformed);
        }
        let mut starts = vec![0; count.saturating_add(1)];
        let (ends, values) = starts.split_last_mut().ok_or(Malformed)?;
        reader.skip_noting(values)?;
        *ends = u32::try_from(reader.position()).map_err(|_| Malformed)?;
        Ok(Cut { body, starts })
    }

    /// No values.
    pub(super) fn empty() -> Cut<'static> {
        Cut { body: &[], starts: vec![0] }
    }

    /// How many values there are.
    pub(super) fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The encoding of the value at a position; nothing behind the end.
    pub(super) fn at(&self, position: usize) -> &'a [u8] {
        self.bytes(position..position.saturating_add(1))
    }

    /// The bytes of a run of values.
    pub(super) fn bytes(&self, run: Range<usize>) -> &'a [u8] {
        let place = |position: usize| self.starts.get(position).map(|start| *start as usize);
        match (place(run.start), place(run.end)) {
            (Some(start), Some(end)) => self.body.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The bytes of all values.
    pub(super) fn bytes_all(&self) -> &'a [u8] {
        self.bytes(0..self.count())
    }

    /// Appends all values but those at these positions, which ascend.
    pub(super) fn append_without(&self, gone: &[usize], out: &mut Vec<u8>) {
        let mut from = 0;
        for position in gone {
            out.extend_from_slice(self.bytes(from..*position));
            from = position.saturating_add(1);
        }
        out.extend_from_slice(self.bytes(from..self.count()));
    }
}

/// The first position below `count` from which on `below` does not hold.
pub(super) fn partition_point(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if below(middle) { low = middle.saturating_add(1) } else { high = middle }
    }
    low
}
