//! A node as gossip names it, and how gossip travels as bytes.
//!
//! Guarantees: two names with the same node id are one member; the later life wins, and within a life the later
//! rejoin. The address plays no part in that, so a node may come back anywhere. Decoding is bounded.

use std::net::SocketAddr;

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Identity, Member, Message, State};

use crate::cursor::{self, Malformed, Reader};
use crate::identity::{Incarnation, NodeId, decode_socket, encode_socket};

/// A node as gossip names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    /// How often it had to come back within its life, because others took it for dead or its address changed.
    pub(super) rejoin: u32,
    pub(super) heartbeat: SocketAddr,
}

impl Peer {
    pub(super) fn new(node: NodeId, incarnation: Incarnation, heartbeat: SocketAddr) -> Peer {
        Peer { node, incarnation, rejoin: 0, heartbeat }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_u64(out, self.node.0);
        cursor::put_varint(out, self.incarnation.0);
        cursor::put_varint(out, self.rejoin.into());
        encode_socket(self.heartbeat, out);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Peer, Malformed> {
        let (node, incarnation) = (NodeId(reader.u64()?), Incarnation(reader.varint()?));
        let rejoin = u32::try_from(reader.varint()?).map_err(|_| Malformed("too many rejoins"))?;
        Ok(Peer { node, incarnation, rejoin, heartbeat: decode_socket(reader)? })
    }
}

impl Identity for Peer {
    type Addr = NodeId;

    fn renew(&self) -> Option<Peer> {
        Some(Peer { rejoin: self.rejoin.checked_add(1)?, ..*self })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Peer) -> bool {
        // The derived order would do, but this is the rule that the cluster's memory rests on.
        (self.incarnation, self.rejoin, self.heartbeat)
            > (adversary.incarnation, adversary.rejoin, adversary.heartbeat)
    }
}

/// How gossip travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerCodec;

impl PeerCodec {
    /// How the state of a suspect travels.
    pub(super) const SUSPECT: u8 = 1;
}

impl Codec<Peer> for PeerCodec {
    type Error = Malformed;

    fn encode_header(&mut self, header: &Header<Peer>, buf: impl BufMut) -> Result<(), Malformed> {
        let mut out = Vec::with_capacity(64);
        header.src.encode(&mut out);
        cursor::put_u16(&mut out, header.src_incarnation);
        header.dst.encode(&mut out);
        encode_message(&header.message, &mut out);
        put_whole(&out, buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Peer>, Malformed> {
        take_whole(&mut buf, |reader| {
            Ok(Header {
                src: Peer::decode(reader)?,
                src_incarnation: reader.u16()?,
                dst: Peer::decode(reader)?,
                message: decode_message(reader)?,
            })
        })
    }

    fn encode_member(&mut self, member: &Member<Peer>, buf: impl BufMut) -> Result<(), Malformed> {
        let mut out = Vec::with_capacity(32);
        member.id().encode(&mut out);
        cursor::put_u16(&mut out, member.incarnation());
        out.push(match member.state() {
            State::Alive => 0,
            State::Suspect => PeerCodec::SUSPECT,
            State::Down => 2,
        });
        put_whole(&out, buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Peer>, Malformed> {
        take_whole(&mut buf, |reader| {
            let (peer, incarnation) = (Peer::decode(reader)?, reader.u16()?);
            let state = match reader.u8()? {
                0 => State::Alive,
                PeerCodec::SUSPECT => State::Suspect,
                2 => State::Down,
                _ => return Err(Malformed("an unknown member state")),
            };
            Ok(Member::new(peer, incarnation, state))
        })
    }
}

/// Puts all of it or nothing.
fn put_whole(bytes: &[u8], mut buf: impl BufMut) -> Result<(), Malformed> {
    if buf.remaining_mut() < bytes.len() {
        return Err(Malformed("does not fit the datagram"));
    }
    buf.put_slice(bytes);
    Ok(())
}

/// Reads one thing and moves the buffer on by what it took. Gossip buffers are contiguous.
fn take_whole<T>(
    buf: &mut impl Buf,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let chunk = buf.chunk();
    let mut reader = Reader::new(chunk);
    let thing = read(&mut reader)?;
    let taken = chunk.len() - reader.rest().len();
    buf.advance(taken);
    Ok(thing)
}

fn encode_message(message: &Message<Peer>, out: &mut Vec<u8>) {
    match message {
        Message::Ping(number) => out.extend_from_slice(&[1, *number]),
        Message::Ack(number) => out.extend_from_slice(&[2, *number]),
        Message::PingReq { target, probe_number } => with_peer(3, *probe_number, target, out),
        Message::IndirectPing { origin, probe_number } => with_peer(4, *probe_number, origin, out),
        Message::IndirectAck { target, probe_number } => with_peer(5, *probe_number, target, out),
        Message::ForwardedAck { origin, probe_number } => with_peer(6, *probe_number, origin, out),
        Message::Announce => out.push(7),
        Message::Feed => out.push(8),
        Message::Gossip => out.push(9),
        Message::Broadcast => out.push(10),
        Message::TurnUndead => out.push(11),
    }
}

fn with_peer(kind: u8, number: u8, peer: &Peer, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind, number]);
    peer.encode(out);
}

fn decode_message(reader: &mut Reader<'_>) -> Result<Message<Peer>, Malformed> {
    let kind = reader.u8()?;
    let probe_number = if (1..=6).contains(&kind) { reader.u8()? } else { 0 };
    Ok(match kind {
        1 => Message::Ping(probe_number),
        2 => Message::Ack(probe_number),
        3 => Message::PingReq { target: Peer::decode(reader)?, probe_number },
        4 => Message::IndirectPing { origin: Peer::decode(reader)?, probe_number },
        5 => Message::IndirectAck { target: Peer::decode(reader)?, probe_number },
        6 => Message::ForwardedAck { origin: Peer::decode(reader)?, probe_number },
        7 => Message::Announce,
        8 => Message::Feed,
        9 => Message::Gossip,
        10 => Message::Broadcast,
        11 => Message::TurnUndead,
        _ => return Err(Malformed("an unknown kind of gossip")),
    })
}
