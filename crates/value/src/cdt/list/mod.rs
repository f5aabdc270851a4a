//! List operations.
//!
//! A [`List`] is a view of encoded bytes: flags, element count, and the elements one after the other. What can be
//! done without cutting them apart (appending, counting, the first few elements) is.

mod add;
mod choose;
mod increment;
mod items;
mod modify;
mod read;

use super::context::corrupt;
use super::cut::Cut;
use super::payload::Call;
use super::{Effect, sorting};
use crate::canonical;
use crate::msgpack::{FLAG_ORDERED, Item, Reader, writer};
use crate::{OwnedParticle, Refusal};
use std::ops::Range;

/// A view of an encoded list.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    flags: u8,
    count: usize,
    elements: Reader<'a>,
}

impl<'a> List<'a> {
    /// The list in this encoding; anything but a list is a type error.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<List<'a>, Refusal> {
        let mut elements = Reader::new(bytes);
        if !matches!(elements.peek(), Ok(Item::Array(_))) {
            return Err(Refusal::IncompatibleType);
        }
        let head = elements.list_head().map_err(corrupt)?;
        let count = usize::try_from(head.count).unwrap_or(0);
        Ok(List { flags: head.flags & FLAG_ORDERED, count, elements })
    }

    /// A list without elements.
    fn empty(flags: u8) -> List<'static> {
        List { flags, count: 0, elements: Reader::new(&[]) }
    }

    /// Whether the list is kept in order.
    pub(super) fn is_ordered(&self) -> bool {
        self.flags & FLAG_ORDERED != 0
    }

    /// Elements in the list.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The elements, cut apart.
    fn cut(&self) -> Result<Cut<'a>, Refusal> {
        Cut::of(&self.elements, self.count).map_err(corrupt)
    }

    /// The list with a run of its elements replaced by `count` encoded ones.
    fn replaced(&self, cut: &Cut<'_>, run: Range<usize>, count: usize, elements: &[u8]) -> Vec<u8> {
        let (before, after) = (cut.bytes(0..run.start), cut.bytes(run.end..cut.count()));
        let left = cut.count().saturating_sub(run.len());
        let size = before.len().saturating_add(elements.len()).saturating_add(after.len());
        let mut out = Vec::with_capacity(size.saturating_add(16));
        writer::list_start(&mut out, self.flags, left.saturating_add(count));
        out.extend_from_slice(before);
        out.extend_from_slice(elements);
        out.extend_from_slice(after);
        out
    }

    /// The list without the elements at these indexes.
    fn without(&self, cut: &Cut<'_>, mut gone: Vec<usize>) -> Vec<u8> {
        gone.sort_unstable();
        gone.dedup();
        let mut out = Vec::with_capacity(self.elements.rest().len().saturating_add(16));
        writer::list_start(&mut out, self.flags, cut.count().saturating_sub(gone.len()));
        cut.append_without(&gone, &mut out);
        out
    }

    /// Every element's encoding.
    fn elements(&self) -> Result<Vec<&'a [u8]>, Refusal> {
        self.run(0, self.count)
    }

    /// The encodings of a run of elements that exist.
    fn run(&self, start: usize, count: usize) -> Result<Vec<&'a [u8]>, Refusal> {
        let mut reader = self.elements;
        reader.skip_many(start).map_err(corrupt)?;
        (0..count).map(|_| reader.take().map_err(corrupt)).collect()
    }

    /// The list with nils and then encoded elements at its end; nothing is cut apart.
    pub(super) fn appended(&self, padding: usize, count: usize, elements: &[u8]) -> Vec<u8> {
        let old = self.elements.rest();
        let size = old.len().saturating_add(elements.len()).saturating_add(padding).saturating_add(16);
        let mut out = Vec::with_capacity(size);
        writer::list_start(&mut out, self.flags, self.count.saturating_add(padding).saturating_add(count));
        out.extend_from_slice(old);
        (0..padding).for_each(|_| writer::nil(&mut out));
        out.extend_from_slice(elements);
        out
    }

    /// The list with an element where the order wants it.
    pub(super) fn inserted(&self, element: &[u8]) -> Result<Vec<u8>, Refusal> {
        let cut = self.cut()?;
        let at = sorting::lower_bound(&cut, element);
        Ok(self.replaced(&cut, at..at, 1, element))
    }

    /// The list with the element that starts at this offset of the whole encoding moved to where it belongs.
    pub(super) fn moved(&self, offset: usize) -> Result<Vec<u8>, Refusal> {
        let mut reader = self.elements;
        let (mut others, mut element) = (Vec::with_capacity(self.count), None);
        for _ in 0..self.count {
            let start = reader.position();
            let bytes = reader.take().map_err(corrupt)?;
            if start == offset { element = Some(bytes) } else { others.push(bytes) }
        }
        if let Some(element) = element {
            others.insert(sorting::lower_bound(&others, element), element);
        }
        Ok(encode(self.flags, &others))
    }
}

/// A list of these elements.
fn encode(flags: u8, elements: &[&[u8]]) -> Vec<u8> {
    let size = elements.iter().map(|element| element.len()).sum::<usize>();
    let mut out = Vec::with_capacity(size.saturating_add(8));
    writer::list_start(&mut out, flags, elements.len());
    elements.iter().for_each(|element| out.extend_from_slice(element));
    out
}

/// An argument as an element that may be stored.
pub(super) fn stored(argument: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(argument.len());
    canonical::element(argument, &mut out).map_err(|_| Refusal::Parameter)?;
    Ok(out)
}

/// Runs a reading call on the list.
pub(super) fn read(target: &[u8], call: Call<'_>) -> Result<Option<OwnedParticle>, Refusal> {
    read::run(List::parse(target)?, call)
}

/// Runs a modifying call on the list, or on none.
pub(super) fn modify(target: Option<&[u8]>, call: Call<'_>) -> Result<Effect, Refusal> {
    modify::run(target.map(List::parse).transpose()?, call)
}
