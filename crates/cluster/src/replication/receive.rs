//! The receiving side: entries applied in order, and acknowledged.

use super::effect::{Effect, Effects};
use super::records::{Records, Unwritable};
use super::stamp::ConflictPolicy;
use super::streams::{Counters, Replication};
use crate::fabric::{At, Item, Message};
use crate::identity::NodeId;
use shipload_value::{Digest, PartitionId};

impl Replication {
    /// Sends the acknowledgements that are owed. Call it at the end of a loop turn.
    pub fn flush(&mut self, effects: &mut Effects) {
        for (partition, from) in std::mem::take(&mut self.owing) {
            let Some(post) = self.posts.get_mut(&partition) else { continue };
            let Some(inlet) = post.inlets.iter_mut().find(|inlet| inlet.from == from) else { continue };
            if std::mem::take(&mut inlet.owes_ack) {
                let at = At { namespace: self.namespace, partition, view: self.view };
                effects.push(Effect::Send { to: from, message: Message::Ack { at, seq: inlet.applied() } });
            }
        }
    }

    /// An entry of this view arrived.
    pub(super) fn on_entry(
        &mut self,
        at: At,
        from: NodeId,
        seq: u64,
        item: Item<'_>,
        records: &mut dyn Records,
        effects: &mut Effects,
    ) {
        let Some(post) = self.posts.get_mut(&at.partition) else { return };
        let Some(index) = post.inlet(from) else { return };
        let Some(inlet) = post.inlets.get_mut(index) else { return };
        if !std::mem::replace(&mut inlet.owes_ack, true) {
            self.owing.push((at.partition, from));
        }
        let plain = matches!(item, Item::Put { .. } | Item::Remove { .. });
        if plain && inlet.is_next(seq) {
            // The usual case: applied straight from the receive buffer.
            match if post.has_left { Ok(()) } else { apply(&item, post.keeps, records, &mut self.counters) } {
                Ok(()) => drop(inlet.advance()),
                Err(_) => inlet.keep(seq, item),
            }
        } else {
            inlet.keep(seq, item);
        }
        self.drain(at.partition, records, effects);
    }

    /// Applies what waits and whose turn has come, until nothing moves any more.
    fn drain(&mut self, partition: PartitionId, records: &mut dyn Records, effects: &mut Effects) {
        let view = self.view;
        let Some(post) = self.posts.get_mut(&partition) else { return };
        let mut index = 0;
        while let Some(item) = post.inlets.get(index).map(|inlet| inlet.peek()) {
            let applied = match item {
                None => false,
                Some(_) if post.has_left => true,
                Some(Item::After { node, seq }) => post.applied(*node) >= *seq,
                Some(item) => apply(item, post.keeps, records, &mut self.counters).is_ok(),
            };
            if !applied {
                index += 1;
                continue;
            }
            let Some(inlet) = post.inlets.get_mut(index) else { return };
            let from = inlet.from;
            if !std::mem::replace(&mut inlet.owes_ack, true) {
                self.owing.push((partition, from));
            }
            let item = inlet.advance().filter(|_| !post.has_left);
            if matches!(item, Some(Item::Full(_) | Item::Filling(_))) {
                post.keeps = None;
            }
            if matches!(item, Some(Item::After { .. })) {
                effects.push(Effect::Master { view, partition, master: from });
            }
            if let Some(item) = item
                && matches!(item, Item::Full(_) | Item::Filling(_) | Item::Lead(_))
            {
                effects.push(Effect::Arrived { partition, from, item });
            }
            // One stream's progress may be what another one waits for.
            index = 0;
        }
    }
}

fn apply(
    item: &Item<'_>,
    keeps: Option<ConflictPolicy>,
    records: &mut dyn Records,
    counters: &mut Counters,
) -> Result<(), Unwritable> {
    let migrated = match item {
        Item::Put { digest, image, migrated } => {
            if keeps.is_some_and(|policy| is_kept(digest, image, policy, records)) {
                return Ok(());
            }
            records.write(digest, image).inspect_err(|_| counters.unwritable += 1)?;
            *migrated
        }
        Item::Remove { digest, migrated, .. } => {
            records.remove(digest);
            *migrated
        }
        Item::Filling(_) | Item::Full(_) | Item::Lead(_) | Item::After { .. } => return Ok(()),
    };
    let counter = if migrated { &mut counters.migrated_received } else { &mut counters.writes_applied };
    *counter += 1;
    Ok(())
}

/// Whether the record that is here wins over the one that came. The master will find that out when it gathers this copy.
fn is_kept(digest: &Digest, image: &[u8], policy: ConflictPolicy, records: &dyn Records) -> bool {
    let mine = records.read(digest, &mut Vec::new());
    mine.zip(records.stamp(digest, image)).is_some_and(|(mine, theirs)| mine.wins(&theirs, policy))
}
