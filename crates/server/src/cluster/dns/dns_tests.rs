//! The resolver against name servers on loopback that say what a test wants.

use super::{Resolve as _, ResolveError, Resolver, Trouble};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Long enough for a loaded machine; a silent server costs as much, so tests that wait use less.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(50);

/// One question as the server got it.
struct Asked {
    name: String,
    kind: u8,
    tcp: bool,
    packet: Vec<u8>,
}

impl Asked {
    fn read(packet: &[u8], tcp: bool) -> Asked {
        let mut name = Vec::new();
        let mut at = 12;
        while packet[at] != 0 {
            let length = usize::from(packet[at]);
            name.push(String::from_utf8(packet[at + 1..at + 1 + length].to_vec()).expect("text"));
            at += 1 + length;
        }
        Asked { name: name.join("."), kind: packet[at + 2], tcp, packet: packet.to_vec() }
    }

    fn answer(&self, flags: [u8; 2], addresses: &[Ipv4Addr]) -> Vec<u8> {
        let addresses = if self.kind == 1 { addresses } else { &[] };
        let mut bytes = self.packet.clone();
        bytes[2..4].copy_from_slice(&flags);
        bytes[6..8].copy_from_slice(&u16::try_from(addresses.len()).expect("few").to_be_bytes());
        for address in addresses {
            bytes.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
            bytes.extend_from_slice(&address.octets());
        }
        bytes
    }

    fn fine(&self, addresses: &[Ipv4Addr]) -> Vec<Vec<u8>> {
        vec![self.answer([0x81, 0x80], addresses)]
    }

    fn nobody(&self) -> Vec<Vec<u8>> {
        vec![self.answer([0x81, 0x83], &[])]
    }
}

/// A name server's end: its threads stop when it is dropped.
struct Server {
    address: SocketAddr,
    asked: Receiver<(String, u8, bool)>,
    folder: tempfile::TempDir,
}

impl Server {
    /// A server on 127.0.0.`last` with a free port, or with the port given.
    fn start(last: u8, port: u16, say: impl Fn(&Asked) -> Vec<Vec<u8>> + Clone + Send + 'static) -> Server {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), port)).expect("a free port");
            // The same number may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("bound");
        let (sender, asked) = channel();
        let (said, told) = (say.clone(), sender.clone());
        std::thread::spawn(move || serve_datagrams(&udp, &told, &said));
        std::thread::spawn(move || serve_streams(&tcp, &sender, &say));
        Server { address, asked, folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn resolver(&self, conf: &str, hosts: &str) -> Resolver {
        let file = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        Resolver {
            conf: file("resolv.conf", conf),
            hosts: file("hosts", hosts),
            host_name: file("hostname", "me\n"),
            port: self.address.port(),
            patience: PATIENCE,
        }
    }

    fn plain(&self) -> Resolver {
        self.resolver(&format!("nameserver {}\n", self.address.ip()), "")
    }

    /// What was asked by now: name, kind, whether by TCP.
    fn asked(&self) -> Vec<(String, u8, bool)> {
        self.asked.try_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An empty datagram and an empty connection end the threads.
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        let _ = std::net::TcpStream::connect(self.address);
    }
}

type Told = Sender<(String, u8, bool)>;

fn serve_datagrams(socket: &UdpSocket, told: &Told, say: &impl Fn(&Asked) -> Vec<Vec<u8>>) {
    let mut buffer = [0; 600];
    while let Ok((length @ 1.., from)) = socket.recv_from(&mut buffer) {
        let asked = Asked::read(&buffer[..length], false);
        let _ = told.send((asked.name.clone(), asked.kind, asked.tcp));
        for answer in say(&asked) {
            socket.send_to(&answer, from).expect("sent");
        }
    }
}

fn serve_streams(listener: &TcpListener, told: &Told, say: &impl Fn(&Asked) -> Vec<Vec<u8>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut packet).expect("a question");
        let asked = Asked::read(&packet, true);
        let _ = told.send((asked.name.clone(), asked.kind, asked.tcp));
        for answer in say(&asked) {
            let length = u16::try_from(answer.len()).expect("short enough");
            stream.write_all(&length.to_be_bytes()).expect("sent");
            stream.write_all(&answer).expect("sent");
        }
    }
}

fn many(count: u16) -> Vec<Ipv4Addr> {
    (0..count).map(|number| Ipv4Addr::from(0x0a00_0000 + u32::from(number))).collect()
}

fn is_all_of(found: &[IpAddr], expected: &[Ipv4Addr]) -> bool {
    found == expected.iter().map(|ip| IpAddr::V4(*ip)).collect::<Vec<_>>()
}

#[test]
fn addresses_need_nobody() {
    let server = Server::start(1, 0, Asked::nobody);
    let found = |host| server.plain().resolve(host).expect("an address")[0].to_string();
    assert_eq!(found("10.1.2.3"), "10.1.2.3");
    assert_eq!(found("fd00::1"), "fd00::1");
    assert_eq!(found("LocalHost"), "127.0.0.1");
    assert!(server.asked().is_empty());
}

#[test]
fn every_address_of_an_answer_counts() {
    let server = Server::start(1, 0, |asked| asked.fine(&many(3)));
    assert!(is_all_of(&server.plain().resolve("tasks.db").expect("three"), &many(3)));
    let mut asked = server.asked();
    asked.sort();
    assert_eq!(asked, [("tasks.db".to_owned(), 1, false), ("tasks.db".to_owned(), 28, false)]);
}

#[test]
fn an_answer_that_was_cut_short_is_fetched_over_a_connection() {
    let server = Server::start(1, 0, |asked| match (asked.tcp, asked.kind) {
        (false, 1) => vec![asked.answer([0x83, 0x80], &many(19))],
        _ => asked.fine(&many(60)),
    });
    assert!(is_all_of(&server.plain().resolve("tasks.db").expect("sixty"), &many(60)));
    assert!(server.asked().contains(&("tasks.db".to_owned(), 1, true)));
}

#[test]
fn when_the_connection_fails_the_short_answer_counts() {
    // Over TCP the answer is nonsense.
    let server = Server::start(1, 0, |asked| match (asked.tcp, asked.kind) {
        (false, _) => vec![asked.answer([0x83, 0x80], &many(2))],
        _ => vec![vec![7; 30]],
    });
    assert!(is_all_of(&server.plain().resolve("tasks.db").expect("two"), &many(2)));
}

#[test]
fn a_name_that_does_not_exist_yet_is_told_as_such() {
    let server = Server::start(1, 0, Asked::nobody);
    assert_eq!(server.plain().resolve("tasks.db"), Err(ResolveError::NotFound));
    let server = Server::start(1, 0, |asked| asked.fine(&[]));
    assert_eq!(server.plain().resolve("tasks.db"), Err(ResolveError::NotFound));
    assert_eq!(server.plain().resolve("a..b"), Err(ResolveError::BadName));
}

#[test]
fn silence_is_not_waited_for() {
    let server = Server::start(1, 0, |_| Vec::new());
    let mut resolver = server.plain();
    resolver.patience = SHORT;
    let trouble = |trouble| Err(ResolveError::Server { server: Ipv4Addr::LOCALHOST.into(), trouble });
    assert_eq!(resolver.resolve("tasks.db"), trouble(Trouble::Silent));
    // Silence about one family does not hide the other.
    let server = Server::start(1, 0, |asked| if asked.kind == 1 { asked.fine(&many(1)) } else { vec![] });
    let mut resolver = server.plain();
    resolver.patience = Duration::from_millis(500);
    assert!(is_all_of(&resolver.resolve("tasks.db").expect("one"), &many(1)));
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    for fault in [0, 1, 2] {
        let second = Server::start(2, 0, |asked| asked.fine(&many(1)));
        let port = second.address.port();
        let _first = Server::start(3, port, move |asked| match fault {
            0 => vec![asked.answer([0x81, 0x82], &[])],
            1 => vec![asked.answer([0x81, 0x85], &[])],
            _ => {
                let mut cut = asked.answer([0x81, 0x80], &many(4));
                cut.truncate(cut.len() - usize::from(asked.kind == 1));
                vec![cut]
            }
        });
        let resolver = second.resolver("nameserver 127.0.0.3\nnameserver 127.0.0.2\n", "");
        assert!(is_all_of(&resolver.resolve("db").expect("one"), &many(1)), "fault {fault}");
    }
    // And when nobody listens there at all.
    let second = Server::start(2, 0, |asked| asked.fine(&many(1)));
    let resolver = second.resolver("nameserver 127.0.0.4\nnameserver 127.0.0.2\n", "");
    assert!(is_all_of(&resolver.resolve("db").expect("one"), &many(1)));
}

#[test]
fn answers_to_other_questions_and_garbage_are_passed_over() {
    let server = Server::start(1, 0, |asked| {
        let mut other = asked.answer([0x81, 0x80], &many(9));
        other[0] ^= 0xff;
        let mut answers = vec![other, Vec::new(), vec![0xc0; 512], asked.packet.clone()];
        answers.extend(asked.fine(&many(2)));
        answers
    });
    assert!(is_all_of(&server.plain().resolve("db").expect("two"), &many(2)));
}

#[test]
fn search_domains_are_tried_in_their_order() {
    let server = Server::start(1, 0, |asked| match asked.name.as_str() {
        "db.two.example" => asked.fine(&many(1)),
        _ => asked.nobody(),
    });
    let resolver = server.resolver("nameserver 127.0.0.1\nsearch one.example two.example\n", "");
    assert!(is_all_of(&resolver.resolve("db").expect("one"), &many(1)));
    let mut names: Vec<String> = server.asked().into_iter().map(|(name, ..)| name).collect();
    names.dedup();
    assert_eq!(names, ["db.one.example", "db.two.example"]);
}

#[test]
fn the_hosts_file_comes_first_but_the_own_name_may_be_that_of_others_too() {
    let server = Server::start(1, 0, |asked| asked.fine(&many(2)));
    let resolver = server.resolver("nameserver 127.0.0.1\n", "10.0.0.0 db\n10.0.0.9 me\n");
    assert!(is_all_of(&resolver.resolve("db").expect("one"), &many(1)));
    assert!(server.asked().is_empty());
    let mut all = many(2);
    all.push(Ipv4Addr::new(10, 0, 0, 9));
    assert!(is_all_of(&resolver.resolve("me").expect("three"), &all));
    let server = Server::start(1, 0, Asked::nobody);
    let resolver = server.resolver("nameserver 127.0.0.1\n", "10.0.0.9 me\n");
    assert!(is_all_of(&resolver.resolve("me").expect("one"), &[Ipv4Addr::new(10, 0, 0, 9)]));
}
