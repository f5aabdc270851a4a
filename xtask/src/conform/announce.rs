//! A node seen through a relay that announces another server version.
//!
//! Clients switch features by the version that a node announces. A node that has some operations of a later version
//! announces the version of which it has everything; the relay lets the suite test the later ones as well. It changes
//! nothing but the version in answers to info requests, and in a cluster the addresses: each node has its relay.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result};

/// The version that our nodes announce (`shipload_node`'s `BUILD`).
const ANNOUNCED: &str = "8.1.2.0";
/// Type byte of info frames.
const INFO: u8 = 1;
/// Size of a frame's header.
const HEADER: usize = 8;

/// What is said instead of what, in answers to info requests.
type Changes = Vec<(String, String)>;

/// Starts a relay to each of these nodes, and says where the first one is; they last as long as this process.
pub(crate) fn relay(nodes: &[SocketAddr], version: &str) -> Result<SocketAddr> {
    let listen = |_: &SocketAddr| TcpListener::bind("127.0.0.1:0").context("cannot listen for the relay");
    let listeners = nodes.iter().map(listen).collect::<Result<Vec<_>>>()?;
    let mut changes: Changes = vec![(ANNOUNCED.to_owned(), version.to_owned())];
    let mut first = None;
    for (node, listener) in nodes.iter().zip(&listeners) {
        let relay = listener.local_addr()?;
        first = first.or(Some(relay));
        changes.push((node.to_string(), relay.to_string()));
    }
    let changes = Arc::new(changes);
    for (node, listener) in nodes.iter().copied().zip(listeners) {
        let changes = Arc::clone(&changes);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let changes = Arc::clone(&changes);
                std::thread::spawn(move || connect(client, node, &changes));
            }
        });
    }
    first.context("no node to relay to")
}

/// Carries one connection until either side closes it.
fn connect(client: TcpStream, node: SocketAddr, changes: &Changes) {
    let Ok(server) = TcpStream::connect(node) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut server, mut client) = (server, client);
    let _ = answers(&mut server, &mut client, changes);
    let _ = client.shutdown(Shutdown::Both);
}

/// Carries answers frame by frame.
fn answers(server: &mut impl Read, client: &mut impl Write, changes: &Changes) -> std::io::Result<()> {
    loop {
        let mut header = [0; HEADER];
        server.read_exact(&mut header)?;
        let [_, kind, size @ ..] = header;
        let size = size.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if kind != INFO {
            client.write_all(&header)?;
            std::io::copy(&mut server.take(size), client)?;
            continue;
        }
        let mut body = Vec::new();
        server.take(size).read_to_end(&mut body)?;
        let body = changed(String::from_utf8_lossy(&body).into_owned(), changes).into_bytes();
        let [_, _, size @ ..] = (body.len() as u64).to_be_bytes();
        client.write_all(&[&header[..2], &size, &body].concat())?;
    }
}

/// The text with what is to be said instead; a number that goes on is another one.
fn changed(text: String, changes: &Changes) -> String {
    changes.iter().fold(text, |text, (from, to)| {
        let mut parts = text.split(from.as_str());
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let goes_on = part.starts_with(|next: char| next.is_ascii_digit());
            out.push_str(if goes_on { from } else { to });
            out.push_str(part);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{ANNOUNCED, answers, changed};

    fn frame(kind: u8, body: &str) -> Vec<u8> {
        [&[2, kind, 0, 0, 0, 0, 0, u8::try_from(body.len()).unwrap()], body.as_bytes()].concat()
    }

    #[test]
    fn only_info_answers_are_changed() {
        let told = format!("build\t{ANNOUNCED}\n");
        let sent = [frame(1, &told), frame(3, &told)].concat();
        let mut got = Vec::new();
        let changes = vec![(ANNOUNCED.to_owned(), "8.2.0.10".to_owned())];
        answers(&mut sent.as_slice(), &mut got, &changes).unwrap_err();
        assert_eq!(got, [frame(1, "build\t8.2.0.10\n"), frame(3, &told)].concat());
    }

    #[test]
    fn a_longer_number_is_another_one() {
        let changes = vec![("127.0.0.1:300".to_owned(), "127.0.0.1:4".to_owned())];
        let told = "2,3000,[[A,,[127.0.0.1:3000]],[B,,[127.0.0.1:300]]]".to_owned();
        assert_eq!(changed(told, &changes), "2,3000,[[A,,[127.0.0.1:3000]],[B,,[127.0.0.1:4]]]");
    }
}
