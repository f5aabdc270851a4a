//! The address of this machine under its own name, as the page counts its hits by server.

use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

/// A name server that does not answer must not delay the start.
const PATIENCE: Duration = Duration::from_millis(500);

/// The first IPv4 address of this machine's name, else the loopback address.
pub(crate) async fn find() -> String {
    let look_up = tokio::task::spawn_blocking(|| host_name().and_then(|name| address_of(&name)));
    let found = tokio::time::timeout(PATIENCE, look_up).await;
    found.ok().and_then(Result::ok).flatten().unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// The machine's name; containers have it in their environment.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn address_of(name: &str) -> Option<String> {
    let addresses = (name, 0).to_socket_addrs().ok()?;
    addresses.map(|address| address.ip()).find(IpAddr::is_ipv4).map(|ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_an_ipv4_address_or_none() {
        assert_eq!(address_of("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(address_of("no.such.host.invalid"), None);
    }
}
