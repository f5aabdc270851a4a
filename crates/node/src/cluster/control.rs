//! Control: agreement and metadata, and how the news of membership become events of theirs.
//!
//! Installing a view may take a while. Gossip ([`super::gossip`]) is another machine behind another lock, so that it goes
//! on meanwhile: a node that is busy with its new share must not look dead.

use super::gossip::News;
use super::outgoing::{ClusterNotice, Outgoing};
use super::parking::{Event, Ticket};
use crate::node::Node;
use crate::now::Now;
use shipload_cluster::agreement::{self, Agreement, Committed, Standing};
use shipload_cluster::fabric::Message;
use shipload_cluster::metadata::{self, Metadata, Stamp};
use shipload_cluster::{Incarnation, Inventory, NodeId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The machines of control.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) incarnation: Incarnation,
    pub(super) agreement: Agreement,
    pub(super) metadata: Metadata,
    /// A view that is agreed on and not installed yet: what has to be said about it leaves first.
    pub(super) installing: Option<Arc<Committed>>,
    /// Who waits until all members have a value, and until when, monotonic nanoseconds.
    pub(super) spreading: BTreeMap<(String, Stamp), (Ticket, u64)>,
}

/// What the machines want done after an event.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) agreement: Vec<agreement::Effect>,
    pub(super) metadata: Vec<metadata::Effect>,
}

impl Node {
    /// Lets an event into control, and does what comes of it. Nothing happens on a node that never joined.
    pub(super) fn with_control(
        &self,
        now: Now,
        out: &mut Outgoing,
        event: impl FnOnce(&mut Control, &mut Pass),
    ) {
        let mut control = self.cluster.control.lock();
        let Some(control) = control.as_mut() else { return };
        let mut pass = Pass::default();
        self.install_agreed(control, &mut pass, now, out);
        event(control, &mut pass);
        self.settle(control, &mut pass, now, out);
    }

    /// Whether a view waits to be installed: what was said until now should leave before.
    pub(super) fn is_installing(&self) -> bool {
        self.cluster.control.lock().as_ref().is_some_and(|control| control.installing.is_some())
    }

    /// Installs the view that waits for it.
    fn install_agreed(&self, control: &mut Control, pass: &mut Pass, now: Now, out: &mut Outgoing) {
        let Some(committed) = control.installing.take() else { return };
        self.install(&committed, now, out);
        control.metadata.install(now.mono_ms(), &committed.view, &mut pass.metadata);
        out.notices.push(ClusterNotice::View(
            committed.view.epoch,
            committed.view.key,
            committed.view.members.len(),
        ));
    }

    /// Does what the machines want, until they want nothing more.
    fn settle(&self, control: &mut Control, pass: &mut Pass, now: Now, out: &mut Outgoing) {
        loop {
            let Pass { agreement, metadata } = std::mem::take(pass);
            if agreement.is_empty() && metadata.is_empty() {
                break;
            }
            for effect in agreement {
                self.on_agreement(control, pass, effect, now, out);
            }
            for effect in metadata {
                match effect {
                    metadata::Effect::Send { to, message } => {
                        let mut bytes = Vec::new();
                        message.encode(&mut bytes);
                        out.fabric.push((to, Message::Metadata(bytes.into())));
                    }
                    metadata::Effect::Changed { name } => {
                        let value = control.metadata.get(&name).map(<[u8]>::to_vec);
                        self.cluster.keep_moved();
                        self.apply_metadata(now, &name, value.as_deref());
                    }
                    metadata::Effect::Everywhere { name, stamp } => {
                        let waiting = control.spreading.remove(&(name, stamp));
                        if let Some((ticket, _)) = waiting.filter(|(_, until)| now.mono_ns < *until) {
                            self.cluster.parking.happened(ticket, Event::Held, out);
                        }
                    }
                }
            }
        }
        self.note_integrity(control.installing.is_none() && control.agreement.integrity());
    }

    /// What gossip has found out.
    pub(super) fn on_news(
        &self,
        control: &mut Control,
        pass: &mut Pass,
        news: News,
        now: Now,
        out: &mut Outgoing,
    ) {
        let now_ms = now.mono_ms();
        match news {
            News::Up { node, incarnation, attributes } => {
                let wish = (attributes.rack, attributes.quiesced);
                let before = self.peers_wish(node);
                if before.is_none() {
                    out.notices.push(ClusterNotice::Up(node, attributes.fabric));
                }
                self.edit_peers(|peers| drop(peers.insert(node, *attributes)));
                control.agreement.member_up(now_ms, node, incarnation, &mut pass.agreement);
                // A node may have changed its mind while it was gone: what it stands for in the view counts as well.
                let committed = control.agreement.committed();
                let stands =
                    committed.and_then(|view| view.standing(node)).map(|one| (one.rack, one.quiesced));
                if before.is_some_and(|before| before != wish) || stands.is_some_and(|stands| stands != wish)
                {
                    control.agreement.recluster(now_ms, &mut pass.agreement);
                }
            }
            News::Down { node } => {
                out.notices.push(ClusterNotice::Down(node));
                self.give_up_errands(node, now, out);
                self.edit_peers(|peers| drop(peers.remove(&node)));
                control.agreement.member_down(now_ms, node, &mut pass.agreement);
            }
            // The principal alone can; others hear of the changed attributes and do the same.
            News::Wish => drop(control.agreement.recluster(now_ms, &mut pass.agreement)),
            News::Agreement { from, message } => {
                control.agreement.on_message(now_ms, from, message, &mut pass.agreement);
            }
            News::Metadata { from, message } => {
                control.metadata.on_message(now_ms, from, message, &mut pass.metadata);
            }
        }
    }

    fn on_agreement(
        &self,
        control: &mut Control,
        pass: &mut Pass,
        effect: agreement::Effect,
        now: Now,
        out: &mut Outgoing,
    ) {
        let now_ms = now.mono_ms();
        match effect {
            agreement::Effect::Send { to, message } => {
                let mut bytes = Vec::new();
                message.encode(&mut bytes);
                out.fabric.push((to, Message::Agreement(bytes.into())));
            }
            agreement::Effect::Declare { ballot } => {
                // What is declared is the state in the view before, not in the one before that.
                self.install_agreed(control, pass, now, out);
                let (rack, quiesced) = self.wish();
                let standing =
                    Standing { incarnation: control.incarnation, rack, quiesced, inventory: self.freeze() };
                control.agreement.declared(now_ms, ballot, standing, &mut pass.agreement);
            }
            agreement::Effect::Thaw => self.thaw(),
            agreement::Effect::Install { committed } => {
                self.install_agreed(control, pass, now, out);
                let alone = committed.view.members.len() == 1;
                control.installing = Some(committed);
                if alone {
                    // Nobody is to be told.
                    self.install_agreed(control, pass, now, out);
                }
                self.cluster.wake();
            }
        }
    }

    /// What this node holds; until the next view, or [`Node::thaw`], it drops nothing.
    fn freeze(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for namespace in self.namespaces() {
            let held = inventory.namespace_mut(&namespace.name);
            held.replication_factor = namespace.wished_copies();
            if let Some(migration) = namespace.migration.lock().as_mut() {
                migration.freeze();
                for (partition, version) in migration.versions() {
                    held.set(partition, Some(version.clone()));
                }
            }
        }
        inventory
    }

    fn thaw(&self) {
        for namespace in self.namespaces() {
            if let Some(migration) = namespace.migration.lock().as_mut() {
                migration.thaw();
            }
        }
    }

    fn edit_peers(&self, edit: impl FnOnce(&mut BTreeMap<NodeId, shipload_cluster::Attributes>)) {
        let mut peers = self.cluster.peers.write();
        let mut changed = (**peers).clone();
        edit(&mut changed.nodes);
        changed.generation += 1;
        *peers = Arc::new(changed);
        self.cluster.keep_moved();
    }

    fn peers_wish(&self, node: NodeId) -> Option<(u32, bool)> {
        let peers = self.cluster.peers.read();
        peers.nodes.get(&node).map(|attributes| (attributes.rack, attributes.quiesced))
    }

    /// Where another node's fabric port is; none when it is not up.
    #[must_use]
    pub fn fabric_address(&self, node: NodeId) -> Option<SocketAddr> {
        self.cluster.peers.read().nodes.get(&node).map(|attributes| attributes.fabric)
    }
}
