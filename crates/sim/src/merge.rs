//! The observer of merges: while copies that contradict each other are in one view, nobody may be shown a loser.
//!
//! When a read is sent and all processes are in one view, the copy that wins by the conflict policy is looked up at all of
//! them. If they still are in that view when the answer comes, the answer must hold the last acknowledged write of that copy,
//! because whatever was written since was to be built on it.

use crate::client::{chain_of_image, digest};
use crate::ledger::{Fate, tokens};
use crate::world::World;
use shipload_cluster::NodeId;

/// What a read must show if the view holds until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winner {
    view: u64,
    token: u64,
}

impl World {
    /// The view that all processes are in; none when some are in others.
    fn common_view(&self) -> Option<u64> {
        let members: Vec<NodeId> = self.hosts.keys().copied().collect();
        let key = self.hosts.values().next()?.node.cluster.status().key;
        let shared = self.hosts.values().all(|host| {
            let status = host.node.cluster.status();
            status.key == key && status.members.keys().eq(members.iter())
        });
        (shared && key != 0).then_some(key)
    }

    /// The last write of the copy of a record that wins now, if that write was acknowledged.
    pub(crate) fn winner(&self, record: usize) -> Option<Winner> {
        let view = self.common_view()?;
        let mut best: Option<(u64, u64, Vec<u8>)> = None;
        for host in self.hosts.values() {
            let Some(image) = host.node.held_image(host.namespace(), &digest(record)) else { continue };
            let (chain, generation, updated_ms) = chain_of_image(&image)?;
            let generation = u64::from(generation);
            let order = if self.settings.host.latest_wins {
                (updated_ms, generation)
            } else {
                (generation, updated_ms)
            };
            let copy = (order.0, order.1, chain);
            match &best {
                // Which of two equally good ones wins is decided by their content.
                Some(known) if (known.0, known.1) == order && known.2 != copy.2 => return None,
                Some(known) if (known.0, known.1) >= order => {}
                _ => best = Some(copy),
            }
        }
        let writes = &self.ledger.records.get(record)?.writes;
        let acknowledged = |token: &u64| {
            writes
                .iter()
                .any(|write| write.token == *token && matches!(write.fate, Fate::Acknowledged { .. }))
        };
        // A write in doubt may lie on a single copy, which others have long outgrown.
        let token = tokens(&best?.2)?.into_iter().next_back().filter(acknowledged)?;
        Some(Winner { view, token })
    }

    /// A read was answered with this chain.
    pub(crate) fn check_merged(&mut self, record: usize, winner: Winner, chain: &[u8]) {
        if self.common_view() != Some(winner.view) {
            return;
        }
        self.figures.branch("read beside all copies");
        if !tokens(chain).unwrap_or_default().contains(&winner.token) {
            let shown = String::from_utf8_lossy(chain).into_owned();
            self.violate(&format!(
                "read: record {record}: a copy with write {} wins and was not shown: {shown}",
                winner.token
            ));
        }
    }
}
