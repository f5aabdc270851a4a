//! All records of a set, partition by partition, from each partition's master.
//!
//! Every partition is read exactly once. A node that says that a partition is no longer its own, or that goes away, leaves
//! it to the next round, which begins after the last record that has arrived, at whoever is master then.

use super::answer::{code, malformed, record};
use super::{Bins, Digest, Place, Record, RecordError, Records, To};
use crate::error::SqlError;
use shipload_wire::query::partition_of;
use shipload_wire::request::{self, Query};
use shipload_wire::{ResultCode, response};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Rounds without progress before a scan fails.
const ROUNDS_MAX: u32 = 100;
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);
/// Bunches of records that wait for the reader.
const AHEAD: usize = 8;

/// What to read.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The set.
    pub place: Place,
    /// The partitions.
    pub partitions: Vec<u16>,
    /// The bins wanted.
    pub bins: Bins,
    /// A filter expression, packed; empty for none.
    pub filter: Vec<u8>,
    /// Most records wanted from each node; 0 for all.
    pub max_records: u64,
}

/// Bunches of records as they arrive. Dropping it ends the scan.
#[derive(Debug)]
pub struct ScanStream {
    bunches: mpsc::Receiver<Result<Vec<Record>, SqlError>>,
}

impl ScanStream {
    /// The next bunch; none at the end.
    pub async fn next(&mut self) -> Option<Result<Vec<Record>, SqlError>> {
        self.bunches.recv().await
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// What ended the scan early.
    pub async fn all(mut self) -> Result<Vec<Record>, SqlError> {
        let mut all = Vec::new();
        while let Some(bunch) = self.next().await {
            all.extend(bunch?);
        }
        Ok(all)
    }
}

/// How far a partition has been read; without a record it starts anew.
type Unread = HashMap<u16, Option<Digest>>;
type Sender = mpsc::Sender<Result<Vec<Record>, SqlError>>;

impl Records {
    /// Starts reading. Must be called inside a tokio runtime.
    #[must_use]
    pub fn scan(&self, scan: Scan) -> ScanStream {
        let (sender, bunches) = mpsc::channel(AHEAD);
        let records = self.clone();
        tokio::spawn(async move {
            if let Err(error) = records.rounds(&scan, &sender).await {
                // The reader may be gone.
                let _ = sender.send(Err(error.into())).await;
            }
        });
        ScanStream { bunches }
    }

    async fn rounds(&self, scan: &Scan, sender: &Sender) -> Result<(), RecordError> {
        let mut unread: Unread = scan.partitions.iter().map(|partition| (*partition, None)).collect();
        let mut idle_rounds = 0;
        while !unread.is_empty() {
            let before = unread.clone();
            let partitions: Vec<u16> = unread.keys().copied().collect();
            let shares = self.shares(&scan.place.namespace, &partitions, idle_rounds > 0).await?;
            let mut tasks = tokio::task::JoinSet::new();
            for (to, partitions) in shares {
                let mine: Unread =
                    partitions.iter().filter_map(|one| Some((*one, *unread.get(one)?))).collect();
                let (records, scan, sender) = (self.clone(), scan.clone(), sender.clone());
                tasks.spawn(async move { records.share(&scan, &to, mine, &sender).await });
            }
            unread.clear();
            while let Some(left) = tasks.join_next().await {
                let left = left.map_err(malformed)?;
                let Some(left) = left? else { return Ok(()) };
                unread.extend(left);
            }
            if unread == before {
                idle_rounds += 1;
                if idle_rounds > ROUNDS_MAX {
                    return Err(RecordError::Refused(ResultCode::Unavailable));
                }
            } else {
                idle_rounds = 1;
            }
            if !unread.is_empty() {
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Reads one node's share and gives back what it did not finish; none when the reader is gone.
    async fn share(
        &self,
        scan: &Scan,
        to: &To,
        mut unread: Unread,
        sender: &Sender,
    ) -> Result<Option<Unread>, RecordError> {
        match self.read_share(scan, to, &mut unread, sender).await {
            Ok(true) => Ok(Some(unread)),
            Ok(false) => Ok(None),
            // The node has gone: the rest is asked of its heirs.
            Err(RecordError::Io(error)) => {
                tracing::debug!("a scan goes on elsewhere: {error}");
                Ok(Some(unread))
            }
            Err(RecordError::Refused(ResultCode::Unavailable)) => Ok(Some(unread)),
            Err(error) => Err(error),
        }
    }

    async fn read_share(
        &self,
        scan: &Scan,
        to: &To,
        unread: &mut Unread,
        sender: &Sender,
    ) -> Result<bool, RecordError> {
        let mut answers = self.transport.send(to, request_of(scan, unread)).await?;
        let mut elsewhere = Vec::new();
        loop {
            let (_, body) = answers.next().await?.ok_or_else(super::closed)?;
            let (bunch, end) = read_frame(&body, unread, &mut elsewhere)?;
            if !bunch.is_empty() && sender.send(Ok(bunch)).await.is_err() {
                return Ok(false);
            }
            match end {
                None => {}
                Some(ResultCode::Ok) => {
                    answers.finish();
                    // Partitions that the node did not give back are read to their end.
                    unread.retain(|partition, _| elsewhere.contains(partition));
                    return Ok(true);
                }
                Some(refused) => return Err(RecordError::Refused(refused)),
            }
        }
    }
}

fn request_of(scan: &Scan, unread: &Unread) -> Vec<u8> {
    let fresh: Vec<u16> =
        unread.iter().filter(|(_, last)| last.is_none()).map(|(partition, _)| *partition).collect();
    let digests: Vec<Digest> = unread.values().copied().flatten().collect();
    let names: Vec<&[u8]> = match &scan.bins {
        Bins::Some(names) => names.iter().map(|name| name.as_bytes()).collect(),
        Bins::All | Bins::None => Vec::new(),
    };
    let mut out = Vec::new();
    let query = Query {
        namespace: &scan.place.namespace,
        set: &scan.place.set,
        partitions: &fresh,
        digests: &digests,
        bins: &names,
        no_bin_data: scan.bins == Bins::None,
        max_records: scan.max_records,
        filter: &scan.filter,
        task_id: uuid::Uuid::new_v4().as_u64_pair().0,
        ..Query::default()
    };
    request::query(&mut out, &query);
    out
}

/// The records of a frame, and how the answer ended when it did. Partitions that are not read here, or not to their end,
/// go on the list `elsewhere`.
fn read_frame(
    body: &[u8],
    unread: &mut Unread,
    elsewhere: &mut Vec<u16>,
) -> Result<(Vec<Record>, Option<ResultCode>), RecordError> {
    let mut bunch = Vec::new();
    for message in response::messages(body) {
        let message = message.map_err(malformed)?;
        let result = code(&message);
        if message.is_partition_done() {
            let partition = u16::try_from(message.header.generation).unwrap_or(u16::MAX);
            if result != ResultCode::Ok {
                elsewhere.push(partition);
            }
        } else if message.is_last() {
            return Ok((bunch, Some(result)));
        } else if result == ResultCode::Ok {
            let record = record(&message, None);
            unread.insert(partition_of(&record.digest), Some(record.digest));
            bunch.push(record);
        } else {
            return Err(RecordError::Refused(result));
        }
    }
    Ok((bunch, None))
}
