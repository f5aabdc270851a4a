//! Who this node is.
//!
//! Guarantees: an id that a data directory keeps is made once, whatever becomes of addresses and machines afterwards;
//! without a data directory a node that is only restarted keeps its id, and nodes that run at the same time have
//! different ones, on one machine or on many.
//!
//! An id has the official shape: the service port in front of 48 bits. Kept ids have random bits there, so that
//! a copied image or an equal hardware address on another host can't make two nodes one. Others have the hardware
//! address of the first network interface, mixed with what tells apart the nodes that share one.

use super::container;
use crate::disk::{SmallFile, SmallFileError};
use shipload_cluster::identity::mix;
use shipload_node::Identity;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// The low 48 bits: room for a hardware address.
const HARDWARE_MASK: u64 = (1 << 48) - 1;
/// The name of the file with the id in a data directory.
const FILE: &str = "node-id";
/// The version of its content: eight bytes, little endian.
const FILE_VERSION: u16 = 1;

/// An identity for a node that serves clients at this address; `node_id` is what the configuration or a data directory
/// says, if anything.
#[must_use]
pub fn identify(node_id: Option<u64>, service: SocketAddr) -> Identity {
    let node_id = node_id.unwrap_or_else(|| made(service, hardware_address(), container::is_container()));
    Identity { node_id, cluster_key: (random() & HARDWARE_MASK).max(1) }
}

/// The id that a data directory keeps. When it keeps none yet, it keeps `given` from now on, or else a new one.
/// A `given` id wins over the one that is kept, and replaces it.
///
/// # Errors
/// When the file can't be read or written, or is damaged: then the node must not start under another id.
pub fn kept(directory: &Path, given: Option<u64>, service: SocketAddr) -> Result<u64, SmallFileError> {
    let file = SmallFile::new(directory, FILE, FILE_VERSION);
    let known = match file.load()? {
        Some((_, content)) => {
            let id = content.try_into().ok().map(u64::from_le_bytes).filter(|id| *id != 0);
            Some(id.ok_or(SmallFileError::Damaged {
                path: file.path().to_owned(),
                what: "it holds no node id",
            })?)
        }
        None => None,
    };
    let id = given.or(known).unwrap_or_else(|| shaped(service.port(), random()));
    if known != Some(id) {
        if let Some(known) = known {
            tracing::warn!("the data directory belongs to node {known:X}; node-id makes it node {id:X}");
        }
        file.store(&id.to_le_bytes())?;
    }
    Ok(id)
}

fn shaped(port: u16, low: u64) -> u64 {
    ((u64::from(port) << 48) | (low & HARDWARE_MASK)).max(1)
}

/// An id that needs no memory.
fn made(service: SocketAddr, hardware: Option<u64>, container: bool) -> u64 {
    let mut low = hardware.unwrap_or_else(host_name);
    // Several nodes on a machine may have the same port at different addresses.
    if !service.ip().is_unspecified() && service.ip() != Ipv4Addr::LOCALHOST {
        let address = match service.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.octets().chunks(8).fold(0, |sum, half| sum ^ hash(half)),
        };
        low ^= mix(address);
    }
    // Engines give out the same hardware addresses on each host; a container's name differs.
    if container {
        low ^= host_name();
    }
    shaped(service.port(), low)
}

/// The hardware address of the first interface that has one, by name.
fn hardware_address() -> Option<u64> {
    let mut folders: Vec<_> =
        fs::read_dir("/sys/class/net").ok()?.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.iter().find_map(|folder| {
        let text = fs::read_to_string(folder.join("address")).ok()?;
        parse_hardware_address(text.trim())
    })
}

/// `02:42:ac:11:00:01`, read from the end as the official ids have it; none when it is all zero (loopback).
fn parse_hardware_address(text: &str) -> Option<u64> {
    let bytes: Vec<u8> = text.split(':').map_while(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    if bytes.len() != 6 {
        return None;
    }
    let value = bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    (value != 0).then_some(value)
}

/// A number from the names that the machine or container goes by, which it keeps for its life.
fn host_name() -> u64 {
    let names = ["/etc/machine-id", "/etc/hostname", "/proc/sys/kernel/hostname"];
    names.iter().fold(0, |sum, path| mix(sum ^ hash(&fs::read(path).unwrap_or_default())))
}

/// The same number for the same bytes in every version of this program.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |hash, byte| mix(hash ^ u64::from(*byte)))
}

/// Random bits: the standard library seeds its hash tables with them.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::{identify, kept, made, parse_hardware_address};
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_id_is_port_and_hardware_address() {
        assert_eq!(parse_hardware_address("02:42:ac:11:00:02"), Some(0x0200_11ac_4202));
        assert_eq!(parse_hardware_address("00:00:00:00:00:00"), None);
        assert_eq!(parse_hardware_address("nonsense"), None);
        let own = at("127.0.0.1:3000");
        assert_eq!(made(own, Some(0x0200_11ac_4202), false), 0xbb8_0200_11ac_4202);
        assert_eq!(identify(None, own).node_id >> 48, 0xbb8);
        assert_eq!(identify(Some(7), own).node_id, 7);
        assert_eq!(identify(None, own).node_id, identify(None, own).node_id);
    }

    #[test]
    fn nodes_on_one_machine_differ() {
        let places = [
            "127.0.0.1:3000",
            "127.0.0.2:3000",
            "127.0.0.3:3000",
            "127.0.0.1:3100",
            "[::1]:3000",
            "[::2]:3000",
        ];
        let ids: BTreeSet<u64> = places.iter().map(|place| made(at(place), Some(5), false)).collect();
        assert_eq!(ids.len(), places.len());
        assert_eq!(made(at("0.0.0.0:3000"), Some(5), false), made(at("127.0.0.1:3000"), Some(5), false));
    }

    #[test]
    fn a_kept_id_survives_and_a_given_one_wins() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = kept(folder.path(), None, at("10.0.0.1:3000")).expect("kept");
        assert_eq!(first >> 48, 0xbb8);
        assert_eq!(kept(folder.path(), None, at("10.0.0.2:3100")).expect("kept"), first);
        assert_eq!(kept(folder.path(), Some(7), at("10.0.0.2:3100")).expect("kept"), 7);
        assert_eq!(kept(folder.path(), None, at("10.0.0.2:3100")).expect("kept"), 7);
        let other = tempfile::tempdir().expect("a temporary folder");
        assert_ne!(kept(other.path(), None, at("10.0.0.1:3000")).expect("kept"), first);
        std::fs::write(folder.path().join("node-id"), b"nonsense").expect("written");
        assert!(kept(folder.path(), None, at("10.0.0.1:3000")).is_err());
    }
}
