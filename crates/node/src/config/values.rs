//! The values of one table: one cell a key.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::error::ConfigError;
use super::key::{Key, Kind, TableKey};
use super::value::{self, Value};

#[derive(Debug)]
enum Cell {
    Number(AtomicU64),
    Text(RwLock<String>),
    List(RwLock<Vec<String>>),
}

#[derive(Debug)]
struct Slot {
    cell: Cell,
    /// Set as soon as something other than the default was put there.
    given: AtomicBool,
}

/// The values of all keys of the table that `K` names.
#[derive(Debug)]
pub struct Values<K> {
    slots: Box<[Slot]>,
    table: PhantomData<K>,
}

impl<K: TableKey> Default for Values<K> {
    fn default() -> Values<K> {
        Values { slots: K::TABLE.iter().map(Slot::with_default).collect(), table: PhantomData }
    }
}

impl<K: TableKey> Values<K> {
    /// The number behind a key: bytes for sizes, seconds for times, 0 or 1 for flags, the place in
    /// the list of words for choices. 0 for text. One relaxed load.
    #[must_use]
    pub fn number(&self, key: K) -> u64 {
        match self.slots.get(key.index()).map(|slot| &slot.cell) {
            Some(Cell::Number(number)) => number.load(Ordering::Relaxed),
            Some(Cell::Text(_) | Cell::List(_)) | None => 0,
        }
    }

    /// Whether a flag is on. One relaxed load.
    #[must_use]
    pub fn flag(&self, key: K) -> bool {
        self.number(key) != 0
    }

    /// The value as `get-config` shows it; the entries of a list are joined with commas.
    #[must_use]
    pub fn text(&self, key: K) -> String {
        self.show(key.index())
    }

    /// The entries of a list, or the one value of any other kind.
    #[must_use]
    pub fn list(&self, key: K) -> Vec<String> {
        match self.slots.get(key.index()).map(|slot| &slot.cell) {
            Some(Cell::List(list)) => list.read().clone(),
            Some(Cell::Number(_) | Cell::Text(_)) | None => vec![self.text(key)],
        }
    }

    /// Whether the key was given a value, by a file, a flag or a request.
    #[must_use]
    pub fn is_given(&self, key: K) -> bool {
        self.slots.get(key.index()).is_some_and(|slot| slot.given.load(Ordering::Relaxed))
    }

    /// Puts a number there without looking at its range, for values that the shell computes.
    pub fn put_number(&self, key: K, number: u64) {
        if let Some(Slot { cell: Cell::Number(cell), given }) = self.slots.get(key.index()) {
            cell.store(number, Ordering::Relaxed);
            given.store(true, Ordering::Relaxed);
        }
    }

    /// Puts a value there from text, whether or not the key may change at run time. For a list this
    /// replaces all entries; an empty text empties it.
    ///
    /// # Errors
    /// The value does not fit the key.
    pub fn put(&self, key: K, text: &str) -> Result<(), ConfigError> {
        self.put_at(key.index(), text, false)
    }

    /// All keys with their values as text, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Key, String)> + '_ {
        K::TABLE.iter().enumerate().map(|(index, key)| (key, self.show(index)))
    }

    /// All keys with all their values: a list gives one pair an entry, and none when it is empty.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        K::TABLE.iter().zip(&self.slots).flat_map(|(key, slot)| {
            let values = match &slot.cell {
                Cell::List(list) => list.read().clone(),
                Cell::Number(_) | Cell::Text(_) => vec![slot.show(key)],
            };
            values.into_iter().map(|value| (key.name, value))
        })
    }

    /// The key of that name, with its place.
    pub(super) fn find(name: &str) -> Option<(usize, &'static Key)> {
        K::TABLE.iter().enumerate().find(|(_, key)| key.name == name)
    }

    pub(super) fn show(&self, index: usize) -> String {
        match (K::TABLE.get(index), self.slots.get(index)) {
            (Some(key), Some(slot)) => slot.show(key),
            _ => String::new(),
        }
    }

    /// Puts a value at a place of the table. `add`: a list keeps what it was given before.
    pub(super) fn put_at(&self, index: usize, text: &str, add: bool) -> Result<(), ConfigError> {
        let (Some(key), Some(slot)) = (K::TABLE.get(index), self.slots.get(index)) else {
            return Ok(());
        };
        let refused = || ConfigError::BadValue {
            name: key.name.to_owned(),
            value: text.to_owned(),
            allowed: value::allowed(key.kind),
        };
        let value = value::parse(key, text).ok_or_else(refused)?;
        let given = slot.given.swap(true, Ordering::Relaxed);
        slot.cell.store(value, add && given);
        Ok(())
    }
}

impl Slot {
    fn with_default(key: &Key) -> Slot {
        let cell = match key.kind {
            Kind::Bool
            | Kind::Integer { .. }
            | Kind::Size { .. }
            | Kind::Duration { .. }
            | Kind::Choice(_) => Cell::Number(AtomicU64::new(0)),
            Kind::Text { .. } => Cell::Text(RwLock::default()),
            Kind::List => Cell::List(RwLock::default()),
        };
        let value = value::parse(key, key.default);
        debug_assert!(value.is_some(), "default of {} does not fit its kind", key.name);
        if let Some(value) = value {
            cell.store(value, false);
        }
        Slot { cell, given: AtomicBool::new(false) }
    }

    fn show(&self, key: &Key) -> String {
        match &self.cell {
            Cell::Number(number) => value::show(key.kind, number.load(Ordering::Relaxed)),
            Cell::Text(text) => text.read().clone(),
            Cell::List(list) => list.read().join(","),
        }
    }
}

impl Cell {
    fn store(&self, value: Value, add: bool) {
        match (self, value) {
            (Cell::Number(cell), Value::Number(number)) => cell.store(number, Ordering::Relaxed),
            (Cell::Text(cell), Value::Text(text)) => *cell.write() = text,
            (Cell::List(cell), Value::Text(text)) => {
                let mut list = cell.write();
                if !add {
                    list.clear();
                }
                if !text.is_empty() {
                    list.push(text);
                }
            }
            (Cell::Number(_), Value::Text(_)) | (Cell::Text(_) | Cell::List(_), Value::Number(_)) => {}
        }
    }
}
