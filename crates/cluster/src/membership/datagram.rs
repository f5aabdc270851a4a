//! The envelope of every gossip datagram.
//!
//! Guarantees: only whole datagrams of this protocol version and this cluster come through; each other one is refused
//! with a reason that can be counted. Sixteen bytes: magic 2, version 1, kind 1, cluster name hash 8, CRC-32C 4
//! (over all the rest); then the body. Refuses to authenticate: a cluster name is no secret.

use thiserror::Error;

use super::peer::Peer;
use crate::cursor::{self, Malformed, Reader};
use crate::identity::{Attributes, Incarnation, NodeId};

/// Largest datagram that is sent or accepted, in bytes: fits an overlay network's 1450.
pub const DATAGRAM_MAX: usize = 1400;
/// Bytes of the envelope.
pub(super) const ENVELOPE: usize = 16;
const MAGIC: [u8; 2] = [0x5a, 0x1d];
const VERSION: u8 = 1;

/// Why a datagram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Refusal {
    /// Not our protocol: another program, or noise.
    #[error("not a gossip datagram")]
    Foreign,
    /// Our protocol in a version that we don't speak.
    #[error("another protocol version")]
    OtherVersion,
    /// Another cluster's.
    #[error("another cluster's name")]
    OtherCluster,
    /// Truncated, too long, or changed on the way.
    #[error("damaged")]
    Damaged,
    /// Whole, but not to be understood.
    #[error("malformed")]
    Malformed,
    /// From a node with our own id: most likely we found ourselves under one of our addresses.
    #[error("our own")]
    Own,
}

/// All reasons, for counting.
pub(super) const REFUSALS: [Refusal; 6] = [
    Refusal::Foreign,
    Refusal::OtherVersion,
    Refusal::OtherCluster,
    Refusal::Damaged,
    Refusal::Malformed,
    Refusal::Own,
];

/// What a datagram holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// Bytes of the membership protocol.
    Gossip(&'a [u8]),
    /// "Is a node there?"
    Seek(Peer),
    /// "Yes, me."
    Found(Peer),
    /// "Tell me about yourself": from this node.
    Ask(NodeId),
    /// What a node tells about itself.
    Tell { node: NodeId, incarnation: Incarnation, revision: u32, attributes: Box<Attributes> },
    /// "I know this much about you": from this node.
    Heard { node: NodeId, incarnation: Incarnation, revision: u32 },
}

impl Body<'_> {
    /// The whole datagram for the cluster whose name has this hash.
    pub(super) fn seal(&self, cluster: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.kind()]);
        cursor::put_u64(&mut out, cluster);
        cursor::put_u32(&mut out, 0);
        match self {
            Body::Gossip(bytes) => out.extend_from_slice(bytes),
            Body::Seek(peer) | Body::Found(peer) => peer.encode(&mut out),
            Body::Ask(node) => cursor::put_u64(&mut out, node.0),
            Body::Tell { node, incarnation, revision, attributes } => {
                put_revision(&mut out, *node, *incarnation, *revision);
                put_fitting(&mut out, attributes);
            }
            Body::Heard { node, incarnation, revision } => {
                put_revision(&mut out, *node, *incarnation, *revision);
            }
        }
        let crc = checksum(&out);
        if let Some(place) = out.get_mut(12..ENVELOPE) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        out
    }

    /// Opens a datagram, or says why not.
    pub(super) fn open(datagram: &[u8], cluster: u64) -> Result<Body<'_>, Refusal> {
        let mut reader = Reader::new(datagram);
        if reader.take(2) != Ok(&MAGIC) {
            return Err(Refusal::Foreign);
        }
        let envelope =
            |reader: &mut Reader<'_>| Ok((reader.u8()?, reader.u8()?, reader.u64()?, reader.u32()?));
        let (version, kind, hash, crc) = envelope(&mut reader).map_err(|_: Malformed| Refusal::Damaged)?;
        if version != VERSION {
            return Err(Refusal::OtherVersion);
        }
        if datagram.len() > DATAGRAM_MAX || crc != checksum(datagram) {
            return Err(Refusal::Damaged);
        }
        if hash != cluster {
            return Err(Refusal::OtherCluster);
        }
        Body::read(kind, reader).map_err(|_| Refusal::Malformed)
    }

    fn kind(&self) -> u8 {
        match self {
            Body::Gossip(_) => 1,
            Body::Seek(_) => 2,
            Body::Found(_) => 3,
            Body::Ask(_) => 4,
            Body::Tell { .. } => 5,
            Body::Heard { .. } => 6,
        }
    }

    fn read(kind: u8, mut reader: Reader<'_>) -> Result<Body<'_>, Malformed> {
        let body = match kind {
            1 => return Ok(Body::Gossip(reader.rest())),
            2 => Body::Seek(Peer::decode(&mut reader)?),
            3 => Body::Found(Peer::decode(&mut reader)?),
            4 => Body::Ask(NodeId(reader.u64()?)),
            5 => {
                let (node, incarnation, revision) = revision(&mut reader)?;
                let attributes = Box::new(Attributes::decode(&mut reader)?);
                Body::Tell { node, incarnation, revision, attributes }
            }
            6 => {
                let (node, incarnation, revision) = revision(&mut reader)?;
                Body::Heard { node, incarnation, revision }
            }
            _ => return Err(Malformed("an unknown kind of datagram")),
        };
        reader.finish()?;
        Ok(body)
    }
}

fn put_revision(out: &mut Vec<u8>, node: NodeId, incarnation: Incarnation, revision: u32) {
    cursor::put_u64(out, node.0);
    cursor::put_u64(out, incarnation.0);
    cursor::put_u32(out, revision);
}

fn revision(reader: &mut Reader<'_>) -> Result<(NodeId, Incarnation, u32), Malformed> {
    Ok((NodeId(reader.u64()?), Incarnation(reader.u64()?), reader.u32()?))
}

/// Appends attributes; addresses that would not fit the datagram stay behind, the last ones first.
fn put_fitting(out: &mut Vec<u8>, attributes: &Attributes) {
    let start = out.len();
    let mut fitting = attributes.clone();
    loop {
        fitting.encode(out);
        if out.len() <= DATAGRAM_MAX {
            return;
        }
        out.truncate(start);
        let longer = if fitting.alternate.len() > fitting.service.len() {
            &mut fitting.alternate
        } else {
            &mut fitting.service
        };
        longer.pop();
    }
}

fn checksum(datagram: &[u8]) -> u32 {
    let head = datagram.get(..12).unwrap_or_default();
    let body = datagram.get(ENVELOPE..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(head), body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Address;

    fn peer() -> Peer {
        Peer::new(NodeId(7), Incarnation(3), "10.0.0.1:3002".parse().unwrap())
    }

    #[test]
    fn every_reason_is_told_apart() {
        let datagram = Body::Seek(peer()).seal(1);
        assert_eq!(Body::open(&datagram, 1), Ok(Body::Seek(peer())));
        assert_eq!(Body::open(&datagram, 2), Err(Refusal::OtherCluster));
        assert_eq!(Body::open(b"GET / HTTP/1.1", 1), Err(Refusal::Foreign));
        for cut in 2..datagram.len() {
            assert_eq!(Body::open(&datagram[..cut], 1), Err(Refusal::Damaged), "cut at {cut}");
        }
        for place in 4..datagram.len() {
            let mut damaged = datagram.clone();
            damaged[place] ^= 1;
            assert_eq!(Body::open(&damaged, 1), Err(Refusal::Damaged), "changed at {place}");
        }
        let mut newer = datagram;
        newer[2] = 9;
        assert_eq!(Body::open(&newer, 1), Err(Refusal::OtherVersion));
    }

    #[test]
    fn attributes_that_are_too_many_are_cut_to_a_datagram() {
        let mut attributes =
            Attributes::at("10.0.0.1:3001".parse().unwrap(), "10.0.0.1:3002".parse().unwrap());
        attributes.service = vec![Address::new(&"x".repeat(250), 3000).unwrap(); 32];
        attributes.alternate.clone_from(&attributes.service);
        let (node, incarnation) = (NodeId(7), Incarnation(1));
        let body = Body::Tell { node, incarnation, revision: 1, attributes: Box::new(attributes) };
        let datagram = body.seal(1);
        assert!(datagram.len() <= DATAGRAM_MAX);
        let Ok(Body::Tell { attributes, .. }) = Body::open(&datagram, 1) else { panic!("not told") };
        assert!(!attributes.service.is_empty() && !attributes.alternate.is_empty());
    }
}
