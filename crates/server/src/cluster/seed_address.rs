//! A seed as it is written: host and port.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// Longest name that DNS can carry, in bytes.
const HOST_MAX: usize = 253;

/// Where other nodes may be: a name or an address, and the port of their heartbeats.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeedAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port for heartbeats (UDP).
    pub port: u16,
}

impl SeedAddress {
    /// Reads `HOST:PORT`, `HOST`, `[IPV6]:PORT` or `IPV6`; without a port it gets `port`. None when it is none of these.
    #[must_use]
    pub fn parse(text: &str, port: u16) -> Option<SeedAddress> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(inside) => {
                let (host, rest) = inside.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, if rest.is_empty() { port } else { rest.strip_prefix(':')?.parse().ok()? })
            }
            None if text.parse::<Ipv6Addr>().is_ok() => (text, port),
            None => match text.split_once(':') {
                Some((host, port)) => (host, port.parse().ok()?),
                None => (text, port),
            },
        };
        let fine = !host.is_empty()
            && host.len() <= HOST_MAX
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        (fine && port != 0).then(|| SeedAddress { host: host.to_owned(), port })
    }

    /// The address, when it is one and no name.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for SeedAddress {
    /// `HOST:PORT`, with brackets around an IPv6 address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SeedAddress { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::SeedAddress;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        let read = |text: &str| SeedAddress::parse(text, 3002).map(|seed| seed.to_string());
        assert_eq!(read("tasks.db:3102").as_deref(), Some("tasks.db:3102"));
        assert_eq!(read(" prod_db-1 ").as_deref(), Some("prod_db-1:3002"));
        assert_eq!(read("10.0.0.1").as_deref(), Some("10.0.0.1:3002"));
        assert_eq!(read("fd00::1").as_deref(), Some("[fd00::1]:3002"));
        assert_eq!(read("[fd00::1]:3102").as_deref(), Some("[fd00::1]:3102"));
        for wrong in ["", ":3002", "db:", "db:x", "db:0", "db:70000", "a b", "[db]:3002", "[::1]3002", "a,b"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(SeedAddress::parse("db", 0), None, "no port at all");
    }
}
