//! A node seen through a relay that announces another server version.
//!
//! Clients switch features by the version that a node announces. A node that has some operations of a later version
//! announces the version of which it has everything; the relay lets the suite test the later ones as well. It changes
//! nothing but the version in answers to info requests.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};

/// The version that our nodes announce (`shipload_node`'s `BUILD`).
const ANNOUNCED: &str = "8.1.2.0";
/// Type byte of info frames.
const INFO: u8 = 1;
/// Size of a frame's header.
const HEADER: usize = 8;

/// Starts a relay to `node`; it lasts as long as this process.
pub(crate) fn relay(node: SocketAddr, version: &str) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen for the relay")?;
    let address = listener.local_addr()?;
    let version = version.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let version = version.clone();
            std::thread::spawn(move || connect(client, node, &version));
        }
    });
    Ok(address)
}

/// Carries one connection until either side closes it.
fn connect(client: TcpStream, node: SocketAddr, version: &str) {
    let Ok(server) = TcpStream::connect(node) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut server, mut client) = (server, client);
    let _ = answers(&mut server, &mut client, version);
    let _ = client.shutdown(Shutdown::Both);
}

/// Carries answers frame by frame.
fn answers(server: &mut impl Read, client: &mut impl Write, version: &str) -> std::io::Result<()> {
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
        let body = String::from_utf8_lossy(&body).replace(ANNOUNCED, version).into_bytes();
        let [_, _, size @ ..] = (body.len() as u64).to_be_bytes();
        client.write_all(&[&header[..2], &size, &body].concat())?;
    }
}

#[cfg(test)]
mod tests {
    use super::{ANNOUNCED, answers};

    fn frame(kind: u8, body: &str) -> Vec<u8> {
        [&[2, kind, 0, 0, 0, 0, 0, u8::try_from(body.len()).unwrap()], body.as_bytes()].concat()
    }

    #[test]
    fn only_info_answers_are_changed() {
        let told = format!("build\t{ANNOUNCED}\n");
        let sent = [frame(1, &told), frame(3, &told)].concat();
        let mut got = Vec::new();
        answers(&mut sent.as_slice(), &mut got, "8.2.0.10").unwrap_err();
        assert_eq!(got, [frame(1, "build\t8.2.0.10\n"), frame(3, &told)].concat());
    }
}
