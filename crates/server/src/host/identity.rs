//! Who this node is, as long as no data volume keeps an identity.
//!
//! The id has the official shape: the service port in front of the hardware address of the first network
//! interface. So a restarted node keeps its id, and several nodes on one machine differ by their ports.

use shipload_node::Identity;
use std::fs;
use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

/// The low 48 bits: room for a hardware address.
const HARDWARE_MASK: u64 = (1 << 48) - 1;

/// An identity for a node that serves on this port; `node_id` is what the configuration says, if anything.
#[must_use]
pub fn identify(node_id: Option<u64>, port: u16) -> Identity {
    let made = || (u64::from(port) << 48) | (hardware_address().unwrap_or_else(host_name) & HARDWARE_MASK);
    Identity { node_id: node_id.unwrap_or_else(made), cluster_key: (random() & HARDWARE_MASK).max(1) }
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
    let mut hash = DefaultHasher::new();
    for path in ["/etc/machine-id", "/etc/hostname", "/proc/sys/kernel/hostname"] {
        hash.write(&fs::read(path).unwrap_or_default());
    }
    hash.finish()
}

/// Random bits: the standard library seeds its hash tables with them.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::{identify, parse_hardware_address};

    #[test]
    fn an_id_is_port_and_hardware_address() {
        assert_eq!(parse_hardware_address("02:42:ac:11:00:02"), Some(0x0200_11ac_4202));
        assert_eq!(parse_hardware_address("00:00:00:00:00:00"), None);
        assert_eq!(parse_hardware_address("nonsense"), None);
        assert_eq!(identify(None, 3000).node_id >> 48, 0xbb8);
        assert_eq!(identify(Some(7), 3000).node_id, 7);
        assert_eq!(identify(None, 3000).node_id, identify(None, 3000).node_id);
    }
}
