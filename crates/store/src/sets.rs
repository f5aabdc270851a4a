//! The names of a namespace's sets and their numbers.
//!
//! The table only grows: a name keeps its number for ever, so a copy of the table that is behind is still right
//! about everything that it knows. A reader may keep its own clone and renew it when [`SetTable::len`] of the
//! original has grown.

use crate::meta::SetId;
use std::collections::HashMap;
use thiserror::Error;

/// The longest set name, in bytes.
pub const SET_NAME_MAX: usize = 63;

/// Why a set name got no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SetError {
    /// The name is longer than 63 bytes.
    #[error("a set name is longer than 63 bytes")]
    NameTooLong,
    /// The namespace has 4095 sets already.
    #[error("the namespace has 4095 sets already")]
    TooManySets,
}

/// The names of a namespace's sets, numbered from 1 in the order of their first use.
#[derive(Debug, Clone, Default)]
pub struct SetTable {
    names: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, SetId>,
}

impl SetTable {
    /// A table without sets.
    #[must_use]
    pub fn new() -> SetTable {
        SetTable::default()
    }

    /// How many sets have a number; it only grows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True when no set has a number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of a set; [`SetId::NONE`] for the empty name, none for a name that was never added.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<SetId> {
        if name.is_empty() { Some(SetId::NONE) } else { self.numbers.get(name).copied() }
    }

    /// The number of a set, which is given one if it has none.
    pub fn find_or_add(&mut self, name: &[u8]) -> Result<SetId, SetError> {
        if let Some(set) = self.find(name) {
            return Ok(set);
        }
        if name.len() > SET_NAME_MAX {
            return Err(SetError::NameTooLong);
        }
        let next = u16::try_from(self.names.len() + 1).ok().and_then(SetId::new);
        let set = next.ok_or(SetError::TooManySets)?;
        self.names.push(name.into());
        self.numbers.insert(name.into(), set);
        Ok(set)
    }

    /// The name of a set; empty for [`SetId::NONE`] and for numbers that were never given out.
    #[must_use]
    pub fn name(&self, set: SetId) -> &[u8] {
        set.index().checked_sub(1).and_then(|index| self.names.get(index)).map_or(&[], |name| name)
    }

    /// Every set with its name, in the order of their numbers; [`SetId::NONE`] is not among them.
    pub fn iter(&self) -> impl Iterator<Item = (SetId, &[u8])> {
        (1..=SetId::MAX).filter_map(SetId::new).zip(self.names.iter().map(|name| &**name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_numbers_and_the_table_is_bounded() {
        let mut sets = SetTable::new();
        assert_eq!(sets.find_or_add(b""), Ok(SetId::NONE));
        assert_eq!(sets.find(b"demo"), None);
        assert_eq!(sets.find_or_add(b"demo").unwrap().number(), 1);
        assert_eq!(sets.find_or_add(&[b'x'; 64]), Err(SetError::NameTooLong));
        for number in 2..=4095u16 {
            assert_eq!(sets.find_or_add(number.to_string().as_bytes()).unwrap().number(), number);
        }
        assert_eq!(sets.find_or_add(b"one more"), Err(SetError::TooManySets));
        assert_eq!(sets.find_or_add(b"demo").unwrap().number(), 1);
        assert_eq!(sets.name(SetId::new(4095).unwrap()), b"4095");
        assert_eq!(sets.name(SetId::NONE), b"");
        assert_eq!(sets.iter().count(), 4095);
        assert_eq!(sets.iter().next(), Some((SetId::new(1).unwrap(), &b"demo"[..])));
    }
}
