//! Addresses as plain data: host and port that a client is told, and socket addresses between nodes.
//!
//! Guarantees: an address prints as clients read it (IPv6 in brackets). Refuses to resolve anything.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::cursor::{self, Malformed, Reader};

/// Longest host, in bytes: that of a DNS name.
const HOST_MAX: usize = 255;

/// A host (name or IP address) and a port, as clients are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// An address; none when the host is empty, longer than 255 bytes, or has bytes that no host has.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Option<Address> {
        let fine = !host.is_empty()
            && host.len() <= HOST_MAX
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
        fine.then(|| Address { host: host.to_owned(), port })
    }

    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Appends the encoded address.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cursor::put_u16(out, self.port);
        cursor::put_bytes(out, self.host.as_bytes());
    }

    /// Reads what [`Address::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Address, Malformed> {
        let port = reader.u16()?;
        Address::new(reader.text(HOST_MAX)?, port).ok_or(Malformed("a host that is none"))
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Address {
        Address { host: socket.ip().to_string(), port: socket.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Appends a socket address: family, bytes of the IP address, port.
pub fn encode_socket(socket: SocketAddr, out: &mut Vec<u8>) {
    match socket.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    cursor::put_u16(out, socket.port());
}

/// Reads what [`encode_socket`] wrote.
pub fn decode_socket(reader: &mut Reader<'_>) -> Result<SocketAddr, Malformed> {
    let ip = match reader.u8()? {
        4 => IpAddr::V4(Ipv4Addr::from_bits(reader.u32()?.swap_bytes())),
        6 => IpAddr::V6(Ipv6Addr::from_bits(
            (u128::from(reader.u64()?) | u128::from(reader.u64()?) << 64).swap_bytes(),
        )),
        _ => return Err(Malformed("an unknown address family")),
    };
    Ok(SocketAddr::new(ip, reader.u16()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_clients_read_them() {
        assert_eq!(Address::new("db", 3000).unwrap().to_string(), "db:3000");
        assert_eq!(Address::new("fe80::1", 3000).unwrap().to_string(), "[fe80::1]:3000");
        assert_eq!(Address::new("a,b", 1), None);
        assert_eq!(Address::new("", 1), None);
    }

    #[test]
    fn sockets_come_back() {
        for text in ["10.1.2.3:3002", "[fe80::1:2]:65535"] {
            let socket: SocketAddr = text.parse().unwrap();
            let mut bytes = Vec::new();
            encode_socket(socket, &mut bytes);
            assert_eq!(decode_socket(&mut Reader::new(&bytes)), Ok(socket));
        }
    }
}
