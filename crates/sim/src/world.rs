//! A world: nodes, the network between them, clients, and what lies ahead. Everything follows from its seed.

use crate::canary::Canary;
use crate::client::Client;
use crate::clock::Clock;
use crate::disk::Shelf;
use crate::draw::Draw;
use crate::event::Event;
use crate::figures::Figures;
use crate::host::{Host, HostSettings, address, commits};
use crate::ledger::Ledger;
use crate::network::{LinkState, Network};
use crate::pages::Pages;
use crate::registers::{REGISTERS, Register};
use shipload_cluster::NodeId;
use shipload_cluster::identity::mix;
use shipload_node::Now;
use shipload_node::cluster::{ClusterNotice, Founding, Outgoing};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How a world is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How nodes are set.
    pub host: HostSettings,
    /// By how much wall clocks may be wrong, milliseconds.
    pub skew_ms: u64,
    /// By how much monotonic clocks may run too fast, millionths.
    pub fast_ppm: u64,
    /// How many records clients write.
    pub records: usize,
    /// How many clients there are.
    pub clients: usize,
    /// Between two requests of a client, microseconds.
    pub pace_us: (u64, u64),
    /// The planted bug.
    pub canary: Option<Canary>,
    /// The machines check themselves after every so many events; 0 for never.
    pub check_every: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: HostSettings { copies: 2, latest_wins: false, racks: 1, disks: false, cached: false },
            skew_ms: 0,
            fast_ppm: 0,
            records: 60,
            clients: 6,
            pace_us: (1_000, 40_000),
            canary: None,
            check_every: 2_000,
        }
    }
}

/// A world.
#[derive(Debug)]
pub struct World {
    /// The moment, in microseconds since the beginning.
    pub now_us: u64,
    /// Chance.
    pub draw: Draw,
    /// How it is.
    pub settings: Settings,
    /// The processes that run.
    pub hosts: BTreeMap<NodeId, Host>,
    /// What is between them.
    pub network: Network,
    /// Who uses them.
    pub clients: Vec<Client>,
    /// Clients send nothing new.
    pub clients_rest: bool,
    /// What clients were told.
    pub ledger: Ledger,
    /// The same of registers.
    pub registers: Vec<Register>,
    /// What visitors read through a cache.
    pub pages: Pages,
    /// The disks of nodes, by their ids; they outlive processes.
    pub shelves: BTreeMap<NodeId, Shelf>,
    /// What happened.
    pub figures: Figures,
    /// A hash of all that happened.
    pub trace: u64,
    /// What observers found wrong.
    pub violations: Vec<String>,
    /// Since all copies were last seen to be equal, a view has left out a node that runs: writes may be lost by the
    /// conflict policy, and reads may be old.
    pub diverged: bool,
    /// Who served a partition in which view, and when it was last seen doing so.
    pub(crate) served: BTreeMap<(u64, u16), (NodeId, u64)>,
    /// More copies than before are wanted; they are there at the next rest.
    pub coming_copies: Option<usize>,
    /// A line for each thing that happens.
    pub verbose: bool,
    /// A line for each change of any copy of this record.
    pub watched: Option<usize>,
    pub(crate) last_seen: BTreeMap<NodeId, String>,
    homes: BTreeMap<IpAddr, NodeId>,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    lives: u64,
}

impl World {
    /// A world without nodes.
    #[must_use]
    pub fn new(seed: u64, settings: Settings) -> World {
        let mut clients: Vec<Client> = (0..settings.clients).map(|_| Client::new(Vec::new())).collect();
        for record in 0..settings.records {
            let count = clients.len().max(1);
            if let Some(client) = clients.get_mut(record % count) {
                client.own.push(record);
            }
        }
        let mut network = Network { stall_us: 1_500_000, ..Network::default() };
        network.calm();
        let ledger = Ledger::new(settings.records);
        let visited = settings.host.cached;
        let mut world = World {
            now_us: 0,
            draw: Draw::new(seed),
            settings,
            hosts: BTreeMap::new(),
            network,
            clients,
            clients_rest: true,
            ledger,
            registers: vec![Register::default(); REGISTERS],
            pages: Pages::default(),
            shelves: BTreeMap::new(),
            figures: Figures::default(),
            trace: mix(seed),
            violations: Vec::new(),
            diverged: false,
            served: BTreeMap::new(),
            coming_copies: None,
            verbose: false,
            watched: None,
            last_seen: BTreeMap::new(),
            homes: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
            lives: 0,
        };
        if visited {
            world.admit_visitors();
        }
        world
    }

    /// Starts a process with this node id, at an address that nobody had before.
    pub fn start(&mut self, id: u64, seeds: &[SocketAddr], founding: Founding) {
        self.lives += 1;
        let skew_ms = i64::try_from(self.draw.below(2 * self.settings.skew_ms + 1)).unwrap_or(0)
            - i64::try_from(self.settings.skew_ms).unwrap_or(0);
        let clock = Clock {
            mono_base_ns: 1_000_000_000 + self.draw.below(1_000_000_000_000),
            fast_ppm: self.draw.below(self.settings.fast_ppm + 1),
            skew_ns: skew_ms * 1_000_000,
        };
        let id = NodeId(id);
        let mut wanted = self.settings.host.clone();
        wanted.copies = self.coming_copies.unwrap_or(wanted.copies);
        let mut host = match Host::new(id, self.lives, clock, &wanted) {
            Ok(host) => host,
            Err(error) => return self.violate(&format!("a node refuses its configuration: {error}")),
        };
        let random = self.draw.number();
        if self.settings.host.disks {
            let canary = self.settings.canary;
            let shelf = self.shelves.entry(id).or_insert_with(|| Shelf::new(commits(id), canary));
            if let Err(why) = host.attach(shelf, random) {
                return self.violate(&format!("{id} can't start from its disk: {why}"));
            }
            let promised = std::mem::take(&mut shelf.promised);
            if let Some(record) = host.misses(&promised) {
                return self.violate(&format!("{id} has not come back with record {record} as it was"));
            }
        }
        let (now, mut out) = (host.clock.now(self.now_us), Outgoing::default());
        host.join(now, random, founding, &mut out);
        host.node.set_candidates(now, seeds, &mut out);
        self.say(|| format!("start {id} as {}", self.lives));
        self.homes.insert(host.heartbeat.ip(), id);
        self.hosts.insert(id, host);
        self.flush(id, out);
    }

    /// A process is gone with all that it held. `noticed`: its machine lives and tells the others at once.
    pub fn crash(&mut self, id: NodeId, noticed: bool) {
        self.say(|| format!("crash {id}"));
        self.note(&[1, id.0]);
        let host = self.hosts.remove(&id);
        if let Some(shelf) = self.shelves.get_mut(&id) {
            let host = host.filter(|host| host.commits);
            shelf.promised = host.map_or_else(BTreeMap::new, |host| host.images(self.settings.records));
            shelf.crash(&mut self.draw);
        }
        let peers: Vec<NodeId> = self.hosts.keys().copied().collect();
        for peer in peers {
            let (pair, _) = crate::network::ends(id, peer);
            if noticed && self.network.links.get(&pair).is_some_and(|link| link.state == LinkState::Up) {
                self.break_link(pair);
            }
        }
    }

    /// Lets a process do something, and carries what comes of it.
    pub fn touch(&mut self, id: NodeId, act: impl FnOnce(&mut Host, Now, &mut Outgoing)) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let (now, mut out) = (host.clock.now(self.now_us), Outgoing::default());
        act(host, now, &mut out);
        if self.settings.check_every > 0 && self.figures.events.is_multiple_of(self.settings.check_every) {
            host.node.assert_invariants();
        }
        if host.commits
            && let Err(why) = host.node.commit()
        {
            self.violate(&format!("{id} can't commit: {why}"));
        }
        self.flush(id, out);
    }

    /// Sends what a process wants sent.
    fn flush(&mut self, id: NodeId, mut out: Outgoing) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        out.append(&mut host.worker.outgoing);
        let from = host.heartbeat;
        if host.take_woken() {
            self.schedule_tick(id, 20);
        }
        for (to, bytes) in out.datagrams {
            self.send_datagram(id, from, to, bytes);
        }
        let mut batches: BTreeMap<NodeId, Vec<u8>> = BTreeMap::new();
        for (to, message) in out.fabric {
            message.encode(batches.entry(to).or_default());
        }
        for (to, bytes) in batches {
            self.send_fabric(id, to, bytes);
        }
        for reply in out.replies {
            if let shipload_node::cluster::Requester::Client { slot, serial, .. } = reply.requester {
                self.answer(usize::try_from(slot).unwrap_or(usize::MAX), serial, reply.frames);
            }
        }
        for notice in out.notices {
            self.on_notice(id, &notice);
        }
    }

    fn on_notice(&mut self, id: NodeId, notice: &ClusterNotice) {
        self.say(|| format!("{id}: {notice}"));
        let name = match notice {
            ClusterNotice::Up(..) => "up",
            ClusterNotice::Down(_) => "down",
            ClusterNotice::Refused(..) => "datagram refused",
            ClusterNotice::Malformed(node, why) => {
                self.violate(&format!("{id} does not understand {node}: {why}"));
                "malformed"
            }
            ClusterNotice::SameId(_) => "same id",
            ClusterNotice::Rejoined => "rejoined",
            ClusterNotice::Stalled(_) => "stalled",
            ClusterNotice::View(epoch, key, _) => {
                self.note(&[2, id.0, *epoch, *key]);
                self.look_at_view(id);
                "view"
            }
            ClusterNotice::Settled(_) => "settled",
        };
        self.figures.branch(name);
    }

    /// A view that leaves out a process which was in a view before lets copies diverge.
    fn look_at_view(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get(&id) else { return };
        let status = host.node.cluster.status();
        let left_out = |(other, host): (&NodeId, &Host)| {
            host.node.cluster.status().key != 0 && !status.members.contains_key(other)
        };
        if !self.diverged && self.hosts.iter().any(left_out) {
            self.diverged = true;
            self.figures.branch("diverged");
        }
    }

    /// A tick, so many microseconds from now.
    pub(crate) fn schedule_tick(&mut self, id: NodeId, after_us: u64) {
        let at_us = self.now_us + after_us;
        let Some(host) = self.hosts.get_mut(&id).filter(|host| at_us < host.tick_at_us) else { return };
        host.tick_at_us = at_us;
        let life = host.life;
        self.push(at_us, Event::Tick { node: id, life });
    }

    pub(crate) fn push(&mut self, at_us: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((at_us.max(self.now_us), self.queued), event);
    }

    pub(crate) fn note(&mut self, facts: &[u64]) {
        for fact in facts.iter().chain([&self.now_us]) {
            self.trace = mix(self.trace ^ fact);
        }
    }

    /// Something is wrong.
    pub fn violate(&mut self, what: &str) {
        if self.violations.len() < 8 {
            self.violations.push(format!("at {} ms: {what}", self.now_us / 1000));
        }
    }

    /// A line about what happens, if anybody wants it.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>10.3} {}", self.now_us as f64 / 1000.0, line());
        }
    }

    /// Runs until this moment, or until something is wrong.
    pub fn run_until(&mut self, until_us: u64) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= until_us
            && self.violations.is_empty()
        {
            let ((at_us, _), event) = entry.remove_entry();
            self.now_us = at_us;
            self.figures.events += 1;
            self.handle(event);
            self.watch();
        }
        self.now_us = until_us.max(self.now_us);
        self.figures.virtual_ms = self.now_us / 1000;
    }

    /// Runs for so many milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now_us + ms * 1000);
    }

    /// Where the processes that run are.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.hosts.values().map(|host| host.heartbeat).collect()
    }

    /// Where the next process will be.
    #[must_use]
    pub fn next_address(&self) -> SocketAddr {
        address(self.lives + 1)
    }

    /// Which process listens at an address.
    pub(crate) fn at(&self, at: SocketAddr) -> Option<NodeId> {
        let id = *self.homes.get(&at.ip())?;
        self.hosts.get(&id).filter(|host| host.heartbeat.ip() == at.ip()).map(|host| host.id)
    }
}
