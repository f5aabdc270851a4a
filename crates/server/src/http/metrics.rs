//! Every statistic of the node as a metric.
//!
//! The numbers are those of the info commands `statistics`, `namespace/NS` and `sets`, so that a dashboard and
//! `asadm` never disagree; their names are the protocol's with a prefix. Latencies come as real histograms.

use super::encode::{Families, Type};
use crate::clock::Clock;
use crate::service::Shared;
use shipload_node::config::NAMESPACE;
use shipload_node::counters::{NamespaceCounters, NodeCounters};
use shipload_node::latency::{Named, bound_us};
use shipload_node::{Executed, Peer, Worker};
use shipload_wire::frame::{Frame, HEADER_SIZE, INFO, VERSION};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Asks the node and writes down what it says.
pub(super) struct Scraper {
    shared: Arc<Shared>,
    worker: Worker,
    clock: Clock,
}

impl Scraper {
    pub(super) fn new(shared: Arc<Shared>) -> Scraper {
        Scraper { worker: shared.node.worker(), clock: Clock::new(shared.start), shared }
    }

    /// All metrics as text.
    pub(super) fn scrape(&mut self) -> String {
        let mut families = Families::default();
        families.add("shipload_up", Type::Gauge, "1 while the node serves.", &[], "1");
        self.node(&mut families);
        self.shell(&mut families);
        let names: Vec<String> = self.shared.node.namespaces().iter().map(|one| one.name.clone()).collect();
        for name in &names {
            self.namespace(&mut families, name);
            self.sets(&mut families, name);
        }
        for named in self.shared.node.latency_totals() {
            latency(&mut families, &names, &named);
        }
        families.text()
    }

    fn node(&mut self, families: &mut Families) {
        let text = self.ask("statistics");
        for (key, value) in pairs(&text, ';') {
            let kind = kind(NodeCounters::NAMES, key);
            add(families, "node", key, kind, "statistics", &[], value);
        }
    }

    /// What the event loops count and no info command shows.
    fn shell(&self, families: &mut Families) {
        let counted = [
            (
                "connections_refused",
                "Connections turned away at proto-fd-max.",
                &self.shared.refused_connections,
            ),
            (
                "connections_stalled",
                "Connections closed with replies unread.",
                &self.shared.stalled_connections,
            ),
            ("bad_frames", "Connections closed for what the client sent.", &self.shared.bad_frames),
        ];
        for (name, help, counter) in counted {
            let value = counter.load(Ordering::Relaxed).to_string();
            families.add(&format!("shipload_server_{name}"), Type::Counter, help, &[], &value);
        }
        let help = "Bytes in partly received requests and unsent replies.";
        let buffered = self.shared.buffered_bytes.load(Ordering::Relaxed).to_string();
        families.add("shipload_server_buffered_bytes", Type::Gauge, help, &[], &buffered);
    }

    fn namespace(&mut self, families: &mut Families, name: &str) {
        let text = self.ask(&format!("namespace/{name}"));
        // The same answer carries the configuration, which is no statistic.
        let is_setting = |key: &str| NAMESPACE.iter().any(|setting| setting.name == key);
        for (key, value) in pairs(&text, ';').filter(|(key, _)| !is_setting(key)) {
            let kind = kind(NamespaceCounters::NAMES, key);
            add(families, "namespace", key, kind, "namespace/NS", &[("namespace", name)], value);
        }
    }

    fn sets(&mut self, families: &mut Families, namespace: &str) {
        let text = self.ask(&format!("sets/{namespace}"));
        for entry in text.split(';').filter(|entry| !entry.is_empty()) {
            let set = pairs(entry, ':').find(|(key, _)| *key == "set").map_or("", |(_, set)| set);
            let labels = [("namespace", namespace), ("set", set)];
            let numbers = ["objects", "tombstones", "data_used_bytes", "truncate_lut"];
            for (key, value) in pairs(entry, ':').filter(|(key, _)| numbers.contains(key)) {
                add(families, "set", key, Type::Gauge, "sets", &labels, value);
            }
        }
    }

    /// The node's answer to one info command.
    fn ask(&mut self, command: &str) -> String {
        let body = format!("{command}\n");
        let frame = Frame { version: VERSION, kind: INFO, body: body.as_bytes() };
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut out = Vec::new();
        let now = self.clock.now();
        let peer = Peer { address: here, local: here };
        match self.shared.node.execute(&mut self.worker, &frame, &peer, now, &mut out) {
            Executed::Done { .. } => {}
            Executed::Query(_) | Executed::Parked | Executed::Close => return String::new(),
        }
        let text = String::from_utf8_lossy(out.get(HEADER_SIZE..).unwrap_or_default());
        text.trim_end().split_once('\t').map_or_else(String::new, |(_, value)| value.to_owned())
    }
}

/// Adds a statistic when it is a number; texts have no place among metrics.
fn add(
    families: &mut Families,
    group: &str,
    key: &str,
    kind: Type,
    command: &str,
    labels: &[(&str, &str)],
    value: &str,
) {
    let number = match value {
        "true" => "1",
        "false" => "0",
        _ if value.parse::<f64>().is_ok_and(f64::is_finite) => value,
        _ => return,
    };
    let help = format!("{key} of the info command {command}.");
    families.add(&format!("shipload_{group}_{key}"), kind, &help, labels, number);
}

fn kind(counters: &[&str], key: &str) -> Type {
    if counters.contains(&key) { Type::Counter } else { Type::Gauge }
}

fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(separator).filter_map(|pair| pair.split_once('='))
}

/// One latency histogram; those that never counted anything are left out.
fn latency(families: &mut Families, namespaces: &[String], named: &Named) {
    let count = named.totals.count();
    if count == 0 {
        return;
    }
    let mut below = 0;
    let mut buckets = Vec::new();
    for (bucket, counted) in named.totals.buckets.iter().enumerate() {
        below += counted;
        if let Some(bound) = bound_us(bucket) {
            buckets.push((seconds(bound.saturating_mul(1000)).to_string(), below));
        }
    }
    let namespace = named.namespace.and_then(|place| namespaces.get(place)).map_or("", String::as_str);
    let labels = [("namespace", namespace), ("operation", named.histogram.name())];
    let help = "How long commands took, from the turn that read them to the appended answer.";
    families.histogram(
        "shipload_latency_seconds",
        help,
        &labels,
        &buckets,
        (count, seconds(named.totals.sum_ns)),
    );
}

#[allow(clippy::cast_precision_loss, reason = "shown with far fewer digits than a double has")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
