//! A service thread's part of the fabric: its links, and what the engine wants sent and answered at the end of a turn.
//!
//! Each thread opens one link to every node that it has something for, and reads the links that were accepted. What
//! comes in on a link is executed on the thread that reads it; answers of parked requests go to the threads of their
//! connections.

use super::crew::Mail;
use super::desk::Desk;
use super::event_loop::EventLoop;
use super::link::{Link, LinkEnd, Way};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Token};
use shipload_cluster::NodeId;
use shipload_cluster::fabric::{Hello, Message, PROTOCOL_VERSION, decode};
use shipload_node::cluster::{Outgoing, Reply, Requester};
use slab::Slab;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Links have the tokens from here on, far above slots of connections and far below doors.
pub(super) const FIRST_LINK: usize = usize::MAX / 2;
/// A link that could not be made is not tried again sooner, in nanoseconds.
const RETRY_NS: u64 = 50_000_000;
/// Answers can lead to requests that lead to answers; after so many rounds the rest waits for the next turn.
const ROUNDS: usize = 4;
/// Links that others made to this node, at most, on one thread.
const INCOMING_MAX: usize = 4096;

/// The links of one thread.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: Slab<Link>,
    outgoing: HashMap<NodeId, usize>,
    retry_mono_ns: HashMap<NodeId, u64>,
    dirty: Vec<usize>,
    /// Links with more to read.
    again: Vec<usize>,
    /// Messages came in since what is owed for them was sent.
    owes: bool,
}

impl Links {
    /// Whether the thread must not wait for events.
    pub(super) fn wants_turn(&self) -> bool {
        !self.again.is_empty()
    }
}

impl EventLoop {
    /// Something has happened on a link's socket.
    pub(super) fn link_ready(&mut self, slot: usize, event: &Event) {
        let Some(link) = self.links.all.get_mut(slot) else { return };
        link.readable |= event.is_readable() || event.is_read_closed();
        if event.is_writable() || event.is_write_closed() {
            match link.writable() {
                Ok(true) => {
                    let peer = link.peer;
                    if let Some(peer) = peer {
                        let now = self.desk.now;
                        self.desk.shared.node.on_link(&mut self.desk.worker, peer, now);
                    }
                }
                Ok(false) => {}
                Err(end) => return self.end_link(slot, &end),
            }
            self.mark_dirty(slot);
        }
        self.read_link(slot);
    }

    /// Links with more to read have another turn.
    pub(super) fn links_again(&mut self) {
        for slot in std::mem::take(&mut self.links.again) {
            self.read_link(slot);
        }
    }

    /// Somebody has connected to the fabric port.
    pub(super) fn welcome_link(&mut self, socket: TcpStream, address: SocketAddr) {
        let incoming = self.links.all.len() - self.links.outgoing.len();
        if incoming >= INCOMING_MAX {
            return;
        }
        // Acknowledgements are small; the listener's setting is inherited on Linux, this is for the rest.
        let _ = socket.set_nodelay(true);
        if let Some(slot) = self.seat_link(Link::incoming(socket, address)) {
            if let Some(link) = self.links.all.get_mut(slot) {
                link.readable = true;
            }
            self.read_link(slot);
        }
    }

    fn seat_link(&mut self, mut link: Link) -> Option<usize> {
        let entry = self.links.all.vacant_entry();
        let slot = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_LINK + slot);
        if let Err(error) = self.poll.registry().register(&mut link.socket, token, interest) {
            tracing::warn!(%error, peer = %link.address, "a link between nodes can't be watched");
            return None;
        }
        entry.insert(link);
        Some(slot)
    }

    fn read_link(&mut self, slot: usize) {
        let Some(link) = self.links.all.get_mut(slot) else { return };
        if !link.readable || !link.connected {
            return;
        }
        let mut input = std::mem::take(&mut self.desk.input);
        let (shared, worker, now) = (&self.desk.shared, &mut self.desk.worker, self.desk.now);
        let way = link.way;
        let received = link.receive(&mut input, |peer, body| {
            let message = decode(body).map_err(|error| LinkEnd::Refused(error.to_string()))?;
            match (message, *peer) {
                (Message::Hello(hello), None) => {
                    *peer = Some(shared.check_hello(&hello)?);
                    Ok(())
                }
                (_, None) => Err(LinkEnd::Refused("a message before the hello".to_owned())),
                (_, Some(_)) if way == Way::Out => {
                    Err(LinkEnd::Refused("a message on a link that only carries them there".to_owned()))
                }
                (message, Some(peer)) => {
                    shared.node.on_fabric(worker, peer, message, now);
                    Ok(())
                }
            }
        });
        self.links.owes = true;
        let more = link.readable;
        self.desk.input = input;
        match received {
            Ok(()) if more => self.links.again.push(slot),
            Ok(()) => {}
            Err(end) => self.end_link(slot, &end),
        }
    }

    fn end_link(&mut self, slot: usize, end: &LinkEnd) {
        let Some(link) = self.links.all.try_remove(slot) else { return };
        let mono_ns = self.desk.now.mono_ns;
        if let LinkEnd::Refused(why) = end
            && let Some(left_out) = self.desk.shared.throttles.fabric.pass(mono_ns)
        {
            tracing::warn!(peer = %link.address, why, left_out, "a link between nodes was refused");
        }
        let Some(peer) = link.peer else { return };
        if link.way == Way::Out {
            self.links.outgoing.remove(&peer);
            self.links.retry_mono_ns.insert(peer, mono_ns + RETRY_NS);
        }
        if link.connected {
            self.desk.shared.node.cluster.doubt(peer);
        }
    }

    fn mark_dirty(&mut self, slot: usize) {
        if let Some(link) = self.links.all.get_mut(slot)
            && !std::mem::replace(&mut link.dirty, true)
        {
            self.links.dirty.push(slot);
        }
    }

    /// Puts a message on the link to a node, which is made if there is none. False without a way to the node: then the
    /// message is lost.
    pub(super) fn send_to_node(&mut self, to: NodeId, message: &Message<'_>) -> bool {
        let slot = match self.links.outgoing.get(&to) {
            Some(slot) => *slot,
            None => match self.open_link(to) {
                Some(slot) => slot,
                None => return false,
            },
        };
        let Some(link) = self.links.all.get_mut(slot) else { return false };
        match link.push(message) {
            Ok(()) => {
                self.mark_dirty(slot);
                true
            }
            Err(end) => {
                self.end_link(slot, &end);
                false
            }
        }
    }

    fn open_link(&mut self, to: NodeId) -> Option<usize> {
        let mono_ns = self.desk.now.mono_ns;
        if self.links.retry_mono_ns.get(&to).is_some_and(|retry| *retry > mono_ns) {
            return None;
        }
        let node = &self.desk.shared.node;
        let address = node.fabric_address(to)?;
        let link = match Link::outgoing(to, address, self.desk.shared.hello()) {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(%error, %to, %address, "a node can't be reached");
                self.links.retry_mono_ns.insert(to, mono_ns + RETRY_NS);
                return None;
            }
        };
        let slot = self.seat_link(link)?;
        self.links.outgoing.insert(to, slot);
        Some(slot)
    }

    /// The end of a turn: what the engine wants sent and answered.
    pub(super) fn serve_cluster(&mut self) {
        for _ in 0..ROUNDS {
            let now = self.desk.now;
            if std::mem::take(&mut self.links.owes) {
                self.desk.shared.node.end_fabric_turn(&mut self.desk.worker, now);
            }
            if self.desk.worker.outgoing.is_empty() {
                break;
            }
            let outgoing = std::mem::take(&mut self.desk.worker.outgoing);
            self.carry_out(outgoing);
            self.settle();
        }
        for slot in std::mem::take(&mut self.links.dirty) {
            let Some(link) = self.links.all.get_mut(slot) else { continue };
            link.dirty = false;
            // Nothing may be acknowledged of what could not be put on stable storage.
            let flushed = if self.desk.lost { Err(LinkEnd::Broken) } else { link.flush() };
            if let Err(end) = flushed {
                self.end_link(slot, &end);
            }
        }
    }

    /// Sends messages and gives answers.
    pub(super) fn carry_out(&mut self, mut outgoing: Outgoing) {
        for (to, message) in outgoing.fabric.drain(..) {
            let sent = self.send_to_node(to, &message);
            if let (false, Message::Proxy { id, .. }) = (sent, message) {
                // Surely not executed anywhere: it waits for another master.
                let Desk { shared, worker, now, .. } = &mut self.desk;
                shared.node.not_sent(to, id, *now, &mut worker.outgoing);
            }
        }
        for reply in outgoing.replies.drain(..) {
            match reply.requester {
                Requester::Client { thread, .. } if thread as usize != self.number => {
                    self.crew.send(thread as usize, Mail::Replies(vec![reply]));
                }
                Requester::Client { .. } | Requester::Node { .. } | Requester::Nobody => {
                    self.give_answer(reply);
                }
            }
        }
        // Datagrams and lines for the log leave with the next tick.
        self.desk.shared.node.cluster.do_later(&mut outgoing);
    }

    /// A parked request's answer is there.
    pub(super) fn give_answer(&mut self, reply: Reply) {
        let Requester::Client { slot, serial, .. } = reply.requester else { return };
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if connection.serial != serial || !connection.is_parked() {
            return;
        }
        connection.unpark(reply.frames);
        if let Some(timing) = reply.timing {
            self.desk.finish_query(timing, reply.began_mono_ns);
        }
        if !connection.queued {
            self.turn(slot);
        }
    }

    /// Closes links to nodes that are gone or somewhere else now.
    pub(super) fn sweep_links(&mut self) {
        let node = &self.desk.shared.node;
        let gone = |link: &Link| {
            link.way == Way::Out
                && link.peer.is_some_and(|peer| node.fabric_address(peer) != Some(link.address))
        };
        let slots: Vec<usize> =
            self.links.all.iter().filter(|(_, link)| gone(link)).map(|(slot, _)| slot).collect();
        for slot in slots {
            if let Some(peer) = self.links.all.try_remove(slot).and_then(|link| link.peer) {
                self.links.outgoing.remove(&peer);
            }
        }
        let mono_ns = self.desk.now.mono_ns;
        self.links.retry_mono_ns.retain(|_, retry| *retry > mono_ns);
    }
}

impl super::Shared {
    /// What a link begins with.
    fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            cluster: self.node.cluster_hash(),
            node: self.node.id(),
            incarnation: self.node.incarnation(),
        }
    }

    /// Who is on the other side of an incoming link.
    fn check_hello(&self, hello: &Hello) -> Result<NodeId, LinkEnd> {
        if hello.version != PROTOCOL_VERSION {
            return Err(LinkEnd::Refused(format!(
                "it speaks version {} of the fabric protocol, this node {PROTOCOL_VERSION}",
                hello.version
            )));
        }
        if hello.cluster != self.node.cluster_hash() {
            return Err(LinkEnd::Refused("it belongs to a cluster of another name".to_owned()));
        }
        if hello.node == self.node.id() {
            return Err(LinkEnd::Refused("it has this node's id".to_owned()));
        }
        Ok(hello.node)
    }
}
