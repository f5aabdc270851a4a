//! The node as the web door sees it.

use super::glance::Glance;
use super::lanes::{Lanes, Open, Stream, refused};
use super::metrics::Scraper;
use crate::service::{Crew, Shared};
use parking_lot::Mutex;
use shipload_cluster::Attributes;
use shipload_value::PartitionId;
use shipload_web::{Frames, Later, Member, NodeId, Partitions, Records, Trouble};
use shipload_wire::frame::HEADER_SIZE;
use shipload_wire::{request, response};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// How long another node may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Where another node is, and the lanes to it.
type Reached = (Vec<String>, Arc<Lanes>);

/// This node's records, and through it those of the others.
pub(super) struct Node {
    shared: Arc<Shared>,
    scraper: Mutex<Scraper>,
    glance: Glance,
    here: Arc<Lanes>,
    others: Mutex<HashMap<NodeId, Reached>>,
}

impl Node {
    pub(super) fn new(shared: Arc<Shared>, crew: Arc<Crew>) -> Node {
        let scraper = Mutex::new(Scraper::new(Arc::clone(&shared)));
        let glance = Glance::new(Arc::clone(&shared), Arc::clone(&crew));
        let here: Open = Box::new(move || {
            let seated = seat(&crew, Crew::seat_inside);
            Box::pin(async move { seated })
        });
        Node { shared, scraper, glance, here: Lanes::new(here), others: Mutex::default() }
    }

    /// Lanes to a node.
    fn lanes(&self, node: NodeId) -> Result<Arc<Lanes>, Trouble> {
        if node == self.id() {
            return Ok(Arc::clone(&self.here));
        }
        let peers = self.shared.node.cluster.peers();
        let Some(attributes) = peers.nodes.get(&shipload_cluster::NodeId(node.0)) else {
            self.others.lock().remove(&node);
            return Err(Trouble::Refused);
        };
        let addresses = addresses(attributes);
        let mut others = self.others.lock();
        // A node that is gone takes its lanes with it, and so does an address that has changed.
        others.retain(|id, _| peers.nodes.contains_key(&shipload_cluster::NodeId(id.0)));
        match others.get(&node) {
            Some((known, lanes)) if *known == addresses => Ok(Arc::clone(lanes)),
            Some(_) | None => {
                let open = addresses.clone();
                let open: Open = Box::new(move || Box::pin(connect(open.clone())));
                let lanes = Lanes::new(open);
                others.insert(node, (addresses, Arc::clone(&lanes)));
                Ok(lanes)
            }
        }
    }
}

/// Where another node's record door may be reached: first beside its fabric port, which nodes surely reach.
pub(super) fn addresses(attributes: &Attributes) -> Vec<String> {
    let told: Vec<String> = attributes.service.iter().map(ToString::to_string).collect();
    let port = told.first().and_then(|address| address.rsplit_once(':')?.1.parse::<u16>().ok());
    let beside = port.map(|port| SocketAddr::new(attributes.fabric.ip(), port).to_string());
    let rest = told.into_iter().filter(|address| Some(address) != beside.as_ref());
    beside.clone().into_iter().chain(rest).collect()
}

/// A pair of sockets, one end of which becomes a client's connection at a service thread.
pub(super) fn seat(crew: &Crew, at: fn(&Crew, std::net::TcpStream)) -> Result<Box<dyn Stream>, Trouble> {
    let (near, far) = Pair::pair().map_err(refused)?;
    near.set_nonblocking(true).map_err(refused)?;
    far.set_nonblocking(true).map_err(refused)?;
    at(crew, std::net::TcpStream::from(OwnedFd::from(far)));
    let near = UnixStream::from_std(near).map_err(refused)?;
    Ok(Box::new(near))
}

pub(super) async fn connect(addresses: Vec<String>) -> Result<Box<dyn Stream>, Trouble> {
    for address in addresses {
        if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(&address)).await {
            stream.set_nodelay(true).map_err(refused)?;
            return Ok(Box::new(stream));
        }
    }
    Err(Trouble::Refused)
}

impl Records for Node {
    fn call(&self, frames: Vec<u8>, answers: usize) -> Later<Vec<u8>> {
        Box::pin(Arc::clone(&self.here).call(frames, answers))
    }

    fn call_at(&self, node: NodeId, frames: Vec<u8>, answers: usize) -> Later<Vec<u8>> {
        let lanes = self.lanes(node);
        Box::pin(async move { lanes?.call(frames, answers).await })
    }

    fn glance(&self, frame: &[u8], namespace: &str, partition: u16) -> Option<Vec<u8>> {
        self.glance.read(frame, namespace, partition)
    }

    fn master(&self, namespace: &str, partition: u16) -> Option<NodeId> {
        let node = &self.shared.node;
        let namespace = node.namespace(namespace.as_bytes())?;
        node.known_master(namespace, PartitionId::new(partition)?).map(|id| NodeId(id.0))
    }

    fn cache_max_ms(&self, namespace: &str) -> u64 {
        self.shared.node.namespace(namespace.as_bytes()).map_or(0, shipload_node::Namespace::cache_max_ms)
    }

    fn query(&self, node: NodeId, frame: Vec<u8>) -> Later<Frames> {
        let lanes = self.lanes(node);
        Box::pin(async move { lanes?.query(frame).await })
    }

    fn info(&self, node: NodeId, commands: Vec<String>) -> Later<Vec<String>> {
        let lanes = self.lanes(node);
        Box::pin(async move {
            let mut frame = Vec::new();
            request::info(&mut frame, &commands.iter().map(String::as_str).collect::<Vec<_>>());
            let answer = lanes?.call(frame, 1).await?;
            let body = answer.get(HEADER_SIZE..).unwrap_or_default();
            let answers: Vec<String> =
                response::info_answers(body).map(|(_, value)| value.to_owned()).collect();
            if answers.len() == commands.len() { Ok(answers) } else { Err(Trouble::Garbled) }
        })
    }

    fn id(&self) -> NodeId {
        NodeId(self.shared.node.id().0)
    }

    fn members(&self) -> Vec<Member> {
        let node = &self.shared.node;
        let status = node.cluster.status();
        let listen = node.facts.listen.read().clone();
        let service = if listen.access.is_empty() {
            listen.service.iter().map(ToString::to_string).collect()
        } else {
            listen.access
        };
        let here = Member {
            id: self.id(),
            here: true,
            service,
            rack: status.members.get(&node.id()).copied().unwrap_or(0),
            quiesced: false,
            build: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let peers = node.cluster.peers();
        let others = peers.nodes.iter().map(|(id, attributes)| Member {
            id: NodeId(id.0),
            here: false,
            service: attributes.service.iter().map(ToString::to_string).collect(),
            rack: attributes.rack,
            quiesced: attributes.quiesced,
            build: attributes.build.clone(),
        });
        let mut all: Vec<Member> = others.chain([here]).collect();
        all.sort_by_key(|member| member.id);
        all
    }

    fn namespaces(&self) -> Vec<String> {
        self.shared.node.namespaces().iter().map(|namespace| namespace.name.clone()).collect()
    }

    fn partitions(&self, namespace: &str) -> Option<Partitions> {
        let node = &self.shared.node;
        let namespace = node.namespace(namespace.as_bytes())?;
        let of = |id: shipload_cluster::NodeId| NodeId(id.0);
        let masters = PartitionId::all().map(|partition| node.known_master(namespace, partition).map(of));
        let map = node.partition_map(namespace);
        let owners = PartitionId::all().map(|partition| {
            let owners = map.as_ref().map(|known| known.map.owners(partition)).unwrap_or_default();
            owners.iter().copied().map(of).collect()
        });
        Some(Partitions { masters: masters.collect(), owners: owners.collect() })
    }

    fn metrics(&self) -> String {
        self.scraper.lock().scrape()
    }

    fn is_ready(&self) -> bool {
        !self.shared.stopping.load(Ordering::Acquire)
    }
}
