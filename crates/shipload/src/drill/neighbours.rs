//! `shipload drill neighbours`: strangers at the ports between nodes, under load. None may get in, none may do harm.
//!
//! Another cluster, another version, a port scanner, gossip that is sent again, cut short or changed on its way, and a node
//! that stands still for a while. Clocks that differ by an hour are the simulator's, because a process has no clock of its
//! own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use shipload_cluster::NodeId;
use shipload_cluster::fabric::{Hello, Message, PROTOCOL_VERSION};
use tokio::runtime::Runtime;

use super::client::ClientArgs;
use super::cluster::{self, Cluster, Directory, Wish};
use super::failover::spread;
use super::node::Node;
use super::writers::{self, Writers};
use super::{keys, verdict};

/// How long the nodes may take to be one cluster again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long strangers wait for an answer that should not come.
const SILENCE: Duration = Duration::from_millis(300);
/// Connections that a scanner leaves open.
const OPEN: usize = 64;

/// Flags of the drill.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes a second meanwhile
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long a node stands still
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    stall: u64,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    shared: super::Shared,
}

/// Lets them come one after the other and prints what became of it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let wish = args.shared.with_flags(Wish::on_loopback(4, 2)?);
    let mut cluster = Cluster::start(&wish, 3, Directory::create(args.shared.keep_logs)?)?;
    let outcome = drill(args, &runtime, &wish, &mut cluster);
    super::end(&mut cluster, outcome)
}

fn drill(args: &Args, runtime: &Runtime, wish: &Wish, cluster: &mut Cluster) -> Result<bool> {
    let seeds: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.service()).collect();
    let client = runtime.block_on(args.client.connect(&seeds))?;
    let partitions = spread(cluster, 30)?;
    let writers = Writers::start(runtime, &client, &args.client.write_policy(), &partitions, args.rate);
    let began = Instant::now();
    let mut holds = other_cluster(wish, cluster)?;
    fabric_strangers(cluster)?;
    gossip_strangers(cluster)?;
    holds &= told(cluster)?;
    let gone = cluster.logged("is gone")?;
    holds &= verdict(gone == 0, "nobody was taken for gone because of strangers");
    let calm = Instant::now();
    let errors: u64 = writers::errors(&writers.lanes, began, calm).values().sum();
    holds &= verdict(errors == 0, "no request failed because of strangers");
    stall(args, cluster)?;
    let lanes = writers.stop(runtime);
    let read = runtime.block_on(writers::read_back(&client, &lanes))?;
    runtime.block_on(client.close()).ok();
    println!("writes acknowledged: {}", writers::acknowledged(&lanes));
    Ok(verdict(read.lost + read.strange == 0, "every acknowledged write was read back") && holds)
}

/// A node of a cluster with another name is told where the three are.
fn other_cluster(wish: &Wish, cluster: &Cluster) -> Result<bool> {
    let mut orders = wish.orders(4, &cluster.directory.log(4))?;
    orders.flags.extend(["--set".to_owned(), "service.cluster-name=elsewhere".to_owned()]);
    let stranger = Node::start(orders)?;
    // It waits for its seeds before it founds a cluster of its own.
    let until = Instant::now() + PATIENCE;
    while cluster::ask(&mut stranger.link()?)?.number("cluster_size") == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let theirs = cluster::ask(&mut stranger.link()?)?.number("cluster_size");
    cluster.wait_whole(PATIENCE)?;
    Ok(verdict(theirs == 1, "a node of another cluster stays alone"))
}

/// What scanners and others send to fabric ports.
fn fabric_strangers(cluster: &Cluster) -> Result<()> {
    let hello = |version, name: u64| {
        let mut bytes = Vec::new();
        let hello = Hello { version, cluster: name, node: NodeId(0xBAD), incarnation: 1 };
        Message::Hello(hello).encode(&mut bytes);
        bytes
    };
    let noise: Vec<u8> = (0..8192_u64).flat_map(|number| keys::mix(number).to_le_bytes()).collect();
    let mut half = hello(PROTOCOL_VERSION, 0);
    half.truncate(half.len() / 2);
    let gifts: [&[u8]; 7] = [
        &noise,
        &[0xff; 64],
        &[0; 64],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &hello(PROTOCOL_VERSION + 1, 0),
        &hello(PROTOCOL_VERSION, 0xBAD),
        &half,
    ];
    let mut open = Vec::new();
    for node in cluster.nodes.values() {
        let place = node.orders.place;
        let port = SocketAddr::new(place.ip, place.port + 1);
        for gift in gifts {
            let mut socket = TcpStream::connect(port).context("the fabric port is closed")?;
            socket.set_read_timeout(Some(SILENCE))?;
            // Whoever is refused early may not be able to send all of it.
            let _ = socket.write_all(gift);
            let _ = socket.read(&mut [0; 64]);
        }
        for _ in 0..OPEN {
            open.push(TcpStream::connect(port)?);
        }
    }
    cluster.wait_whole(PATIENCE)?;
    Ok(())
}

/// Gossip that is noise, sent again by somebody else, cut short, changed, or of another version.
fn gossip_strangers(cluster: &Cluster) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(SILENCE))?;
    let here = socket.local_addr()?;
    let ports: Vec<SocketAddr> = cluster.nodes.values().map(|node| node.orders.place.heartbeat()).collect();
    for node in cluster.nodes.values() {
        node.link()?.ask(&[&format!("tip:host={};port={}", here.ip(), here.port())])?;
    }
    let mut heard = Vec::new();
    let mut buffer = [0; 2048];
    let until = Instant::now() + Duration::from_secs(5);
    while heard.len() < 24 && Instant::now() < until {
        let Ok((bytes, _)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = buffer.get(..bytes).unwrap_or_default().to_vec();
        // Sent again, it makes its receivers answer: that is heard, and sent again, as well.
        for port in &ports {
            socket.send_to(&datagram, port)?;
        }
        heard.push(datagram);
    }
    for port in &ports {
        for datagram in &heard {
            for end in (0..datagram.len()).step_by(3) {
                socket.send_to(datagram.get(..end).unwrap_or_default(), port)?;
            }
            for place in 0..datagram.len() {
                let mut changed = datagram.clone();
                if let Some(byte) = changed.get_mut(place) {
                    *byte ^= 0x55;
                }
                socket.send_to(&changed, port)?;
            }
        }
        for length in [0, 1, 15, 16, 1400, 1401, 9000, 65_000] {
            socket.send_to(&vec![0x5a; length], port)?;
        }
    }
    for node in cluster.nodes.values() {
        node.link()?.ask(&[&format!("tip-clear:host-port-list={}:{}", here.ip(), here.port())])?;
    }
    println!("datagrams heard and sent again: {}", heard.len());
    cluster.wait_whole(PATIENCE)?;
    Ok(())
}

/// Whether the logs say what was refused.
fn told(cluster: &Cluster) -> Result<bool> {
    let mut all = true;
    for text in ["another cluster's name", "another protocol version", "a link between nodes was refused"] {
        all &= verdict(cluster.logged(text)? > 0, &format!("the logs tell of '{text}'"));
    }
    Ok(all)
}

/// A node stands still, and goes on.
fn stall(args: &Args, cluster: &mut Cluster) -> Result<()> {
    let node = cluster.take(2)?;
    node.freeze(true)?;
    let frozen = Instant::now();
    cluster.wait_whole(PATIENCE)?;
    println!(
        "without the node that stands still the others are whole after {} ms",
        frozen.elapsed().as_millis()
    );
    std::thread::sleep(Duration::from_secs(args.stall).saturating_sub(frozen.elapsed()));
    node.freeze(false)?;
    cluster.nodes.insert(2, node);
    let back = cluster.wait_whole(PATIENCE)?;
    println!("it is back after {} ms", back.as_millis());
    Ok(())
}
