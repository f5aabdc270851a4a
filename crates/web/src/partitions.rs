//! The partition map as it is: who masters, owns and holds each of the 4096 partitions.

use crate::Web;
use crate::extract::Name;
use crate::info;
use crate::problem::Problem;
use crate::records::NodeId;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shipload_value::digest::PARTITION_COUNT;
use shipload_wire::ResultCode;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a node says that it holds of each partition, one letter each.
#[must_use]
pub fn command(namespace: &str) -> String {
    format!("shipload-held:namespace={namespace}")
}

/// It serves the partition and has all of it.
const MASTER: u8 = b'M';
/// It has all of the partition.
const FULL: u8 = b'F';

/// How well partitions are held, over all nodes that answered.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// Full copies of each partition.
    full: Vec<u64>,
    /// Whether somebody serves it.
    served: Vec<bool>,
}

impl Coverage {
    /// From the answers of the nodes to [`command`].
    #[must_use]
    pub fn of(web: &Web, namespace: &str, held: &[(NodeId, &str)]) -> Coverage {
        let count = usize::from(PARTITION_COUNT);
        let (mut full, mut served) = (vec![0; count], vec![false; count]);
        for (_, text) in held {
            for ((copies, serves), letter) in full.iter_mut().zip(&mut served).zip(text.bytes()) {
                *copies += u64::from(matches!(letter, MASTER | FULL));
                *serves |= letter == MASTER;
            }
        }
        // A node that does not answer may well serve.
        if let Some(map) = web.records.partitions(namespace) {
            let silent = |master: &NodeId| !held.iter().any(|(node, _)| node == master);
            for (serves, master) in served.iter_mut().zip(&map.masters) {
                *serves |= master.as_ref().is_some_and(silent);
            }
        }
        Coverage { full, served }
    }

    /// Full copies in percent of those that are wanted.
    #[must_use]
    pub fn replicated_pct(&self, wanted: u64) -> f64 {
        let there: u64 = self.full.iter().map(|copies| (*copies).min(wanted)).sum();
        percent(there, wanted * self.full.len() as u64)
    }

    /// Partitions that somebody serves, in percent.
    #[must_use]
    pub fn available_pct(&self) -> f64 {
        percent(self.served.iter().filter(|serves| **serves).count() as u64, self.served.len() as u64)
    }
}

/// Rounded down to a tenth, so that 100 means all.
fn percent(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "at most a few million")]
    let tenths = (part * 1000 / whole.max(1)) as f64;
    tenths / 10.0
}

/// The partitions of a namespace. Nodes are named by their places in `nodes`; -1 is nobody.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionsView {
    /// The namespace's name.
    namespace: String,
    /// Ids of nodes.
    nodes: Vec<String>,
    /// Who masters each partition.
    masters: Vec<i32>,
    /// Who should hold each partition, the rightful master first.
    owners: Vec<Vec<i32>>,
    /// For each node in `nodes` what it holds of each partition: `M` serves it, `F` has all of it, `p` has an old or
    /// incomplete copy, `.` nothing. Empty for a node that does not answer.
    held: Vec<String>,
    /// Full copies in percent of those that are wanted.
    replicated_pct: f64,
}

/// Who masters, owns and holds each of the 4096 partitions.
#[utoipa::path(get, path = "/v1/partitions/{namespace}", tag = "cluster", params(("namespace" = String, Path)),
    responses((status = 200, body = PartitionsView),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn partitions(
    State(web): State<Web>,
    Name(namespace): Name,
) -> Result<Json<PartitionsView>, Problem> {
    let unknown = || Problem::from(ResultCode::NamespaceNotFound);
    let map = web.records.partitions(&namespace).ok_or_else(unknown)?;
    let answers = info::everywhere(&web, &[command(&namespace), format!("namespace/{namespace}")]).await;
    let mut held: BTreeMap<NodeId, &str> = BTreeMap::new();
    let mut wanted = 1;
    for (member, texts) in &answers {
        let texts = texts.as_deref().unwrap_or_default();
        held.insert(member.id, texts.first().map_or("", String::as_str));
        wanted = wanted.max(texts.get(1).map_or(0, |text| info::number(text, "replication-factor")));
    }
    // A node that is gone may still stand in the map.
    for node in map.masters.iter().flatten().chain(map.owners.iter().flatten()) {
        held.entry(*node).or_default();
    }
    let ids: Vec<NodeId> = held.keys().copied().collect();
    let place =
        |node: &NodeId| ids.binary_search(node).ok().and_then(|at| i32::try_from(at).ok()).unwrap_or(-1);
    let answered: Vec<(NodeId, &str)> =
        held.iter().filter(|(_, text)| !text.is_empty()).map(|(node, text)| (*node, *text)).collect();
    let coverage = Coverage::of(&web, &namespace, &answered);
    // Who serves a partition says so. The map of this node may still name the one that has handed it over.
    let serving = |partition: usize| {
        let serves = |(_, text): &&(NodeId, &str)| text.as_bytes().get(partition) == Some(&MASTER);
        answered.iter().find(serves).map(|(node, _)| *node)
    };
    let masters = map.masters.iter().enumerate();
    let masters = masters.map(|(partition, known)| serving(partition).or(*known));
    Ok(Json(PartitionsView {
        nodes: ids.iter().map(NodeId::to_string).collect(),
        masters: masters.map(|master| master.as_ref().map_or(-1, place)).collect(),
        owners: map.owners.iter().map(|owners| owners.iter().map(place).collect()).collect(),
        held: held.values().map(|text| (*text).to_owned()).collect(),
        replicated_pct: coverage.replicated_pct(wanted),
        namespace,
    }))
}
