//! Reads whose answers caches may keep for a while.
//!
//! The record's master is asked on one connection for two things, one after the other: how long a copy may live, and the
//! record. So what is kept was read after the master knew that it would be, and no change slips between. Where caches may keep
//! nothing, a read is an ordinary read.

use crate::Web;
use crate::command::{self, Projection, Record};
use crate::info::value;
use crate::key::RecordKey;
use crate::problem::Problem;
use crate::record;
use crate::records::NodeId;
use parking_lot::Mutex;
use shipload_wire::request;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Masters that another node has told of, where this node's map is behind. One for each partition of each namespace at most.
#[derive(Debug, Default)]
pub struct Leaders(Mutex<HashMap<(String, u16), NodeId>>);

impl Leaders {
    fn of(&self, web: &Web, key: &RecordKey) -> Option<NodeId> {
        let partition = key.digest.partition().number();
        let told = self.0.lock().get(&(key.namespace.clone(), partition)).copied();
        told.or_else(|| web.records.master(&key.namespace, partition))
    }

    fn note(&self, key: &RecordKey, asked: NodeId, leader: Option<NodeId>) {
        let place = (key.namespace.clone(), key.digest.partition().number());
        match leader.filter(|leader| *leader != asked && leader.0 != 0) {
            Some(leader) => self.0.lock().insert(place, leader),
            None => self.0.lock().remove(&place),
        };
    }
}

/// A record, and how many seconds caches may keep it; 0 when they must ask each time.
///
/// # Errors
/// What the node answers.
pub async fn read(web: &Web, key: &RecordKey, projection: &Projection) -> Result<(Record, u64), Problem> {
    if web.records.cache_max_ms(&key.namespace) > 0
        && let Some(leader) = web.leaders.of(web, key)
    {
        let mut frames = Vec::new();
        let lease = format!("shipload-lease:namespace={};digest={:?}", key.namespace, key.digest);
        request::info(&mut frames, &[&lease]);
        command::read(&mut frames, key, projection);
        let began = Instant::now();
        match web.records.call_at(leader, frames, 2).await {
            Ok(answer) => {
                let bodies = command::bodies(&answer, 2)?;
                let [granted, body] = bodies[..] else { return Err(crate::Trouble::Garbled.into()) };
                let granted = String::from_utf8_lossy(granted);
                let granted = granted.trim_end().split_once('\t').map_or("", |(_, answer)| answer);
                let master = value(granted, ';', "master");
                if let Some(master) = master {
                    let master = u64::from_str_radix(master, 16).ok().map(NodeId);
                    web.leaders.note(key, leader, master);
                }
                let life = Duration::from_millis(crate::info::number(granted, "ttl"));
                let record = Record::of(&command::decoded(body)?)?;
                return Ok((record, life.saturating_sub(began.elapsed()).as_secs()));
            }
            // It may be gone: whoever masters the record now answers the ordinary way.
            Err(_) => web.leaders.note(key, leader, None),
        }
    }
    Ok((record::read(web, key, projection).await?, 0))
}
