//! Reads the list of peers that a node knows: `generation,port,[[node,tls-name,[address,...]],...]`.

/// A peer and where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its node id, as text.
    pub(crate) node: String,
    pub(crate) addresses: Vec<(String, u16)>,
}

/// Reads a list; what can't be read is left out.
pub(crate) fn read(text: &str) -> Vec<Peer> {
    let Some((_, rest)) = text.split_once(',') else { return Vec::new() };
    let Some((port, list)) = rest.split_once(',') else { return Vec::new() };
    let default_port = port.trim().parse().unwrap_or(3000);
    items(inside(list)).filter_map(|peer| read_peer(peer, default_port)).collect()
}

fn read_peer(text: &str, default_port: u16) -> Option<Peer> {
    let mut parts = items(inside(text));
    let node = parts.next()?.to_owned();
    let addresses = parts.nth(1)?;
    let addresses = items(inside(addresses)).map(|address| read_address(address, default_port)).collect();
    Some(Peer { node, addresses })
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn read_address(text: &str, default_port: u16) -> (String, u16) {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    (host.to_owned(), port.and_then(|port| port.parse().ok()).unwrap_or(default_port))
}

/// A text without the brackets around it.
fn inside(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// The parts between commas that stand in no bracket.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let separator = move |letter: char| {
        depth += i32::from(letter == '[') - i32::from(letter == ']');
        letter == ',' && depth == 0
    };
    let empty = text.is_empty();
    text.split(separator).filter(move |_| !empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(node: &str, addresses: &[(&str, u16)]) -> Peer {
        let addresses = addresses.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
        Peer { node: node.to_owned(), addresses }
    }

    #[test]
    fn lists_of_the_protocol() {
        assert_eq!(read("0,3000,[]"), []);
        assert_eq!(
            read("5,3000,[[BB9,,[10.0.0.6,[::1]:3100]],[BB8,tls,[db:3200]]]"),
            [peer("BB9", &[("10.0.0.6", 3000), ("::1", 3100)]), peer("BB8", &[("db", 3200)])]
        );
        assert_eq!(read("5,,[[BB9,,[10.0.0.6]]]"), [peer("BB9", &[("10.0.0.6", 3000)])]);
    }

    #[test]
    fn nonsense_is_no_panic() {
        for text in ["", "ERROR:4:x", "1,2", "1,2,[[", "1,2,]]][", "1,3000,[[A],[B,,[]]]"] {
            let _ = read(text);
        }
        assert_eq!(read("1,3000,[[A],[B,,[]]]"), [peer("B", &[])]);
    }
}
