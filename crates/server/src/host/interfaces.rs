//! Words for addresses: what `address` lines may say, and who can reach what is listened on.

use if_addrs::{IfAddr, get_if_addrs};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The addresses that a word of an `address` line stands for; empty when it stands for none.
///
/// An IP address, `any`, `localhost`, the name of a network interface, or a host name of this machine.
#[must_use]
pub fn resolve(word: &str) -> Vec<IpAddr> {
    match word {
        "any" => return vec![Ipv4Addr::UNSPECIFIED.into()],
        "localhost" => return vec![Ipv4Addr::LOCALHOST.into()],
        _ => {}
    }
    if let Ok(address) = word.trim_matches(['[', ']']).parse() {
        return vec![address];
    }
    let of_interface: Vec<IpAddr> = addresses().filter(|(name, _)| name == word).map(|(_, ip)| ip).collect();
    if !of_interface.is_empty() {
        return of_interface;
    }
    let found =
        (word, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect::<Vec<_>>());
    let mut found = found.unwrap_or_default();
    // A resolver may answer with the same address once for each kind of socket.
    found.dedup();
    found
}

/// Who can reach a listening socket at this address, in words.
#[must_use]
pub fn reach(address: SocketAddr) -> String {
    let ip = address.ip();
    if ip.is_loopback() {
        return "this machine only".to_owned();
    }
    if !ip.is_unspecified() {
        return format!("every machine that can reach {ip}");
    }
    let outside: Vec<String> = addresses()
        .filter(|(_, other)| !other.is_loopback() && other.is_ipv4() == ip.is_ipv4())
        .map(|(name, other)| format!("{other} ({name})"))
        .collect();
    if outside.is_empty() {
        return "this machine only, as it has no other address now".to_owned();
    }
    format!("every machine that can reach {}", outside.join(" or "))
}

/// Names of interfaces with their usable addresses.
pub(crate) fn addresses() -> impl Iterator<Item = (String, IpAddr)> {
    let usable = |address: &IfAddr| match address {
        IfAddr::V4(_) => true,
        // Link-local addresses need a scope, which the protocol can't carry.
        IfAddr::V6(v6) => !is_link_local(v6.ip),
    };
    let all = get_if_addrs().unwrap_or_default();
    all.into_iter().filter(move |one| usable(&one.addr)).map(|one| {
        let ip = one.ip();
        (one.name, ip)
    })
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests {
    use super::{reach, resolve};

    #[test]
    fn words_for_addresses() {
        assert_eq!(resolve("any"), ["0.0.0.0".parse::<std::net::IpAddr>().expect("an address")]);
        assert_eq!(resolve("localhost"), resolve("127.0.0.1"));
        assert_eq!(resolve("[::1]"), ["::1".parse::<std::net::IpAddr>().expect("an address")]);
        assert!(resolve("lo").contains(&"127.0.0.1".parse().expect("an address")));
        assert!(resolve("no such host!").is_empty());
    }

    #[test]
    fn loopback_is_reached_from_here_only() {
        assert_eq!(reach("127.0.0.1:3000".parse().expect("an address")), "this machine only");
        assert!(reach("192.0.2.1:3000".parse().expect("an address")).contains("192.0.2.1"));
    }
}
