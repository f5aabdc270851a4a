//! A list cut into its elements, as answers and selections need it.

use crate::Refusal;
use crate::cdt::cut::Cut;
use crate::cdt::list::List;
use crate::cdt::reply::Elements;
use crate::cdt::sorting::{self, Ranked};
use std::ops::Range;

/// A list's elements.
pub(super) struct Items<'a> {
    /// Whether they are in order, so that index and rank are the same.
    pub(super) ordered: bool,
    /// Their encodings.
    pub(super) values: Cut<'a>,
}

impl<'a> Items<'a> {
    /// Cuts a list.
    pub(super) fn of(list: &List<'a>) -> Result<Items<'a>, Refusal> {
        Ok(Items { ordered: list.is_ordered(), values: list.cut()? })
    }

    /// The indexes of the elements at these ranks.
    pub(super) fn at_ranks(&self, ranks: Range<usize>) -> Vec<usize> {
        if self.ordered { ranks.collect() } else { sorting::at_ranks(&self.values, ranks) }
    }

    /// How many elements are less than a value.
    pub(super) fn less_than(&self, value: &[u8]) -> usize {
        if self.ordered {
            sorting::lower_bound(&self.values, value)
        } else {
            sorting::less_than(&self.values, value)
        }
    }
}

impl Elements for Items<'_> {
    const KEYED: bool = false;

    fn size(&self) -> usize {
        self.values.count()
    }

    fn rank(&self, index: usize) -> usize {
        if self.ordered { index } else { self.less_than(self.value(index)) }
    }

    fn ranks(&self, indexes: &[usize]) -> Vec<usize> {
        if self.ordered || indexes.len() <= sorting::MANY {
            return indexes.iter().map(|index| self.rank(*index)).collect();
        }
        let ranked = Ranked::of(&self.values);
        indexes.iter().map(|index| ranked.equal(self.value(*index)).start).collect()
    }

    fn value(&self, index: usize) -> &[u8] {
        self.values.at(index)
    }

    fn key(&self, _: usize) -> &[u8] {
        &[]
    }
}
