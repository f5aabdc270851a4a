//! Asking all nodes, and putting together what they send.

use super::sort::Order;
use super::{LIMIT_MAX, Page, task_id};
use crate::Web;
use crate::command::{Projection, Record, projection_ops};
use crate::json;
use crate::problem::Problem;
use crate::records::{NodeId, Trouble};
use crate::schema::RecordView;
use axum::http::StatusCode;
use serde_json::Value;
use shipload_value::{Digest, ParticleType};
use shipload_wire::bits::{field, info1, info3};
use shipload_wire::message::Header;
use shipload_wire::query::partition_of;
use shipload_wire::{Response, ResultCode, request, response};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

/// Bytes of one node's part of a page; what lies beyond comes with the next page.
const PAGE_BYTES: usize = 8 << 20;
/// Bytes that a sorted result may hold while it is put together.
const SORTED_BYTES: usize = 64 << 20;
/// How often a round is repeated while partitions change their masters, and the time between.
const ROUNDS: usize = 20;
const ROUND_PAUSE: Duration = Duration::from_millis(100);
/// How long a round may take.
const ROUND_TIME: Duration = Duration::from_secs(30);

/// A range of a secondary index.
#[derive(Debug, Clone)]
pub(super) struct Range {
    bin: String,
    index: Option<String>,
    kind: u8,
    from: Vec<u8>,
    to: Vec<u8>,
    collection: Option<u8>,
}

impl Range {
    /// From `{"bin": .., "from": .., "to": ..}`; `index` instead of `bin` names an index, `in` is `list`, `keys` or
    /// `values`.
    pub(super) fn of(value: &Value) -> Result<Range, Problem> {
        let wrong = |text: &str| Problem::unprocessable(format!("range: {text}"));
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let from = value.get("from").ok_or_else(|| wrong("'from' is missing"))?;
        let to = value.get("to").unwrap_or(from);
        let end = |value: &Value| json::bin(value).map_err(|error| wrong(&error.to_string()));
        let (from, to) = (end(from)?, end(to)?);
        let fits = [ParticleType::Integer, ParticleType::String, ParticleType::Blob, ParticleType::GeoJson]
            .iter()
            .any(|kind| kind.number() == from.kind);
        if from.kind != to.kind || !fits {
            return Err(wrong("'from' and 'to' must be two integers, or a text, a blob or GeoJSON"));
        }
        let collection = match text("in") {
            None => None,
            Some("list") => Some(1),
            Some("keys") => Some(2),
            Some("values") => Some(3),
            Some(_) => return Err(wrong("'in' is 'list', 'keys' or 'values'")),
        };
        let (bin, index) = (text("bin").unwrap_or_default(), text("index"));
        if bin.is_empty() == index.is_none() || bin.len() > crate::record::BIN_NAME_MAX {
            return Err(wrong("it needs a 'bin' or an 'index'"));
        }
        let index = index.map(str::to_owned);
        Ok(Range { bin: bin.to_owned(), index, kind: from.kind, from: from.bytes, to: to.bytes, collection })
    }

    fn encoded(&self) -> Vec<u8> {
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let name = u8::try_from(self.bin.len()).unwrap_or(u8::MAX);
        let mut out = vec![1, name];
        out.extend_from_slice(self.bin.as_bytes());
        out.push(self.kind);
        for end in [&self.from, &self.to] {
            out.extend_from_slice(&size(end));
            out.extend_from_slice(end);
        }
        out
    }
}

/// What all nodes are asked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) namespace: String,
    pub(super) set: String,
    pub(super) projection: Projection,
    pub(super) filter: Vec<u8>,
    pub(super) range: Option<Range>,
    pub(super) after: Option<Digest>,
    pub(super) limit: usize,
}

impl Ask {
    /// The request to the node that masters these partitions.
    fn frame(&self, task: u64, partitions: &[u16], digest: Option<Digest>, records: usize) -> Vec<u8> {
        let ids: Vec<u8> = partitions.iter().flat_map(|id| id.to_le_bytes()).collect();
        let records = (records as u64).to_be_bytes();
        let range = self.range.as_ref().map(Range::encoded).unwrap_or_default();
        let index = self.range.as_ref().and_then(|range| range.index.as_deref()).unwrap_or_default();
        let collection = self.range.as_ref().and_then(|range| range.collection);
        let collection = collection.map(|kind| [kind]).unwrap_or_default();
        let digest = digest.map(|digest| digest.0.to_vec()).unwrap_or_default();
        let task = task.to_be_bytes();
        let candidates: [(u8, &[u8]); 10] = [
            (field::TASK_ID, &task),
            (field::NAMESPACE, self.namespace.as_bytes()),
            (field::SET, self.set.as_bytes()),
            (field::MAX_RECORDS, if records == [0; 8] { &[] } else { &records }),
            (field::PARTITIONS, &ids),
            (field::DIGESTS, &digest),
            (field::FILTER, &self.filter),
            (field::INDEX_RANGE, &range),
            (field::INDEX_NAME, index.as_bytes()),
            (field::INDEX_TYPE, if collection == [0] { &[] } else { &collection }),
        ];
        let fields: Vec<(u8, &[u8])> = candidates.into_iter().filter(|(_, data)| !data.is_empty()).collect();
        let (info1, ops) = projection_ops(&self.projection);
        let short = if self.filter.is_empty() && self.range.is_none() { info1::SHORT_QUERY } else { 0 };
        let header = Header {
            info1: info1 | short,
            info3: info3::PARTITION_DONE,
            record_ttl: u32::MAX,
            ..Header::default()
        };
        let mut frame = Vec::new();
        request::message(&mut frame, &header, &fields, &ops);
        frame
    }
}

/// A record that a node has sent.
struct Found {
    partition: u16,
    digest: Digest,
    view: RecordView,
    bytes: usize,
}

/// What a node has sent.
#[derive(Default)]
struct Part {
    found: Vec<Found>,
    /// Bytes of all of them as they were sent.
    bytes: usize,
    /// Not read to the end: records beyond the last one are missing.
    cut: bool,
}

impl Part {
    fn push(&mut self, found: Found) {
        self.bytes += found.bytes;
        self.found.push(found);
    }
}

/// Why a round did not come to its end.
enum Stop {
    /// A partition has another master now: the round may be repeated.
    Moved,
    Problem(Problem),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        match trouble {
            Trouble::Refused | Trouble::InDoubt | Trouble::Late => Stop::Moved,
            Trouble::Garbled => Stop::Problem(trouble.into()),
        }
    }
}

/// One page after the cursor.
pub(super) async fn page(web: &Web, ask: &Ask) -> Result<Page, Problem> {
    let parts = rounds(web, ask, ask.limit, |part: &mut Part, found: Found| {
        part.push(found);
        part.cut |= part.bytes > PAGE_BYTES;
        Ok(!part.cut)
    });
    let parts = parts.await?;
    // Beyond the place where the shortest beginning ends, nobody knows what is missing.
    let reaches = |part: &Part| {
        let full = part.cut || part.found.len() >= ask.limit;
        part.found.last().filter(|_| full).map(|found| found.partition)
    };
    let bound = parts.iter().filter_map(reaches).min().unwrap_or(u16::MAX);
    let more = bound != u16::MAX;
    let mut found: Vec<Found> =
        parts.into_iter().flat_map(|part| part.found).filter(|found| found.partition <= bound).collect();
    // Stable: within a partition the order is the node's.
    found.sort_by_key(|found| found.partition);
    let cut = found.len() > ask.limit;
    found.truncate(ask.limit);
    let last = found.last().map(|found| format!("{:?}", found.digest));
    let cursor = last.filter(|_| more || cut);
    Ok(Page { records: found.into_iter().map(|found| found.view).collect(), cursor })
}

/// The first `wanted` records in an order.
pub(super) async fn sorted(
    web: &Web,
    ask: &Ask,
    order: &Order,
    wanted: usize,
) -> Result<Vec<(Digest, RecordView)>, Problem> {
    let best = |part: &mut Part| {
        part.found.sort_by(|a, b| order.compare(&a.view, &b.view));
        part.found.truncate(wanted);
        part.bytes = part.found.iter().map(|found| found.bytes).sum();
    };
    let parts = rounds(web, ask, 0, |part: &mut Part, found: Found| {
        part.push(found);
        if part.found.len() >= 2 * LIMIT_MAX {
            best(part);
        }
        if part.bytes > SORTED_BYTES {
            let detail =
                "the records to be sorted are too large together; ask for fewer bins or a smaller limit";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "result-too-large", detail));
        }
        Ok(true)
    });
    let mut all =
        Part { found: parts.await?.into_iter().flat_map(|part| part.found).collect(), ..Part::default() };
    best(&mut all);
    Ok(all.found.into_iter().map(|found| (found.digest, found.view)).collect())
}

/// Asks every node, again as long as partitions change their masters.
async fn rounds(
    web: &Web,
    ask: &Ask,
    records: usize,
    mut take: impl FnMut(&mut Part, Found) -> Result<bool, Problem>,
) -> Result<Vec<Part>, Problem> {
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
        let one = tokio::time::timeout(ROUND_TIME, once(web, ask, records, &mut take)).await;
        match one.map_err(|_| Problem::from(Trouble::Late))? {
            Ok(parts) => return Ok(parts),
            Err(Stop::Moved) => {}
            Err(Stop::Problem(problem)) => return Err(problem),
        }
    }
    Err(ResultCode::Unavailable.into())
}

async fn once(
    web: &Web,
    ask: &Ask,
    records: usize,
    take: &mut impl FnMut(&mut Part, Found) -> Result<bool, Problem>,
) -> Result<Vec<Part>, Stop> {
    let map = web.records.partitions(&ask.namespace);
    let map = map.ok_or_else(|| Stop::Problem(ResultCode::NamespaceNotFound.into()))?;
    let resumed = ask.after.map(|digest| partition_of(&digest.0));
    let first = resumed.unwrap_or(0);
    let mut shares: BTreeMap<NodeId, (Vec<u16>, Option<Digest>)> = BTreeMap::new();
    for (partition, master) in (0u16..).zip(&map.masters).filter(|(partition, _)| *partition >= first) {
        let share = shares.entry(master.ok_or(Stop::Moved)?).or_default();
        if Some(partition) == resumed { share.1 = ask.after } else { share.0.push(partition) }
    }
    // Nodes refuse a task that they know, so that each round is one of its own.
    let task = task_id(web.records.id());
    let mut asked = JoinSet::new();
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<(NodeId, Result<Vec<u8>, Trouble>)>(4);
    for (node, (partitions, digest)) in shares {
        let frame = ask.frame(task, &partitions, digest, records);
        let (records, sender) = (std::sync::Arc::clone(&web.records), sender.clone());
        asked.spawn(async move {
            match records.query(node, frame).await {
                Ok(mut frames) => {
                    while let Some(frame) = frames.recv().await {
                        if sender.send((node, frame)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(trouble) => {
                    let _ = sender.send((node, Err(trouble))).await;
                }
            }
        });
    }
    drop(sender);
    let mut parts: BTreeMap<NodeId, Part> = BTreeMap::new();
    while let Some((node, frame)) = receiver.recv().await {
        let part = parts.entry(node).or_default();
        if !part.cut {
            read_frame(ask, &frame?, part, take)?;
        }
    }
    Ok(parts.into_values().collect())
}

fn read_frame(
    ask: &Ask,
    body: &[u8],
    part: &mut Part,
    take: &mut impl FnMut(&mut Part, Found) -> Result<bool, Problem>,
) -> Result<(), Stop> {
    for (message, bytes) in response::messages_with_bytes(body).flatten() {
        match message.result() {
            Some(ResultCode::Ok) => {}
            Some(ResultCode::Unavailable) => return Err(Stop::Moved),
            Some(ResultCode::NotFound) if message.is_last() => return Ok(()),
            Some(code) => return Err(Stop::Problem(code.into())),
            None => return Err(Stop::Problem(Trouble::Garbled.into())),
        }
        if message.is_last() || message.is_partition_done() {
            continue;
        }
        let found = found(ask, &message, bytes.len())?;
        if !take(part, found).map_err(Stop::Problem)? {
            return Ok(());
        }
    }
    Ok(())
}

fn found(ask: &Ask, message: &Response<'_>, bytes: usize) -> Result<Found, Stop> {
    let digest = message.fields.digest.and_then(Digest::from_slice).ok_or(Trouble::Garbled)?;
    let set = String::from_utf8_lossy(message.fields.set.unwrap_or_default());
    let user_key = message.fields.user_key();
    let view = RecordView::found(&ask.namespace, &set, user_key, &digest.0, Record::of(message)?);
    Ok(Found { partition: digest.partition().number(), digest, view, bytes })
}
