//! What all members know alike besides records: indexes, modules, users, truncations, rosters.
//!
//! Guarantees: a value written on any member reaches all members of the view, now or when they come back; of two values
//! the one with the higher stamp wins everywhere, whatever the order of arrival; the writer learns when all
//! members have it. Removals are remembered, so that a member which was away does not bring a value back.
//!
//! The idea: a map from name to stamp and bytes. A write is sent to all members until each has acknowledged it. After
//! each new view, and now and then, every member compares a hash of its map with the principal's; where they differ, the
//! two exchange stamps and then the newer values, and the principal passes on what it did not know.
//! Refuses to know what the bytes mean.

mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

pub use self::message::{BYTES_MAX, ENTRIES_MAX, Message, NAME_MAX, Stamp};
use crate::agreement::View;
use crate::cursor::Malformed;
use crate::identity::{NodeId, mix};

/// A value that was not acknowledged is sent again after so long, in milliseconds.
const RESEND_MS: u64 = 200;
/// Without a change, hashes are compared this often, in milliseconds.
const COMPARE_MS: u64 = 10_000;

/// What the metadata machine wants done, or has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a message over the fabric; it may get lost.
    Send {
        /// The receiver.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// A value is new here, from whatever member: use it, and write it down.
    Changed {
        /// Its name; the value is [`Metadata::get`].
        name: String,
    },
    /// All members of the view have a value that was written here, or a newer one.
    Everywhere {
        /// Its name.
        name: String,
        /// What [`Metadata::set`] returned.
        stamp: Stamp,
    },
}

/// A value with its stamp; none for one that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Orders it against others of the same name.
    pub stamp: Stamp,
    /// The value.
    pub bytes: Option<Vec<u8>>,
}

/// A value that some members have not acknowledged.
#[derive(Debug)]
struct Pending {
    waiting: BTreeSet<NodeId>,
    own: bool,
}

/// The metadata machine of one node.
#[derive(Debug)]
pub struct Metadata {
    me: NodeId,
    entries: BTreeMap<String, Entry>,
    members: Vec<NodeId>,
    epoch: u64,
    pending: BTreeMap<(String, Stamp), Pending>,
    resend_at_ms: u64,
    /// The principal has not answered the last comparison.
    comparing: bool,
    compare_at_ms: u64,
}

impl Metadata {
    /// The machine of a node with what it had written down.
    #[must_use]
    pub fn new(me: NodeId, entries: BTreeMap<String, Entry>) -> Metadata {
        Metadata {
            me,
            entries,
            members: Vec::new(),
            epoch: 0,
            pending: BTreeMap::new(),
            resend_at_ms: u64::MAX,
            comparing: false,
            compare_at_ms: u64::MAX,
        }
    }

    /// A value; none when it was never written, or removed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.entries.get(name)?.bytes.as_deref()
    }

    /// All entries with those that were removed, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The names that begin with `prefix` and have a value.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(name, _)| name.starts_with(prefix))
            .filter(|(_, entry)| entry.bytes.is_some())
            .map(|(name, _)| name.as_str())
    }

    /// Writes a value, or removes it with none. Refused when name or value are too long, or there are too many.
    pub fn set(
        &mut self,
        now_ms: u64,
        name: &str,
        bytes: Option<Vec<u8>>,
        effects: &mut Vec<Effect>,
    ) -> Result<Stamp, Malformed> {
        let length = bytes.as_ref().map_or(0, Vec::len);
        if name.is_empty() || name.len() > NAME_MAX || length > BYTES_MAX {
            return Err(Malformed("a name or value that is too long"));
        }
        let old = self.entries.get(name).map(|entry| entry.stamp);
        if old.is_none() && self.entries.len() >= ENTRIES_MAX {
            return Err(Malformed("too many names"));
        }
        let before = old.map_or((0, 0), |stamp| (stamp.epoch, stamp.counter));
        let counter = if before.0 >= self.epoch { before.1.saturating_add(1) } else { 1 };
        let stamp = Stamp { epoch: self.epoch.max(before.0), counter, node: self.me };
        self.entries.insert(name.to_owned(), Entry { stamp, bytes });
        effects.push(Effect::Changed { name: name.to_owned() });
        self.spread(now_ms, name, stamp, None, effects);
        Ok(stamp)
    }

    /// A view was installed.
    pub fn install(&mut self, now_ms: u64, view: &View, effects: &mut Vec<Effect>) {
        self.epoch = view.epoch;
        self.members.clone_from(&view.members);
        // Who left is not waited for; who came learns by comparing.
        for pending in self.pending.values_mut() {
            pending.waiting.retain(|node| view.contains(*node));
        }
        self.settle(effects);
        self.comparing = view.principal() != Some(self.me);
        self.compare_at_ms = now_ms;
        self.on_tick(now_ms, effects);
    }

    /// A message came in. Members that are not in the view are not heard.
    pub fn on_message(&mut self, now_ms: u64, from: NodeId, message: Message, effects: &mut Vec<Effect>) {
        if from == self.me || self.members.binary_search(&from).is_err() {
            return;
        }
        match message {
            Message::Compare { hash } if hash == self.hash() => {
                effects.push(Effect::Send { to: from, message: Message::Equal { hash } });
            }
            Message::Compare { .. } => {
                let stamps = self.entries.iter().map(|(name, entry)| (name.clone(), entry.stamp)).collect();
                effects.push(Effect::Send { to: from, message: Message::Stamps { stamps } });
            }
            Message::Equal { hash } => self.comparing &= hash != self.hash(),
            Message::Stamps { stamps } => self.on_stamps(from, &stamps, effects),
            Message::Want { names } => {
                names.iter().for_each(|name| self.send_value(from, name, effects));
            }
            Message::Value { name, stamp, bytes } => {
                self.on_value(now_ms, from, &name, Entry { stamp, bytes }, effects);
            }
            Message::Have { name, stamp } => {
                for (_, pending) in
                    self.pending.iter_mut().filter(|((of, up_to), _)| *of == name && *up_to <= stamp)
                {
                    pending.waiting.remove(&from);
                }
                self.settle(effects);
            }
        }
    }

    /// Time has passed. May be called at any moment, must be called at [`Metadata::wake_at_ms`].
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if now_ms >= self.resend_at_ms {
            self.resend_at_ms = now_ms.saturating_add(RESEND_MS);
            let due: Vec<(NodeId, String)> = self
                .pending
                .iter()
                .flat_map(|((name, _), pending)| {
                    pending.waiting.iter().map(move |node| (*node, name.clone()))
                })
                .collect();
            due.iter().for_each(|(node, name)| self.send_value(*node, name, effects));
        }
        if now_ms >= self.compare_at_ms {
            let wait_ms = if self.comparing { RESEND_MS } else { COMPARE_MS };
            self.compare_at_ms = now_ms.saturating_add(wait_ms);
            if let Some(principal) = self.members.last().copied().filter(|principal| *principal != self.me) {
                effects.push(Effect::Send { to: principal, message: Message::Compare { hash: self.hash() } });
            }
        }
        self.settle(effects);
    }

    /// When [`Metadata::on_tick`] must be called next.
    #[must_use]
    pub fn wake_at_ms(&self) -> u64 {
        let resend_at_ms = if self.pending.is_empty() { u64::MAX } else { self.resend_at_ms };
        resend_at_ms.min(self.compare_at_ms)
    }

    /// Panics when the machine has become impossible: for simulators and tests.
    pub fn assert_invariants(&self) {
        assert!(self.members.is_sorted(), "members are sorted");
        for ((name, stamp), pending) in &self.pending {
            assert!(!pending.waiting.is_empty(), "nobody is waited for in vain");
            assert!(
                self.entries.get(name).is_some_and(|entry| entry.stamp >= *stamp),
                "what is spread is here"
            );
        }
    }

    /// A hash over all names and stamps, the same on all members that have the same map.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.entries.iter().fold(0, |hash, (name, entry)| {
            let named = name.bytes().fold(hash, |hash, byte| mix(hash ^ u64::from(byte)));
            [entry.stamp.epoch, entry.stamp.counter, entry.stamp.node.0]
                .iter()
                .fold(named, |hash, n| mix(hash ^ n))
        })
    }

    fn on_stamps(&mut self, from: NodeId, stamps: &BTreeMap<String, Stamp>, effects: &mut Vec<Effect>) {
        let mine = |name: &String| self.entries.get(name).map(|entry| entry.stamp);
        let names: Vec<String> = stamps
            .iter()
            .filter(|(name, stamp)| mine(name) < Some(**stamp))
            .map(|(name, _)| name.clone())
            .collect();
        let newer: Vec<String> = self
            .entries
            .iter()
            .filter(|(name, entry)| stamps.get(*name).is_none_or(|stamp| *stamp < entry.stamp))
            .map(|(name, _)| name.clone())
            .collect();
        newer.iter().for_each(|name| self.send_value(from, name, effects));
        if !names.is_empty() {
            effects.push(Effect::Send { to: from, message: Message::Want { names } });
        }
    }

    fn on_value(&mut self, now_ms: u64, from: NodeId, name: &str, entry: Entry, effects: &mut Vec<Effect>) {
        let old = self.entries.get(name).map(|old| old.stamp);
        let room = old.is_some() || self.entries.len() < ENTRIES_MAX;
        if old < Some(entry.stamp) && room {
            let stamp = entry.stamp;
            self.entries.insert(name.to_owned(), entry);
            effects.push(Effect::Changed { name: name.to_owned() });
            // The principal tells those who were on another side of a split, or missed it.
            if self.members.last() == Some(&self.me) {
                self.spread(now_ms, name, stamp, Some(from), effects);
            }
        }
        if let Some(entry) = self.entries.get(name) {
            let message = Message::Have { name: name.to_owned(), stamp: entry.stamp };
            effects.push(Effect::Send { to: from, message });
        }
    }

    /// Sends a value to all members (but the one that it came from) until they have it.
    fn spread(
        &mut self,
        now_ms: u64,
        name: &str,
        stamp: Stamp,
        from: Option<NodeId>,
        effects: &mut Vec<Effect>,
    ) {
        let outside = |node: &NodeId| *node != self.me && Some(*node) != from;
        let waiting: BTreeSet<NodeId> = self.members.iter().copied().filter(outside).collect();
        waiting.iter().for_each(|node| self.send_value(*node, name, effects));
        if self.pending.is_empty() {
            self.resend_at_ms = now_ms.saturating_add(RESEND_MS);
        }
        self.pending.insert((name.to_owned(), stamp), Pending { waiting, own: from.is_none() });
        self.settle(effects);
    }

    fn send_value(&self, to: NodeId, name: &str, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.entries.get(name) {
            let (name, stamp, bytes) = (name.to_owned(), entry.stamp, entry.bytes.clone());
            effects.push(Effect::Send { to, message: Message::Value { name, stamp, bytes } });
        }
    }

    fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.pending.retain(|(name, stamp), pending| {
            let done = pending.waiting.is_empty();
            if done && pending.own {
                effects.push(Effect::Everywhere { name: name.clone(), stamp: *stamp });
            }
            !done
        });
    }
}
