//! Records that were read from the volume, kept while somebody may look at them.
//!
//! Guarantees: bytes that were handed out stay where they are until [`Reads::clear`], which needs the stripe to itself.
//!
//! The idea: a list that only grows can take a new element although others are borrowed. It is cleared between
//! commands when it has grown too long; until then it is a small cache.

use crate::index::Location;
use std::cell::{Cell, OnceCell};

/// Lists, so that each stays short.
const LISTS: usize = 64;

/// Records by their locations.
#[derive(Debug)]
pub(super) struct Reads {
    lists: Box<[Link]>,
    bytes: Cell<usize>,
}

type Link = OnceCell<Box<Node>>;

#[derive(Debug)]
struct Node {
    location: Location,
    bytes: Box<[u8]>,
    next: Link,
}

impl Reads {
    pub(super) fn new() -> Reads {
        Reads { lists: (0..LISTS).map(|_| Link::new()).collect(), bytes: Cell::new(0) }
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The record at a location, read by `read` if it is not here.
    pub(super) fn get_or_read(&self, location: Location, read: impl FnOnce() -> Box<[u8]>) -> &[u8] {
        let list = location.block() as usize ^ (location.offset() as usize >> 5);
        let mut link = &self.lists[list % LISTS];
        while let Some(node) = link.get() {
            if node.location == location {
                return &node.bytes;
            }
            link = &node.next;
        }
        let bytes = read();
        self.bytes.set(self.bytes.get() + bytes.len() + size_of::<Node>());
        &link.get_or_init(|| Box::new(Node { location, bytes, next: Link::new() })).bytes
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        if self.bytes.replace(0) > 0 {
            for link in &mut self.lists {
                // One after the other: a long list dropped as a whole would drop each node inside the one before.
                let mut next = link.take();
                while let Some(mut node) = next {
                    next = node.next.take();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_once_and_stays_where_it_is() {
        let mut reads = Reads::new();
        let place = |number: u32| Location::new(number / 100, 64 + number % 100);
        let read = |number: u32| number.to_le_bytes().to_vec().into_boxed_slice();
        let first = reads.get_or_read(place(0), || read(0));
        for number in 0..100_000 {
            let bytes = reads.get_or_read(place(number), || read(number));
            assert_eq!(bytes, number.to_le_bytes());
        }
        assert_eq!(first, [0; 4]);
        assert_eq!(reads.get_or_read(place(77), || unreachable!("it is there")), 77u32.to_le_bytes());
        assert!(reads.bytes() > 400_000);
        reads.clear();
        assert_eq!(reads.get_or_read(place(77), || read(5)), 5u32.to_le_bytes());
    }
}
