//! What turns one list into another.

use super::kept::Entry;
use serde_json::{Value, json};
use shipload_value::Digest;
use std::collections::HashMap;

/// Records that are remembered as changed.
const REMEMBERED: usize = 1024;

/// Which records of a list were changed by themselves, and when: the others move because of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched(HashMap<Digest, (u64, bool)>);

impl Touched {
    /// A record was changed before the list of this number.
    pub(crate) fn note(&mut self, digest: Digest, number: u64, gone: bool) {
        self.0.insert(digest, (number, gone));
        if self.0.len() > 2 * REMEMBERED {
            let mut numbers: Vec<u64> = self.0.values().map(|(number, _)| *number).collect();
            numbers.sort_unstable();
            let least = numbers.get(REMEMBERED).copied().unwrap_or(0);
            self.0.retain(|_, (number, _)| *number >= least);
        }
    }

    fn operation(&self, entry: &Entry, since: u64) -> &'static str {
        match self.0.get(&entry.digest).filter(|(number, _)| *number > since) {
            None => "none",
            Some((_, true)) => "delete",
            Some((_, false)) if entry.view.generation() == 1 => "insert",
            Some((_, false)) => "update",
        }
    }
}

/// The edits that turn one list, which had the number `since`, into the other.
pub(crate) fn edits(before: &[Entry], after: &[Entry], touched: &Touched, since: u64) -> Vec<Value> {
    let stays: HashMap<Digest, ()> = after.iter().map(|entry| (entry.digest, ())).collect();
    let mut events = Vec::new();
    let mut list: Vec<&Entry> = before.iter().collect();
    for place in (0..list.len()).rev() {
        let entry = list[place];
        if !stays.contains_key(&entry.digest) {
            let operation = match touched.operation(entry, since) {
                "insert" => "update",
                operation => operation,
            };
            let id = entry.view.id();
            events.push(json!({ "matchType": "remove", "operation": operation, "index": place, "id": id }));
            list.remove(place);
        }
    }
    for (place, entry) in after.iter().enumerate() {
        let in_place = list.get(place).is_some_and(|other| other.digest == entry.digest);
        let was =
            if in_place { Some(place) } else { list.iter().position(|other| other.digest == entry.digest) };
        let kind = match was {
            None => "add",
            Some(was) if was != place => "changeIndex",
            Some(_) if !list[place].is_same(entry) => "change",
            Some(_) => continue,
        };
        if let Some(was) = was {
            list.remove(was);
        }
        list.insert(place, entry);
        let operation = touched.operation(entry, since);
        let (id, view) = (entry.view.id(), &*entry.view);
        events.push(
            json!({ "matchType": kind, "operation": operation, "index": place, "id": id, "data": view }),
        );
    }
    events
}
