//! The official client, with the settings that all drills use, and what it is asked to do in bulk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aerospike::operations;
use aerospike::{
    BatchOperation, BatchPolicy, BatchReadPolicy, BatchWritePolicy, Bin, Bins, Client, ClientPolicy, Host,
    Key, Record, ResultCode, Value, WritePolicy,
};
use anyhow::{Context, Result, bail};

use super::keys;

/// The bin with the number of the write that made the record.
pub(super) const NUMBER: &str = "n";
/// The bin that makes the record as large as wanted.
const FILLER: &str = "f";
/// Bytes that a record's number takes.
const NUMBER_BYTES: usize = 8;
/// Rows of one batch.
const ROWS: u64 = 400;
/// How often a batch is sent again before a drill gives up.
const TRIES: usize = 20;

/// How the client behaves; each figure is printed with the results.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct ClientArgs {
    /// How often the client asks the nodes for changes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u32).range(250..))]
    pub(super) tend_ms: u32,
    /// How long the client tries one operation, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..))]
    pub(super) timeout_ms: u32,
}

impl ClientArgs {
    /// Connects to a cluster.
    pub(super) async fn connect(self, seeds: &[SocketAddr]) -> Result<Arc<Client>> {
        let policy = ClientPolicy {
            tend_interval: self.tend_ms,
            // A node that does not answer must not keep news of the others waiting.
            timeout: self.tend_ms,
            ..ClientPolicy::default()
        };
        let hosts: Vec<Host> =
            seeds.iter().map(|seed| Host::new(&seed.ip().to_string(), seed.port())).collect();
        let client = Client::new(&policy, &hosts).await.context("the client can't reach the cluster")?;
        Ok(Arc::new(client))
    }

    /// How one record is written: as the client does it by default, but for the time limit.
    pub(super) fn write_policy(self) -> WritePolicy {
        let mut policy = WritePolicy::default();
        policy.base_policy.total_timeout = self.timeout_ms;
        policy
    }
}

/// A record's bins: its number, and so many bytes in all.
pub(super) fn bins(number: u64, bytes: usize) -> [Bin; 2] {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let filler = vec![0x5A; bytes.saturating_sub(NUMBER_BYTES)];
    [Bin::new(NUMBER, number.into()), Bin::new(FILLER, Value::Blob(filler))]
}

/// Writes these records, many at a time; each holds its own number plus `offset`.
pub(super) async fn fill(
    client: &Client,
    numbers: impl Iterator<Item = u64>,
    offset: u64,
    bytes: usize,
) -> Result<()> {
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let chunk: Vec<u64> = numbers.by_ref().take(usize::try_from(ROWS)?).collect();
        for attempt in 1.. {
            match fill_once(client, &chunk, offset, bytes).await {
                Ok(()) => break,
                Err(error) if attempt >= TRIES => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    Ok(())
}

async fn fill_once(client: &Client, chunk: &[u64], offset: u64, bytes: usize) -> Result<()> {
    let policy = BatchWritePolicy::default();
    let operations =
        |number: u64| bins(number + offset, bytes).iter().map(operations::put).collect::<Vec<_>>();
    let mut rows: Vec<BatchOperation> = chunk
        .iter()
        .map(|number| BatchOperation::write(&policy, keys::anywhere(*number), operations(*number)))
        .collect();
    let mut batch = BatchPolicy::write_default();
    batch.base_policy.total_timeout = 10_000;
    client.batch(&batch, &mut rows).await?;
    match rows.iter().find(|row| row.result_code() != Some(ResultCode::Ok)) {
        None => Ok(()),
        Some(row) => bail!("a record could not be written: {:?}", row.result_code()),
    }
}

/// What was read of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How often it was written.
    pub(super) generation: u32,
    /// The number that it holds.
    pub(super) number: u64,
}

/// Reads the numbers that records hold; no number where there is no record. A record that can't be read within
/// many attempts is an error.
pub(super) async fn numbers(client: &Client, wanted: &[Key]) -> Result<Vec<Option<u64>>> {
    Ok(heads(client, wanted).await?.into_iter().map(|head| head.map(|head| head.number)).collect())
}

/// The same with generations.
pub(super) async fn heads(client: &Client, wanted: &[Key]) -> Result<Vec<Option<Head>>> {
    let mut found = Vec::with_capacity(wanted.len());
    for chunk in wanted.chunks(usize::try_from(ROWS)?) {
        found.extend(heads_of(client, chunk).await?);
    }
    Ok(found)
}

async fn heads_of(client: &Client, chunk: &[Key]) -> Result<Vec<Option<Head>>> {
    let mut found: BTreeMap<usize, Option<Head>> = BTreeMap::new();
    let mut failure = String::new();
    let mut batch = BatchPolicy::default();
    batch.base_policy.total_timeout = 5_000;
    for _ in 0..TRIES {
        let missing: Vec<usize> = (0..chunk.len()).filter(|index| !found.contains_key(index)).collect();
        if missing.is_empty() {
            return Ok(found.into_values().collect());
        }
        let mut rows: Vec<BatchOperation> =
            missing.iter().filter_map(|index| chunk.get(*index)).map(read).collect();
        if let Err(error) = client.batch(&batch, &mut rows).await {
            failure = error.to_string();
        }
        for (index, row) in missing.iter().zip(&rows) {
            let held = match row.result_code() {
                Some(ResultCode::Ok) => row.record().and_then(head),
                Some(ResultCode::KeyNotFoundError) => None,
                Some(other) => {
                    failure = other.to_string();
                    continue;
                }
                None => continue,
            };
            found.insert(*index, held);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("{} records can't be read: {failure}", chunk.len() - found.len())
}

fn read(key: &Key) -> BatchOperation {
    BatchOperation::read(&BatchReadPolicy::default(), key.clone(), Bins::Some(vec![NUMBER.to_owned()]))
}

fn head(record: &Record) -> Option<Head> {
    match record.bins.get(NUMBER) {
        Some(Value::Int(number)) => {
            Some(Head { generation: record.generation, number: u64::try_from(*number).ok()? })
        }
        _ => None,
    }
}

/// A short name for what went wrong.
pub(super) fn kind(error: &aerospike::Error) -> String {
    match error.server_result_code() {
        Some(code) => format!("server: {code}"),
        None => {
            let text = format!("{:?}", error.kind());
            let end = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
            format!("client: {}", text.get(..end).unwrap_or_default())
        }
    }
}
