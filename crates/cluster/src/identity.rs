//! Who a node is, and what it tells the others about itself.
//!
//! Guarantees: a node is its id; everything else (addresses, rack, ports) is an attribute that may change.
//! A cluster name is compared by a 64-bit hash that every datagram and every fabric hello carries.
//! Refuses to open sockets or look names up: addresses are plain data here.

use std::fmt;
use std::net::SocketAddr;

use crate::cursor::{self, Malformed, Reader};

pub use self::address::{Address, decode_socket, encode_socket};

mod address;

/// Longest cluster name, in bytes.
pub const CLUSTER_NAME_MAX: usize = 64;
/// Most addresses that a node may announce per kind of network.
pub const ADDRESSES_MAX: usize = 32;
/// Longest build text, in bytes.
const BUILD_MAX: usize = 64;

/// The id of a node: made once, kept for ever, never an address. Zero names nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    /// At least 15 upper-case hexadecimal digits, as the info command `node` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:015X}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which life of a node this is: higher after each start, so that a restarted node is told from a stale rumour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Incarnation(pub u64);

/// The name of a cluster. Nodes of different names never talk beyond finding that out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterName(String);

impl ClusterName {
    /// A cluster name; none when it is longer than [`CLUSTER_NAME_MAX`]. The empty name is a name like any other.
    #[must_use]
    pub fn new(name: &str) -> Option<ClusterName> {
        (name.len() <= CLUSTER_NAME_MAX).then(|| ClusterName(name.to_owned()))
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What travels instead of the name.
    #[must_use]
    pub fn hash(&self) -> u64 {
        mix(self.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }
}

/// Spreads the bits of a number so that near numbers become far ones. The same on all nodes and versions: the
/// partition map rests on it.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a node tells the others about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Where clients find it.
    pub service: Vec<Address>,
    /// Where clients of another network find it.
    pub alternate: Vec<Address>,
    /// Where nodes find it: records and agreement.
    pub fabric: SocketAddr,
    /// Where nodes find it: gossip.
    pub heartbeat: SocketAddr,
    /// Its rack; 0 is no rack in particular.
    pub rack: u32,
    /// Whether it is about to leave and wants to master nothing.
    pub quiesced: bool,
    /// The protocol version that it speaks.
    pub version: u32,
    /// Its build, for people.
    pub build: String,
}

impl Attributes {
    /// Attributes of a node that has told nothing but where it is.
    #[must_use]
    pub fn at(fabric: SocketAddr, heartbeat: SocketAddr) -> Attributes {
        Attributes {
            service: Vec::new(),
            alternate: Vec::new(),
            fabric,
            heartbeat,
            rack: 0,
            quiesced: false,
            version: 1,
            build: String::new(),
        }
    }

    /// Appends the encoded attributes. Lists and texts over their limits are cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for list in [&self.service, &self.alternate] {
            cursor::put_count(out, list.len().min(ADDRESSES_MAX));
            list.iter().take(ADDRESSES_MAX).for_each(|address| address.encode(out));
        }
        encode_socket(self.fabric, out);
        encode_socket(self.heartbeat, out);
        cursor::put_u32(out, self.rack);
        out.push(u8::from(self.quiesced));
        cursor::put_u32(out, self.version);
        let build = if self.build.len() <= BUILD_MAX { self.build.as_str() } else { "" };
        cursor::put_bytes(out, build.as_bytes());
    }

    /// Reads what [`Attributes::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Attributes, Malformed> {
        Ok(Attributes {
            service: decode_list(reader)?,
            alternate: decode_list(reader)?,
            fabric: decode_socket(reader)?,
            heartbeat: decode_socket(reader)?,
            rack: reader.u32()?,
            quiesced: reader.bool()?,
            version: reader.u32()?,
            build: reader.text(BUILD_MAX)?.to_owned(),
        })
    }
}

fn decode_list(reader: &mut Reader<'_>) -> Result<Vec<Address>, Malformed> {
    let count = reader.count(ADDRESSES_MAX, 3)?;
    (0..count).map(|_| Address::decode(reader)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_the_info_command() {
        assert_eq!(NodeId(0xBB9_0200_11AC_4202).to_string(), "BB9020011AC4202");
        assert_eq!(NodeId(1).to_string(), "000000000000001");
    }

    #[test]
    fn names_differ_in_their_hashes() {
        let hash = |name| ClusterName::new(name).map(|name| name.hash());
        assert_ne!(hash(""), hash("a"));
        assert_ne!(hash("a"), hash("b"));
        assert_eq!(ClusterName::new(&"x".repeat(65)), None);
    }

    #[test]
    fn attributes_come_back() {
        let mut attributes =
            Attributes::at("10.0.0.1:3001".parse().unwrap(), "[fe80::1]:3002".parse().unwrap());
        attributes.service =
            vec![Address::new("10.0.0.1", 3000).unwrap(), Address::new("fe80::1", 3000).unwrap()];
        attributes.rack = 7;
        attributes.quiesced = true;
        attributes.build = "0.1.0".to_owned();
        let mut bytes = Vec::new();
        attributes.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Attributes::decode(&mut reader), Ok(attributes));
        assert_eq!(reader.finish(), Ok(()));
        for cut in 0..bytes.len() {
            assert!(Attributes::decode(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
}
