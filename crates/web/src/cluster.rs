//! The cluster in figures: health in one word with its reasons, nodes, namespaces, traffic since the start.

use crate::Web;
use crate::info::{self, number, value};
use crate::partitions::{self, Coverage};
use crate::problem::Problem;
use crate::records::Member;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Every record has its copies.
    Good,
    /// It serves, and something should be looked at.
    Warning,
    /// Something is not served.
    Critical,
}

/// Health and its reasons.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// The one word.
    pub state: Condition,
    /// Why it is not better, in sentences.
    pub reasons: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its id.
    pub id: String,
    /// Whether it is the one that answers.
    pub here: bool,
    /// Whether it answered.
    pub reachable: bool,
    /// Where clients of the record door find it.
    pub service: Vec<String>,
    /// Its rack.
    pub rack: u32,
    /// Whether it is about to leave.
    pub quiesced: bool,
    /// Its build.
    pub build: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Open connections of clients.
    pub connections: u64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Processor time of the process, in percent of one core.
    pub cpu_pct: u64,
    /// Memory of the machine or container that is free, in percent.
    pub memory_free_pct: u64,
    /// Records in all copies.
    pub objects: u64,
    /// Records that it masters.
    pub master_objects: u64,
    /// Bytes of records.
    pub data_bytes: u64,
    /// Bytes of the primary index.
    pub index_bytes: u64,
    /// Partitions that it still has to send or receive.
    pub migrating: u64,
}

/// A namespace over all nodes.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    /// Its name.
    pub name: String,
    /// Copies of every record that are configured.
    pub replication_factor: u64,
    /// Copies that so many nodes can hold.
    pub effective_replication_factor: u64,
    /// Records, each counted once.
    pub objects: u64,
    /// Copies of records.
    pub copies: u64,
    /// Bytes of records in all copies.
    pub data_bytes: u64,
    /// Bytes that records may take on all nodes.
    pub data_limit_bytes: u64,
    /// Copies of partitions that are where they belong, in percent of those that are wanted.
    pub replicated_pct: f64,
    /// Partitions that somebody serves, in percent.
    pub available_pct: f64,
    /// Partitions that are to be moved.
    pub migrating: u64,
    /// Whether writes are refused for want of room.
    pub stop_writes: bool,
}

/// Traffic since the nodes' starts.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Reads that succeeded or found nothing, batch rows included.
    pub reads: u64,
    /// Writes, deletes and functions, batch rows included.
    pub writes: u64,
    /// Queries and scans.
    pub queries: u64,
    /// Commands that failed.
    pub errors: u64,
    /// 99 of 100 reads of the last ten seconds took at most so long; 0 without reads.
    pub read_p99_ms: u64,
    /// The same for writes.
    pub write_p99_ms: u64,
}

/// The cluster.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// Its name, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key of the view that holds.
    pub key: String,
    /// Nodes that are up.
    pub size: usize,
    /// How it is.
    pub health: Health,
    /// The version of the node that answers.
    pub version: String,
    /// Milliseconds since 1970.
    pub time: u64,
    /// The nodes, by id.
    pub nodes: Vec<NodeView>,
    /// The namespaces.
    pub namespaces: Vec<NamespaceView>,
    /// Traffic of all nodes.
    pub traffic: Traffic,
    /// Whether this node answers SQL at `/_sql`.
    pub sql: bool,
}

/// Health, nodes, namespaces and traffic.
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster",
    responses((status = 200, body = ClusterView),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn cluster(State(web): State<Web>) -> Json<ClusterView> {
    Json(look(&web).await)
}

/// Asks all nodes how they are.
pub async fn look(web: &Web) -> ClusterView {
    let names = web.records.namespaces();
    let mut commands: Vec<String> =
        ["statistics", "latencies:", "cluster-name", "build", "shipload-version"].map(str::to_owned).to_vec();
    let fixed = commands.len();
    commands.extend(names.iter().map(|name| format!("namespace/{name}")));
    commands.extend(names.iter().map(|name| partitions::command(name)));
    let answers = info::everywhere(web, &commands).await;
    let mut seen = Seen::default();
    for (member, answers) in &answers {
        let texts = answers.as_deref().unwrap_or_default();
        seen.node(member, texts, fixed, &names);
    }
    let mut namespaces = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let column = |at: usize| {
            let texts = answers
                .iter()
                .filter_map(move |(member, texts)| Some((member.id, texts.as_ref().ok()?.get(at)?.as_str())));
            texts.collect::<Vec<_>>()
        };
        let coverage = Coverage::of(web, name, &column(fixed + names.len() + place));
        namespaces.push(namespace(name, &column(fixed + place), &coverage));
    }
    let here = answers.iter().find(|(member, _)| member.here).and_then(|(_, texts)| texts.as_ref().ok());
    let text = |at: usize| here.and_then(|texts| texts.get(at)).cloned().unwrap_or_default();
    let health = health(&seen, &namespaces);
    ClusterView {
        name: Some(text(2)).filter(|name| !name.is_empty() && name != "null"),
        key: value(&text(0), ';', "cluster_key").unwrap_or_default().to_owned(),
        size: seen.nodes.len(),
        health,
        version: text(4),
        time: crate::command::now_ms(),
        nodes: seen.nodes,
        namespaces,
        traffic: seen.traffic,
        sql: web.more.is_some(),
    }
}

#[derive(Default)]
struct Seen {
    nodes: Vec<NodeView>,
    traffic: Traffic,
    keys: BTreeMap<String, usize>,
    reasons: Vec<(Condition, String)>,
}

impl Seen {
    fn node(&mut self, member: &Member, texts: &[String], fixed: usize, names: &[String]) {
        let text = |at: usize| texts.get(at).map_or("", String::as_str);
        let statistics = text(0);
        let mut view = NodeView {
            id: member.id.to_string(),
            here: member.here,
            reachable: !texts.is_empty(),
            service: member.service.clone(),
            rack: member.rack,
            quiesced: member.quiesced,
            build: text(3).to_owned(),
            uptime_s: number(statistics, "uptime"),
            connections: number(statistics, "client_connections"),
            memory_bytes: number(statistics, "process_memory_kbytes") * 1024,
            cpu_pct: number(statistics, "process_cpu_pct"),
            memory_free_pct: number(statistics, "system_free_mem_pct"),
            ..NodeView::default()
        };
        for place in 0..names.len() {
            let namespace = text(fixed + place);
            view.objects += number(namespace, "objects");
            view.master_objects += number(namespace, "master_objects");
            view.data_bytes += number(namespace, "data_used_bytes");
            view.index_bytes += number(namespace, "index_used_bytes");
            view.migrating += migrating(namespace);
            view.quiesced |= value(namespace, ';', "pending_quiesce") == Some("true");
            self.traffic.add(namespace);
        }
        self.traffic.latencies(text(1));
        if view.reachable {
            *self
                .keys
                .entry(value(statistics, ';', "cluster_key").unwrap_or_default().to_owned())
                .or_default() += 1;
            if value(statistics, ';', "cluster_integrity") == Some("false") {
                self.note(Condition::Warning, format!("node {} is about to join another view", view.id));
            }
        } else {
            self.note(Condition::Warning, format!("node {} does not answer", view.id));
        }
        if view.quiesced {
            self.note(Condition::Warning, format!("node {} is quiesced: it is about to leave", view.id));
        }
        self.nodes.push(view);
    }

    fn note(&mut self, state: Condition, reason: String) {
        self.reasons.push((state, reason));
    }
}

impl Traffic {
    fn add(&mut self, namespace: &str) {
        for (name, count) in info::pairs(namespace, ';') {
            let Ok(count) = count.parse::<u64>() else { continue };
            let from = ["client_", "batch_sub_", "ops_sub_", "udf_sub_"]
                .iter()
                .find_map(|from| name.strip_prefix(from));
            match from {
                Some("read_success" | "read_not_found" | "read_filtered_out") => self.reads += count,
                Some(
                    "write_success" | "write_filtered_out" | "delete_success" | "delete_not_found"
                    | "udf_complete",
                ) => {
                    self.writes += count;
                }
                Some(other) if other.ends_with("_error") || other.ends_with("_timeout") => {
                    self.errors += count;
                }
                Some(_) => {}
                None if name.contains("i_query_") && name.ends_with("_complete") => self.queries += count,
                None => {}
            }
        }
    }

    /// From `{test}-read:msec,ops,>1,>2,>4,...;...`, where the numbers are percents.
    fn latencies(&mut self, text: &str) {
        for histogram in text.split(';') {
            let Some((name, row)) = histogram.split_once(":msec,") else { continue };
            let over: Vec<f64> = row.split(',').skip(1).filter_map(|pct| pct.parse().ok()).collect();
            let slow = over.iter().position(|pct| *pct < 1.0).unwrap_or(over.len());
            let bound_ms = 1u64 << slow.min(63);
            if name.ends_with("-read") {
                self.read_p99_ms = self.read_p99_ms.max(bound_ms);
            } else if name.ends_with("-write") {
                self.write_p99_ms = self.write_p99_ms.max(bound_ms);
            }
        }
    }
}

fn migrating(namespace: &str) -> u64 {
    number(namespace, "migrate_tx_partitions_remaining")
        + number(namespace, "migrate_rx_partitions_remaining")
}

fn namespace(name: &str, answers: &[(crate::NodeId, &str)], coverage: &Coverage) -> NamespaceView {
    let sum = |key: &str| answers.iter().map(|(_, text)| number(text, key)).sum::<u64>();
    let most = |key: &str| answers.iter().map(|(_, text)| number(text, key)).max().unwrap_or(0);
    NamespaceView {
        name: name.to_owned(),
        replication_factor: most("replication-factor"),
        effective_replication_factor: most("effective_replication_factor"),
        objects: sum("master_objects"),
        copies: sum("objects"),
        data_bytes: sum("data_used_bytes"),
        data_limit_bytes: sum("data_total_bytes"),
        replicated_pct: coverage.replicated_pct(most("replication-factor")),
        available_pct: coverage.available_pct(),
        migrating: answers.iter().map(|(_, text)| migrating(text)).sum(),
        stop_writes: answers.iter().any(|(_, text)| value(text, ';', "stop_writes") == Some("true")),
    }
}

fn health(seen: &Seen, namespaces: &[NamespaceView]) -> Health {
    let mut notes = seen.reasons.clone();
    if seen.keys.len() > 1 {
        notes.push((Condition::Warning, "not all nodes are in the same view yet".to_owned()));
    }
    for one in namespaces {
        let name = &one.name;
        if one.available_pct < 100.0 {
            notes.push((Condition::Critical, format!("{:.1} % of {name} is served", one.available_pct)));
        }
        if one.stop_writes {
            notes.push((Condition::Critical, format!("{name} refuses writes: it is full")));
        }
        if one.effective_replication_factor < one.replication_factor && seen.nodes.len() > 1 {
            let (want, have) = (one.replication_factor, one.effective_replication_factor);
            notes.push((
                Condition::Warning,
                format!("{name} wants {want} copies, and there are nodes for {have}"),
            ));
        }
        if one.replicated_pct < 100.0 && one.effective_replication_factor >= one.replication_factor {
            notes.push((
                Condition::Warning,
                format!("{:.1} % of the copies of {name} are there", one.replicated_pct),
            ));
        }
        if one.migrating > 0 {
            notes.push((
                Condition::Warning,
                format!("{} partitions of {name} are being moved", one.migrating),
            ));
        }
    }
    let alone = seen.nodes.len() == 1 && namespaces.iter().any(|one| one.replication_factor > 1);
    if alone {
        notes.push((Condition::Warning, "this node is alone: every record has one copy".to_owned()));
    }
    let state = notes.iter().map(|(state, _)| *state).max().unwrap_or(Condition::Good);
    Health { state, reasons: notes.into_iter().map(|(_, reason)| reason).collect() }
}
