//! What the members agree on: a view, and where each member stood when it joined it.
//!
//! Guarantees: members are sorted and unique; a decoded view is a possible one. Everything that the partition map
//! is computed from is in [`Committed`], so that all members compute the same map.

use crate::cursor::{self, Malformed, Reader};
use crate::identity::{Incarnation, NodeId};
use crate::version::Inventory;

/// Most members of a view.
pub(crate) const MEMBERS_MAX: usize = 1024;

/// A numbered set of members.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    /// Counts up with every view that a node takes part in.
    pub epoch: u64,
    /// Random, never 0: tells views of the same epoch on two sides of a split apart. Shown as `cluster_key`.
    pub key: u64,
    /// The members, ascending.
    pub members: Vec<NodeId>,
}

impl View {
    /// Whether the node is a member.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.members.binary_search(&node).is_ok()
    }

    /// The highest member: it proposed the view, and proposes the next one.
    #[must_use]
    pub fn principal(&self) -> Option<NodeId> {
        self.members.last().copied()
    }
}

/// Where a member stood when it accepted a view: what the map has to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The life of the node that accepted.
    pub incarnation: Incarnation,
    /// Its rack.
    pub rack: u32,
    /// Whether it wants to master nothing.
    pub quiesced: bool,
    /// What it holds.
    pub inventory: Inventory,
}

impl Standing {
    /// Appends the encoded standing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_u64(out, self.incarnation.0);
        cursor::put_u32(out, self.rack);
        out.push(u8::from(self.quiesced));
        self.inventory.encode(out);
    }

    /// Reads what [`Standing::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Standing, Malformed> {
        Ok(Standing {
            incarnation: Incarnation(reader.u64()?),
            rack: reader.u32()?,
            quiesced: reader.bool()?,
            inventory: Inventory::decode(reader)?,
        })
    }
}

/// A view that was committed, with the standing of each of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The view.
    pub view: View,
    /// One per member, in the order of `view.members`.
    pub standings: Vec<Standing>,
}

impl Committed {
    /// The standing of a member.
    #[must_use]
    pub fn standing(&self, node: NodeId) -> Option<&Standing> {
        let position = self.view.members.binary_search(&node).ok()?;
        self.standings.get(position)
    }

    /// Members with their standings, ascending by id.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Standing)> {
        self.view.members.iter().copied().zip(&self.standings)
    }

    /// Appends the encoded view and standings.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_u64(out, self.view.epoch);
        cursor::put_u64(out, self.view.key);
        cursor::put_count(out, self.view.members.len());
        for (node, standing) in self.members() {
            cursor::put_u64(out, node.0);
            standing.encode(out);
        }
    }

    /// Reads what [`Committed::encode`] wrote; members out of order are refused.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Committed, Malformed> {
        let (epoch, key) = (reader.u64()?, reader.u64()?);
        let count = reader.count(MEMBERS_MAX, 21)?;
        let mut committed =
            Committed { view: View { epoch, key, members: Vec::new() }, standings: Vec::new() };
        for _ in 0..count {
            let node = NodeId(reader.u64()?);
            if committed.view.members.last().is_some_and(|last| *last >= node) {
                return Err(Malformed("members out of order"));
            }
            committed.view.members.push(node);
            committed.standings.push(Standing::decode(reader)?);
        }
        if epoch == 0 || key == 0 || count == 0 {
            return Err(Malformed("a view that nobody makes"));
        }
        Ok(committed)
    }
}
