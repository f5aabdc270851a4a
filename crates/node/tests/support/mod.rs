//! An engine without a shell, and shorthands for asking it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses a part of it and must stop when it can't go on"
)]

mod disk;

use disk::MemoryDisk;
use shipload_node::config::{Config, NamespaceKey};
use shipload_node::{Executed, Identity, Maintained, Node, Now, Peer, QueryJob, Step, Worker};
use shipload_store::{Disk, LoadReport, Owner, Volume};
use shipload_value::Digest;
use shipload_wire::bits::{info1, info2, op};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use shipload_wire::{Cut, Limits, Op, Response, frame, response};
use std::sync::Arc;

/// A fixed moment in 2026.
pub(crate) const START: Now = Now { unix_ns: 1_790_000_000_000_000_000, mono_ns: 5_000_000_000 };

/// One node with one worker and a clock that only tests move.
pub(crate) struct Engine {
    pub(crate) node: Node,
    pub(crate) worker: Worker,
    pub(crate) now: Now,
    /// What survives the node; nothing of a namespace in memory does.
    disk: Option<MemoryDisk>,
}

/// One message of an answer, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) header: Header,
    pub(crate) digest: Option<Digest>,
    pub(crate) set: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    /// Operation code, particle type, bin name, value.
    pub(crate) ops: Vec<(u8, u8, String, Vec<u8>)>,
}

impl Answer {
    fn new(message: &Response<'_>) -> Answer {
        let op =
            |op: Op<'_>| (op.code, op.kind, String::from_utf8_lossy(op.name).into_owned(), op.value.to_vec());
        Answer {
            header: message.header,
            digest: message.fields.digest20().map(|bytes| Digest(*bytes)),
            set: message.fields.set.map(<[u8]>::to_vec),
            key: message.fields.key.map(<[u8]>::to_vec),
            ops: message.ops.clone().map(op).collect(),
        }
    }

    /// The integer in the bin with this name.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        let (_, _, _, value) = self.ops.iter().find(|(_, kind, bin, _)| bin == name && *kind == 1)?;
        Some(i64::from_be_bytes(value.as_slice().try_into().ok()?))
    }
}

impl Engine {
    /// A node with the namespace `test`, an expiry period of 120 s, and these settings.
    pub(crate) fn with(settings: &[(NamespaceKey, &str)]) -> Engine {
        let node = fresh(settings);
        let worker = node.worker();
        Engine { node, worker, now: START, disk: None }
    }

    /// A node whose records also lie on a disk.
    pub(crate) fn on_disk() -> Engine {
        let disk = MemoryDisk::default();
        let node = fresh(&[]);
        Volume::format(&disks(&disk), [7; 16], &owner()).unwrap();
        load(&node, &disk);
        let worker = node.worker();
        Engine { node, worker, now: START, disk: Some(disk) }
    }

    /// Ends the node and starts it again with what lies on its disk. Indexes are to be defined again: definitions
    /// are told by whoever keeps the cluster's metadata.
    pub(crate) fn restart(&mut self) {
        self.node.namespaces()[0].flush().unwrap();
        let node = fresh(&[]);
        load(&node, self.disk.as_ref().expect("a node on a disk"));
        self.worker = node.worker();
        self.node = node;
    }

    pub(crate) fn new() -> Engine {
        Engine::with(&[])
    }

    /// Lets time pass on both clocks.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now.unix_ns += ms * 1_000_000;
        self.now.mono_ns += ms * 1_000_000;
    }

    pub(crate) fn peer() -> Peer {
        Peer { address: ([127, 0, 0, 1], 40000).into(), local: ([127, 0, 0, 1], 3000).into() }
    }

    /// Executes a whole frame up to where a query begins.
    pub(crate) fn execute(&mut self, bytes: &[u8]) -> (Vec<u8>, Executed) {
        let mut out = Vec::new();
        let Cut::Frame { frame, consumed } = frame::cut(bytes, &Limits::default()) else {
            panic!("not a frame")
        };
        assert_eq!(consumed, bytes.len());
        let executed = self.node.execute(&mut self.worker, &frame, &Engine::peer(), self.now, &mut out);
        (out, executed)
    }

    /// Executes a whole frame and steps a query to its end; time jumps to where it wants to wait for.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut out, executed) = self.execute(bytes);
        if let Executed::Query(mut job) = executed {
            while let Some(until) = self.step(&mut job, &mut out) {
                self.pass_ms(until.saturating_sub(self.now.mono_ns).div_ceil(1_000_000));
            }
        }
        out
    }

    /// One step of a query; none at its end, else when to go on.
    pub(crate) fn step(&mut self, job: &mut QueryJob, out: &mut Vec<u8>) -> Option<u64> {
        match job.step(&self.node, &mut self.worker, self.now, out, 4096) {
            Step::More => Some(self.now.mono_ns),
            Step::WaitUntilMono(until) => Some(until),
            Step::Done => None,
        }
    }

    /// The messages that answer a frame.
    pub(crate) fn messages(&mut self, bytes: &[u8]) -> Vec<Answer> {
        messages(&self.ask(bytes))
    }

    /// The one message that answers a frame.
    pub(crate) fn message(&mut self, bytes: &[u8]) -> Answer {
        let mut messages = self.messages(bytes);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Writes bins into the record of set `demo` with this integer key.
    pub(crate) fn put(&mut self, key: i64, header: Header, ops: &[Op<'_>]) -> Answer {
        let mut bytes = Vec::new();
        request::put(&mut bytes, &header, &Key::new("test", "demo", &digest(key).0), ops);
        self.message(&bytes)
    }

    /// Writes one integer bin.
    pub(crate) fn put_integer(&mut self, key: i64, name: &str, value: i64) -> Answer {
        self.put(key, header(), &[integer(name, &value.to_be_bytes())])
    }

    /// Reads all bins.
    pub(crate) fn get(&mut self, key: i64) -> Answer {
        self.get_with(key, 0)
    }

    /// Reads all bins with a read-touch percentage.
    pub(crate) fn get_with(&mut self, key: i64, percent: u32) -> Answer {
        let header = Header { info1: info1::READ | info1::GET_ALL, record_ttl: percent, ..Header::default() };
        self.command(key, header, &[])
    }

    /// Any single-record command on set `demo`.
    pub(crate) fn command(&mut self, key: i64, header: Header, ops: &[Op<'_>]) -> Answer {
        let mut bytes = Vec::new();
        request::command(&mut bytes, &header, &Key::new("test", "demo", &digest(key).0), ops);
        self.message(&bytes)
    }

    /// The value of an info command.
    pub(crate) fn info(&mut self, command: &str) -> String {
        let mut bytes = Vec::new();
        request::info(&mut bytes, &[command]);
        let out = self.ask(&bytes);
        let body = out.get(frame::HEADER_SIZE..).unwrap_or_default();
        response::info_answers(body).next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    /// A number of `namespace/test`.
    pub(crate) fn statistic(&mut self, name: &str) -> u64 {
        let text = self.info("namespace/test");
        let pair = text.split(';').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Does the node's own work until nothing is due at the present moment.
    pub(crate) fn maintain(&mut self) -> Vec<shipload_node::Notice> {
        let mut notices = Vec::new();
        loop {
            let Maintained { next_mono_ns, notices: new } = self.node.maintain(self.now, 10_000_000);
            notices.extend(new);
            if next_mono_ns > self.now.mono_ns {
                return notices;
            }
        }
    }
}

/// A node that has nothing yet.
fn fresh(settings: &[(NamespaceKey, &str)]) -> Node {
    let mut config = Config::new();
    let namespace = config.add_namespace("test").unwrap();
    namespace.keys.put(NamespaceKey::NsupPeriod, "120").unwrap();
    for (key, text) in settings {
        namespace.keys.put(*key, text).unwrap();
    }
    Node::new(config, Identity { node_id: 0xA1, cluster_key: 0xC1 }).unwrap()
}

fn owner() -> Owner {
    Owner { namespace: "test".to_owned(), cluster: String::new() }
}

fn disks(disk: &MemoryDisk) -> Vec<Box<dyn Disk>> {
    vec![Box::new(disk.clone())]
}

/// Gives the node's namespace what lies on a disk.
fn load(node: &Node, disk: &MemoryDisk) {
    let namespace = &node.namespaces()[0];
    let volume = Volume::open(disks(disk), &owner(), 1).unwrap();
    let slots = volume.slot_counts().to_vec();
    namespace.attach(Arc::new(volume)).unwrap();
    let mut report = LoadReport::default();
    for (device, count) in (0_u16..).zip(slots) {
        report.merge(namespace.load(device, 0..count).unwrap());
    }
    namespace.finish_load(&mut report);
}

/// A header of a plain write that never expires.
pub(crate) fn header() -> Header {
    Header { info2: info2::WRITE, record_ttl: u32::MAX, ..Header::default() }
}

pub(crate) fn integer<'a>(name: &'a str, value: &'a [u8]) -> Op<'a> {
    Op { code: op::WRITE, kind: 1, name: name.as_bytes(), value }
}

pub(crate) fn digest(key: i64) -> Digest {
    Digest::of(b"demo", 1, &key.to_be_bytes())
}

/// The messages in whole frames.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<Answer> {
    let mut all = Vec::new();
    while let Cut::Frame { frame, consumed } = frame::cut(bytes, &Limits::default()) {
        assert_eq!(frame.kind, frame::MESSAGE);
        all.extend(response::messages(frame.body).map(|message| Answer::new(&message.unwrap())));
        bytes = &bytes[consumed..];
    }
    assert!(bytes.is_empty(), "bytes after the last frame");
    all
}
