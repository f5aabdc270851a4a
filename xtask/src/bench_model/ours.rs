//! Our node under load.

use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use shipload_value::Digest;
use shipload_value::msgpack::writer;
use shipload_wire::bits::{field, info1, info2, info3, op};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use shipload_wire::{Op, Response, response};

use super::{Case, ELEMENTS, FILTERED, Work};
use crate::bench_records::counters::cpu_seconds;
use crate::golden::target::Connection;
use crate::process::Node;

/// Requests that are sent before their answers are read, while the data is written.
const WINDOW: usize = 500;
const NAMESPACE: &str = "test";

/// A node with the data.
pub(super) struct Ours {
    node: Node,
    connection: Connection,
    records: i64,
    turn: i64,
    task: u64,
}

impl Ours {
    /// Starts a node and writes the data.
    pub(super) fn start(binary: &Path, records: i64) -> Result<Self> {
        let node = Node::start(binary, &["--namespace", "test:default-ttl=0"])?;
        let connection = Connection::open(node.service)?;
        let mut ours = Self { node, connection, records, turn: 0, task: 1 };
        ours.fill()?;
        Ok(ours)
    }

    fn fill(&mut self) -> Result<()> {
        let keys: Vec<i64> = (0..self.records).collect();
        for window in keys.chunks(WINDOW) {
            let requests = window.iter().map(|key| {
                let value = key.to_be_bytes();
                write(*key, "n", &[Op { code: op::WRITE, kind: 1, name: b"a", value: &value }])
            });
            self.connection.ask_all(&requests.collect::<Vec<_>>())?;
        }
        self.connection
            .info(&["sindex-create:namespace=test;set=n;indexname=a;bin=a;type=numeric".to_owned()])?;
        let mut list = Vec::new();
        writer::array_head(&mut list, usize::try_from(ELEMENTS)?);
        (0..ELEMENTS).for_each(|element| writer::int(&mut list, element));
        let mut map = Vec::new();
        writer::map_start(&mut map, 1, usize::try_from(ELEMENTS)?);
        for key in 0..ELEMENTS {
            writer::int(&mut map, key);
            writer::int(&mut map, score(key));
        }
        self.one(&write(1, "c", &[Op { code: op::WRITE, kind: 20, name: b"l", value: &list }]))?;
        self.one(&write(1, "c", &[Op { code: op::WRITE, kind: 19, name: b"m", value: &map }]))?;
        self.wait_for_index()
    }

    /// An index is built in the background; until then a query is refused.
    fn wait_for_index(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let answer = self.query(Case::Few)?;
            let count = records(&answer);
            if count == 100 {
                return Ok(());
            }
            ensure!(Instant::now() < until, "the index finds {count} of 100 records");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Works for so many seconds.
    pub(super) fn measure(&mut self, case: Case, seconds: u64) -> Result<Work> {
        let until = Instant::now() + Duration::from_secs(seconds);
        let before = cpu_seconds(self.node.id())?;
        let mut operations = 0;
        while Instant::now() < until || operations == 0 {
            self.work(case)?;
            operations += 1;
        }
        Ok(Work { operations, cpu_seconds: cpu_seconds(self.node.id())? - before })
    }

    fn work(&mut self, case: Case) -> Result<()> {
        self.turn += 1;
        match case {
            Case::Append => {
                let (append, pop) = (call(&[1, self.turn]), call(&[5, -1]));
                let ops = [append, pop];
                let ops = ops.each_ref().map(|value| Op { code: op::CDT_MODIFY, kind: 4, name: b"l", value });
                self.one(&write(1, "c", &ops))
            }
            Case::Put => {
                let put = call(&[67, self.turn * 7 % ELEMENTS, score(self.turn), 1]);
                self.one(&write(1, "c", &[Op { code: op::CDT_MODIFY, kind: 4, name: b"m", value: &put }]))
            }
            Case::Rank => {
                // Key and value of the ten highest values.
                let rank = call(&[106, 8, -10, 10]);
                let ops = [Op { code: op::CDT_READ, kind: 4, name: b"m", value: &rank }];
                self.one(&message(1, "c", Header { info1: info1::READ, ..Header::default() }, &ops))
            }
            Case::Filter | Case::Few | Case::Many => {
                let answer = self.query(case)?;
                let wanted = if case == Case::Filter {
                    (self.records + FILTERED - 1) / FILTERED
                } else {
                    case.selected(self.records)
                };
                let found = records(&answer);
                ensure!(i64::try_from(found)? == wanted, "{found} records instead of {wanted}");
                Ok(())
            }
        }
    }

    fn query(&mut self, case: Case) -> Result<Vec<u8>> {
        self.task += 1;
        let partitions: Vec<u8> = (0..4096u16).flat_map(u16::to_le_bytes).collect();
        let task = self.task.to_be_bytes();
        let mut fields: Vec<(u8, &[u8])> = vec![
            (field::NAMESPACE, NAMESPACE.as_bytes()),
            (field::SET, b"n"),
            (field::TASK_ID, &task),
            (field::PARTITIONS, &partitions),
        ];
        let filter = filter();
        let begin = self.turn % (self.records - case.selected(self.records));
        let range = range(begin, begin + case.selected(self.records) - 1);
        fields.push(if case == Case::Filter {
            (field::FILTER, &filter)
        } else {
            (field::INDEX_RANGE, &range)
        });
        let mut bytes = Vec::new();
        let header =
            Header { info1: info1::READ | info1::GET_ALL, info3: info3::PARTITION_DONE, ..Header::default() };
        request::message(&mut bytes, &header, &fields, &[]);
        self.connection.ask(&bytes)
    }

    fn one(&mut self, request: &[u8]) -> Result<()> {
        let answer = self.connection.ask(request)?;
        let message =
            answer.get(8..).and_then(|body| response::messages(body).next()).context("no answer")??;
        ensure!(message.header.result == 0, "the node answered {}", message.header.result);
        Ok(())
    }

    /// Ends the node.
    pub(super) fn stop(self) -> Result<()> {
        let status: ExitStatus = self.node.stop()?;
        ensure!(status.success(), "the node ended with {status}");
        Ok(())
    }
}

/// Scores that are all different and in no order.
pub(super) fn score(key: i64) -> i64 {
    key * 7919 % 10_007
}

fn key_digest(set: &str, key: i64) -> Digest {
    Digest::of(set.as_bytes(), 1, &key.to_be_bytes())
}

fn message(key: i64, set: &str, header: Header, ops: &[Op<'_>]) -> Vec<u8> {
    let digest = key_digest(set, key);
    let mut bytes = Vec::new();
    request::command(&mut bytes, &header, &Key::new(NAMESPACE, set, &digest.0), ops);
    bytes
}

fn write(key: i64, set: &str, ops: &[Op<'_>]) -> Vec<u8> {
    message(key, set, Header { info2: info2::WRITE, ..Header::default() }, ops)
}

/// `[code, argument, ...]` of integers.
fn call(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::array_head(&mut out, numbers.len());
    numbers.iter().for_each(|number| writer::int(&mut out, *number));
    out
}

/// `a % 1000 == 0`
fn filter() -> Vec<u8> {
    let mut out = vec![0x93, 1, 0x93, 26, 0x93, 81, 2, 0xa1, b'a'];
    writer::int(&mut out, FILTERED);
    out.push(0);
    out
}

/// A range of the bin `a`.
fn range(begin: i64, end: i64) -> Vec<u8> {
    let mut out = vec![1, 1, b'a', 1];
    for edge in [begin, end] {
        out.extend(8u32.to_be_bytes());
        out.extend(edge.to_be_bytes());
    }
    out
}

/// How many records an answer holds.
fn records(mut answer: &[u8]) -> usize {
    let mut count = 0;
    while let shipload_wire::Cut::Frame { frame, consumed } =
        shipload_wire::frame::cut(answer, &shipload_wire::Limits::default())
    {
        let is_record =
            |message: &Response<'_>| message.fields.digest.is_some() && message.header.result == 0;
        count += response::messages(frame.body).flatten().filter(is_record).count();
        answer = answer.get(consumed..).unwrap_or_default();
    }
    count
}
