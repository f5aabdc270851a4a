//! All records of a set, partition by partition, from each partition's master.
//!
//! Every partition is read exactly once. A node that says that a partition is no longer its own, or that goes away, leaves
//! it to the next round, which begins after the last record that has arrived, at whoever is master then.

use super::answer::{code, malformed, record};
use super::{Bins, Digest, PAUSE, Place, Record, RecordError, Records, To};
use crate::error::SqlError;
use shipload_wire::query::partition_of;
use shipload_wire::request::{self, Query};
use shipload_wire::rows::{Block, RowReader};
use shipload_wire::{ResultCode, response};
use std::collections::HashMap;
use std::ops::Range;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Rounds without progress before a scan fails.
const ROUNDS_MAX: u32 = 100;
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
    /// Rows of these bins instead of records, with bits of [`shipload_wire::rows`]: then a record without any of them is a
    /// row of nothing. Nodes that don't know rows answer records, and leave such records out.
    pub rows: Option<u32>,
    /// A filter expression, packed; empty for none.
    pub filter: Vec<u8>,
    /// Most records wanted from each node; 0 for all.
    pub max_records: u64,
}

/// What arrives at once.
#[derive(Debug)]
pub enum Bunch {
    /// Records.
    Records(Vec<Record>),
    /// Rows, from nodes that know what these are.
    Rows(RowBunch),
}

/// Rows of one frame.
#[derive(Debug)]
pub struct RowBunch {
    frame: Vec<u8>,
    /// Count of rows and where these stand in the frame.
    blocks: Vec<(u32, Range<usize>)>,
}

impl RowBunch {
    /// The rows of a frame's body, none where it holds records.
    #[cfg(all(test, feature = "engine"))]
    pub(crate) fn of_frame(frame: Vec<u8>) -> RowBunch {
        let read = read_frame(&frame, &mut Unread::new(), &mut Vec::new());
        RowBunch { blocks: read.map(|(_, blocks, _)| blocks).unwrap_or_default(), frame }
    }

    /// How many rows these are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.blocks.iter().map(|(count, _)| usize::try_from(*count).unwrap_or(0)).sum()
    }

    /// The blocks: how many rows, and the rows.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, RowReader<'_>)> {
        let rows = |place: &Range<usize>| self.frame.get(place.clone()).unwrap_or_default();
        self.blocks.iter().map(move |(count, place)| (*count, RowReader::new(rows(place))))
    }
}

/// Bunches of records as they arrive. Dropping it ends the scan.
#[derive(Debug)]
pub struct ScanStream {
    bunches: mpsc::Receiver<Result<Bunch, SqlError>>,
}

impl ScanStream {
    /// The next bunch; none at the end.
    pub async fn next(&mut self) -> Option<Result<Bunch, SqlError>> {
        self.bunches.recv().await
    }

    /// The next bunch of a scan that did not ask for rows; none at the end.
    pub async fn records(&mut self) -> Option<Result<Vec<Record>, SqlError>> {
        Some(self.next().await?.map(|bunch| match bunch {
            Bunch::Records(records) => records,
            Bunch::Rows(_) => Vec::new(),
        }))
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// What ended the scan early.
    pub async fn all(mut self) -> Result<Vec<Record>, SqlError> {
        let mut all = Vec::new();
        while let Some(bunch) = self.records().await {
            all.extend(bunch?);
        }
        Ok(all)
    }
}

/// How far a partition has been read; without a record it starts anew.
type Unread = HashMap<u16, Option<Digest>>;
type Sender = mpsc::Sender<Result<Bunch, SqlError>>;

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
            Err(RecordError::Refused(ResultCode::Unavailable | ResultCode::Timeout)) => Ok(Some(unread)),
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
            let (records, blocks, end) = read_frame(&body, unread, &mut elsewhere)?;
            let rows = Bunch::Rows(RowBunch { frame: body, blocks });
            let there = matches!(&rows, Bunch::Rows(rows) if !rows.blocks.is_empty());
            if there && sender.send(Ok(rows)).await.is_err() {
                return Ok(false);
            }
            if !records.is_empty() && sender.send(Ok(Bunch::Records(records))).await.is_err() {
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
        rows: scan.rows,
        max_records: scan.max_records,
        filter: &scan.filter,
        task_id: uuid::Uuid::new_v4().as_u64_pair().0,
        ..Query::default()
    };
    request::query(&mut out, &query);
    out
}

/// The records of a frame.
type Read = (Vec<Record>, Vec<(u32, Range<usize>)>, Option<ResultCode>);

/// The records and the blocks of rows of a frame, and how the answer ended when it did. Partitions that are not read here,
/// or not to their end, go on the list `elsewhere`.
fn read_frame(body: &[u8], unread: &mut Unread, elsewhere: &mut Vec<u16>) -> Result<Read, RecordError> {
    let (mut bunch, mut blocks) = (Vec::new(), Vec::new());
    for message in response::messages(body) {
        let message = message.map_err(malformed)?;
        let result = code(&message);
        if message.is_partition_done() {
            let partition = u16::try_from(message.header.generation).unwrap_or(u16::MAX);
            if result != ResultCode::Ok {
                elsewhere.push(partition);
            }
        } else if message.is_last() {
            return Ok((bunch, blocks, Some(result)));
        } else if result != ResultCode::Ok {
            return Err(RecordError::Refused(result));
        } else if let Some(block) = Block::of(&message).map_err(malformed)? {
            unread.insert(partition_of(&block.last), Some(block.last));
            let place = place_in(body, block.rest()).ok_or_else(|| malformed("rows out of place"))?;
            blocks.push((block.count, place));
        } else {
            let record = record(&message, None);
            unread.insert(partition_of(&record.digest), Some(record.digest));
            bunch.push(record);
        }
    }
    Ok((bunch, blocks, None))
}

/// Where a part of a frame stands in it.
fn place_in(frame: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(frame.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= frame.len()).then_some(start..end)
}
