//! A list cut into its elements, as answers and selections need it.

use crate::Refusal;
use crate::cdt::list::List;
use crate::cdt::reply::Elements;
use crate::cdt::sorting::{self, Ranked};
use std::cmp::Ordering;

/// A list's elements.
pub(super) struct Items<'a> {
    /// Whether they are in order, so that index and rank are the same.
    pub(super) ordered: bool,
    /// Their encodings.
    pub(super) values: Vec<&'a [u8]>,
}

impl<'a> Items<'a> {
    /// Cuts a list.
    pub(super) fn of(list: &List<'a>) -> Result<Items<'a>, Refusal> {
        Ok(Items { ordered: list.is_ordered(), values: list.elements()? })
    }

    /// The index of each rank.
    pub(super) fn by_rank(&self) -> Vec<usize> {
        if self.ordered { (0..self.values.len()).collect() } else { sorting::by_value(&self.values) }
    }

    /// How many elements are less than a value.
    pub(super) fn less_than(&self, value: &[u8]) -> usize {
        if self.ordered {
            return sorting::lower_bound(&self.values, value);
        }
        self.values.iter().filter(|other| sorting::against(other, value) == Ordering::Less).count()
    }
}

impl Elements for Items<'_> {
    const KEYED: bool = false;

    fn size(&self) -> usize {
        self.values.len()
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
        self.values.get(index).copied().unwrap_or_default()
    }

    fn key(&self, _: usize) -> &[u8] {
        &[]
    }
}
