//! Membership machines that gossip through real sockets on loopback.

use super::{Carrier, Deliver, Gossip, Settings};
use crate::clock::Start;
use crate::cluster::SeedAddress;
use crate::cluster::dns::{Resolve, ResolveError};
use crate::cluster::engine::Engine;
use crate::cluster::heartbeat::Heartbeat;
use crate::cluster::reach::Listening;
use parking_lot::Mutex;
use shipload_cluster::membership::{self, Effect, Membership};
use shipload_cluster::{Attributes, ClusterName, Incarnation, Inventory, NodeId};
use shipload_node::Now;
use shipload_node::cluster::{Join, Outgoing, Reply, Requester};
use shipload_node::config::{Config, NetworkKey};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(120);

/// What a test hears of a node.
#[derive(Debug, PartialEq)]
enum Heard {
    Up(u64, SocketAddr),
    Down(u64),
    Changed(u64, SocketAddr),
    Refused,
}

/// Membership alone, behind the face of a node.
struct Member {
    id: u64,
    cluster: &'static str,
    machine: Mutex<Option<Membership>>,
    seeds: Mutex<(u64, Vec<SeedAddress>)>,
    heard: Sender<Heard>,
}

impl Member {
    fn with(&self, out: &mut Outgoing, work: impl FnOnce(&mut Membership, &mut Vec<Effect>)) {
        let mut machine = self.machine.lock();
        let Some(machine) = machine.as_mut() else { return };
        let mut effects = Vec::new();
        work(machine, &mut effects);
        for effect in effects {
            let heard = match effect {
                Effect::Send { to, bytes } => {
                    out.datagrams.push((to, bytes));
                    continue;
                }
                Effect::Up { node, attributes, .. } => Heard::Up(node.0, attributes.heartbeat),
                Effect::Changed { node, attributes, .. } => Heard::Changed(node.0, attributes.heartbeat),
                Effect::Down { node } => Heard::Down(node.0),
                Effect::Refused { .. } => Heard::Refused,
                Effect::SameId { .. } | Effect::Rejoined | Effect::Stalled { .. } => continue,
            };
            let _ = self.heard.send(heard);
        }
    }
}

fn ms(now: Now) -> u64 {
    now.mono_ns / 1_000_000
}

impl Engine for Member {
    fn join(&self, now: Now, join: Join, out: &mut Outgoing) {
        let name = ClusterName::new(self.cluster).expect("short");
        let life = Incarnation(join.incarnation);
        // Patient: these tests are about who hears whom, on a machine that may be busy.
        let settings = membership::Settings { suspect_ms: 3000, ..membership::Settings::default() };
        let machine = Membership::new(NodeId(self.id), life, &name, join.attributes, settings, join.random);
        *self.machine.lock() = Some(machine);
        self.tick(now, out);
    }
    fn on_datagram(&self, now: Now, from: SocketAddr, bytes: &[u8], out: &mut Outgoing) {
        self.with(out, |machine, effects| machine.on_datagram(ms(now), from, bytes, effects));
    }
    fn tick(&self, now: Now, out: &mut Outgoing) -> u64 {
        let mut wake_ms = u64::MAX;
        self.with(out, |machine, effects| {
            machine.on_tick(ms(now), effects);
            wake_ms = machine.wake_at_ms();
        });
        wake_ms.saturating_mul(1_000_000)
    }
    fn set_candidates(&self, now: Now, addresses: &[SocketAddr], out: &mut Outgoing) {
        self.with(out, |machine, effects| machine.set_seeds(ms(now), addresses, effects));
    }
    fn set_attributes(&self, now: Now, attributes: Attributes, out: &mut Outgoing) {
        self.with(out, |machine, effects| machine.set_attributes(ms(now), attributes, effects));
    }
    fn leave(&self, now: Now, out: &mut Outgoing) {
        self.with(out, |machine, effects| machine.leave(ms(now), effects));
    }
    fn seeds(&self) -> (u64, Vec<SeedAddress>) {
        self.seeds.lock().clone()
    }
    fn set_configured_seeds(&self, seeds: &[SeedAddress]) {
        let mut own = self.seeds.lock();
        *own = (own.0 + 1, seeds.to_vec());
    }
    fn set_waker(&self, _waker: Box<dyn Fn() + Send + Sync>) {}
    fn is_alone(&self) -> bool {
        self.machine.lock().as_ref().is_none_or(|machine| machine.members().next().is_none())
    }
    fn rack(&self) -> u32 {
        0
    }

    fn alternate(&self) -> Vec<shipload_cluster::Address> {
        Vec::new()
    }
}

/// Names that a test may change while nodes run.
#[derive(Default)]
struct Names(Mutex<BTreeMap<String, Vec<IpAddr>>>);

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.lock().get(host).cloned().ok_or(ResolveError::NotFound)
    }
}

struct Running {
    gossip: Gossip,
    member: Arc<Member>,
    heard: Receiver<Heard>,
    address: SocketAddr,
}

impl Running {
    /// Waits until the node has heard all of this, in any order, whatever else it hears.
    fn wait_for(&self, mut expected: Vec<Heard>) {
        while !expected.is_empty() {
            let heard = self.heard.recv_timeout(DEADLINE);
            let heard = heard.unwrap_or_else(|_| panic!("{}: not heard: {expected:?}", self.member.id));
            expected.retain(|one| *one != heard);
        }
    }

    fn up(&self) -> Heard {
        Heard::Up(self.member.id, self.address)
    }

    fn down(&self) -> Heard {
        Heard::Down(self.member.id)
    }
}

fn open(address: &str, port: u16) -> Heartbeat {
    let network = Config::new().network;
    network.put(NetworkKey::HeartbeatAddress, address).expect("an address");
    network.put(NetworkKey::HeartbeatPort, &port.to_string()).expect("a port");
    Heartbeat::open(&network).expect("a socket")
}

fn start(
    id: u64,
    cluster: &'static str,
    heartbeat: Heartbeat,
    seeds: &[String],
    names: &Arc<Names>,
) -> Running {
    let (sender, heard) = channel();
    let member = Member { id, cluster, machine: Mutex::default(), seeds: Mutex::default(), heard: sender };
    let member = Arc::new(member);
    let address = heartbeat.addresses()[0];
    let settings = Settings {
        listening: Listening {
            fabric: address,
            heartbeat: address,
            service: vec![address],
            access: Vec::new(),
            alternate: Vec::new(),
            rack: 0,
        },
        seeds: seeds.iter().map(|seed| SeedAddress::parse(seed, 3002).expect("a seed")).collect(),
        resolver: Arc::<Names>::clone(names),
        inventory: Inventory::default(),
        metadata: BTreeMap::new(),
        remembers: false,
    };
    let deliver: Deliver = Arc::new(|_| {});
    let engine: Arc<dyn Engine> = Arc::<Member>::clone(&member);
    let gossip = Gossip::start(engine, Start::now(), heartbeat, settings, deliver).expect("threads");
    Running { gossip, member, heard, address }
}

#[test]
fn three_nodes_find_each_other_from_one_seed_and_say_farewell() {
    let names = Arc::new(Names::default());
    let first = start(1, "c", open("127.0.0.1", 0), &[], &names);
    let seed = [first.address.to_string()];
    let second = start(2, "c", open("127.0.0.2", 0), &seed, &names);
    let third = start(3, "c", open("127.0.0.1", 0), &seed, &names);
    first.wait_for(vec![second.up(), third.up()]);
    second.wait_for(vec![first.up(), third.up()]);
    third.wait_for(vec![first.up(), second.up()]);
    third.gossip.leave();
    first.wait_for(vec![third.down()]);
    second.wait_for(vec![third.down()]);
    let gone = second.down();
    drop(second);
    first.wait_for(vec![gone]);
}

#[test]
fn a_name_is_a_seed_that_may_come_late_and_grow() {
    let names = Arc::new(Names::default());
    let first = start(1, "c", open("127.0.0.1", 0), &[], &names);
    // All behind one name have the same port, as replicas of a service do.
    let port = first.address.port();
    let seed = [format!("tasks.db:{port}")];
    let second = start(2, "c", open("127.0.0.2", port), &seed, &names);
    names.0.lock().insert("tasks.db".to_owned(), vec![second.address.ip(), first.address.ip()]);
    second.wait_for(vec![first.up()]);
    first.wait_for(vec![second.up()]);
    let third = start(3, "c", open("127.0.0.3", port), &[], &names);
    names.0.lock().entry("tasks.db".to_owned()).or_default().push(third.address.ip());
    first.wait_for(vec![third.up()]);
    // The name is gone: nobody is.
    names.0.lock().clear();
    let fourth = start(4, "c", open("127.0.0.4", port), &[third.address.to_string()], &names);
    fourth.wait_for(vec![first.up(), second.up(), third.up()]);
}

#[test]
fn a_tip_is_followed_and_strangers_are_refused() {
    let names = Arc::new(Names::default());
    let first = start(1, "c", open("127.0.0.1", 0), &[], &names);
    let second = start(2, "c", open("127.0.0.1", 0), &[], &names);
    let other = start(3, "d", open("127.0.0.1", 0), &[first.address.to_string()], &names);
    first.wait_for(vec![Heard::Refused]);
    let noise = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for length in [0, 1, 1400, 1401, 2048, 9000] {
        noise.send_to(&vec![0x5a; length], first.address).expect("sent");
    }
    let tip = SeedAddress::parse(&second.address.to_string(), 3002).expect("a seed");
    first.member.set_configured_seeds(&[tip]);
    first.wait_for(vec![second.up()]);
    second.wait_for(vec![first.up()]);
    assert!(other.member.is_alone());
}

#[test]
fn a_group_is_enough_to_be_found() {
    let in_group = |address: &str, port: u16| {
        let network = Config::new().network;
        for (key, text) in [
            (NetworkKey::HeartbeatAddress, address),
            (NetworkKey::HeartbeatPort, port.to_string().as_str()),
            (NetworkKey::HeartbeatMode, "multicast"),
            (NetworkKey::HeartbeatMulticastGroup, "239.1.99.222"),
            (NetworkKey::HeartbeatMulticastTtl, "1"),
        ] {
            network.put(key, text).expect("a value");
        }
        Heartbeat::open(&network).expect("sockets")
    };
    let names = Arc::new(Names::default());
    let first = start(1, "m", in_group("127.0.0.1", 0), &[], &names);
    let second = start(2, "m", in_group("127.0.0.2", first.address.port()), &[], &names);
    first.wait_for(vec![second.up()]);
    second.wait_for(vec![first.up()]);
}

#[test]
fn a_node_comes_back_at_another_address() {
    let names = Arc::new(Names::default());
    let first = start(1, "c", open("127.0.0.1", 0), &[], &names);
    let seed = [first.address.to_string()];
    let second = start(2, "c", open("127.0.0.2", 0), &seed, &names);
    first.wait_for(vec![second.up()]);
    drop(second);
    let second = start(2, "c", open("127.0.0.3", 0), &seed, &names);
    first.wait_for(vec![second.up()]);
}

#[test]
fn what_is_not_for_datagrams_is_left_for_the_event_loops() {
    let mut carrier = Carrier { heartbeat: open("127.0.0.1", 0), start: Start::now(), tell_at_ns: 0 };
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut out = Outgoing::default();
    out.datagrams.push(("[::1]:9".parse().expect("an address"), b"no such family".to_vec()));
    out.datagrams.push((peer.local_addr().expect("bound"), b"hello".to_vec()));
    let requester = Requester::Nobody;
    out.replies.push(Reply { requester, frames: vec![1], timing: None, began_mono_ns: 0 });
    carrier.carry(&mut out);
    assert!(out.datagrams.is_empty());
    assert_eq!(out.replies.len(), 1);
    let mut buffer = [0; 16];
    let (length, from) = peer.recv_from(&mut buffer).expect("a datagram");
    assert_eq!((&buffer[..length], from), (&b"hello"[..], carrier.heartbeat.addresses()[0]));
}

#[test]
fn a_port_in_use_is_refused() {
    let first = open("127.0.0.1", 0);
    let network = Config::new().network;
    network.put(NetworkKey::HeartbeatAddress, "127.0.0.1").expect("an address");
    network.put(NetworkKey::HeartbeatPort, &first.addresses()[0].port().to_string()).expect("a port");
    let error = Heartbeat::open(&network).expect_err("taken").to_string();
    assert!(error.contains("already in use") && error.contains("--heartbeat-port"), "{error}");
}
