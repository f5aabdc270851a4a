//! All records of a set, partition by partition, from each partition's master.
//!
//! Every partition is read exactly once. A node that says that a partition is no longer its own, or that goes away, leaves
//! it to the next round, which begins after the last record that has arrived, at whoever is master then.

use super::along::{Along, Out};
use super::answer::{code, last_update, malformed, record};
use super::single::read_ops;
use super::{Bins, Digest, PAUSE, Place, Record, RecordError, Records, To};
use crate::error::SqlError;
use shipload_wire::groups::Measured;
use shipload_wire::query::partition_of;
use shipload_wire::request::{self, Query};
use shipload_wire::rows::{Block, RowReader};
use shipload_wire::{ResultCode, response};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
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
    /// Measures of these rows instead of them, see [`shipload_wire::groups`]; empty for none.
    pub groups: Vec<u8>,
    /// The range of a secondary index that has all that is wanted, as the protocol has it; empty for none. Where a node can't
    /// go along it, all its records are read.
    pub along: Vec<u8>,
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
    /// Groups: rows of what makes them and of what was measured.
    Groups(RowBunch),
}

/// Rows of one frame.
#[derive(Debug)]
pub struct RowBunch {
    pub(super) frame: Arc<Vec<u8>>,
    blocks: Blocks,
}

/// Rows of one partition.
#[derive(Debug, Clone)]
struct Rows {
    partition: u16,
    count: u32,
    /// Where they stand in the frame.
    place: Range<usize>,
}

impl RowBunch {
    /// The rows of a frame's body, none where it holds records.
    #[cfg(all(test, feature = "engine"))]
    pub(crate) fn of_frame(frame: Vec<u8>) -> RowBunch {
        let read = read_frame(&frame, &mut Unread::new(), &mut Vec::new());
        RowBunch { blocks: read.map(|read| read.rows).unwrap_or_default(), frame: Arc::new(frame) }
    }

    /// How many rows these are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts().map(|(_, count)| count).sum()
    }

    /// Of which partitions they are, in their order, and how many of each.
    pub fn parts(&self) -> impl Iterator<Item = (u16, usize)> {
        self.blocks.iter().map(|rows| (rows.partition, usize::try_from(rows.count).unwrap_or(0)))
    }

    /// The blocks: how many rows, and the rows.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, RowReader<'_>)> {
        let bytes = |rows: &Rows| self.frame.get(rows.place.clone()).unwrap_or_default();
        self.blocks.iter().map(move |rows| (rows.count, RowReader::new(bytes(rows))))
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
            Bunch::Rows(_) | Bunch::Groups(_) => Vec::new(),
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
pub(super) type Unread = HashMap<u16, Option<Digest>>;
pub(super) type Sender = mpsc::Sender<Result<Bunch, SqlError>>;

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
        // Along an index nothing goes on after a record: what has been read in part is read to its end without one.
        if !scan.along.is_empty() && unread.values().all(Option::is_none) {
            match self.along(scan, to, &unread).await {
                Ok(Along::Whole(held)) => {
                    for bunch in held {
                        if sender.send(Ok(bunch)).await.is_err() {
                            return Ok(None);
                        }
                    }
                    return Ok(Some(Unread::new()));
                }
                Ok(Along::Again) => return Ok(Some(unread)),
                Ok(Along::Without) => {}
                Err(error) => return Err(error),
            }
        }
        let without = Scan { along: Vec::new(), ..scan.clone() };
        match self.read_share(&without, to, &mut unread, &mut Out::Stream(sender)).await {
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

    /// Reads a share; false when whoever takes its bunches wants no more.
    pub(super) async fn read_share(
        &self,
        scan: &Scan,
        to: &To,
        unread: &mut Unread,
        out: &mut Out<'_>,
    ) -> Result<bool, RecordError> {
        let mut answers = self.transport.send(to, request_of(scan, unread)).await?;
        let mut elsewhere = Vec::new();
        loop {
            let (_, body) = answers.next().await?.ok_or_else(super::closed)?;
            let read = read_frame(&body, unread, &mut elsewhere)?;
            let frame = Arc::new(body);
            let bunch = |blocks| RowBunch { frame: Arc::clone(&frame), blocks };
            let bunches = [
                (!read.rows.is_empty()).then(|| Bunch::Rows(bunch(read.rows))),
                (!read.groups.is_empty()).then(|| Bunch::Groups(bunch(read.groups))),
                (!read.records.is_empty()).then_some(Bunch::Records(read.records)),
            ];
            for bunch in bunches.into_iter().flatten() {
                if !out.give(bunch).await {
                    return Ok(false);
                }
            }
            match read.end {
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
        Bins::All | Bins::AllAndTime | Bins::None => Vec::new(),
    };
    let time = last_update();
    let reads = match &scan.bins {
        Bins::AllAndTime => read_ops(&scan.bins, &time),
        Bins::All | Bins::Some(_) | Bins::None => Vec::new(),
    };
    let mut out = Vec::new();
    let query = Query {
        namespace: &scan.place.namespace,
        set: &scan.place.set,
        partitions: &fresh,
        digests: &digests,
        bins: &names,
        reads: &reads,
        no_bin_data: scan.bins == Bins::None,
        rows: scan.rows,
        max_records: scan.max_records,
        filter: &scan.filter,
        groups: &scan.groups,
        along: &scan.along,
        task_id: uuid::Uuid::new_v4().as_u64_pair().0,
        ..Query::default()
    };
    request::query(&mut out, &query);
    out
}

type Blocks = Vec<Rows>;

/// What a frame holds.
#[derive(Debug, Default)]
struct Read {
    records: Vec<Record>,
    rows: Blocks,
    groups: Blocks,
    /// How the answer ended, when it did.
    end: Option<ResultCode>,
}

/// Reads a frame. Partitions that are not read here, or not to their end, go on the list `elsewhere`.
fn read_frame(body: &[u8], unread: &mut Unread, elsewhere: &mut Vec<u16>) -> Result<Read, RecordError> {
    let mut read = Read::default();
    let rows = |block: &Block<'_>| {
        let place = place_in(body, block.rest()).ok_or_else(|| malformed("rows out of place"))?;
        Ok::<_, RecordError>(Rows { partition: partition_of(&block.last), count: block.count, place })
    };
    for message in response::messages(body) {
        let message = message.map_err(malformed)?;
        let result = code(&message);
        if message.is_partition_done() {
            let partition = u16::try_from(message.header.generation).unwrap_or(u16::MAX);
            if result != ResultCode::Ok {
                elsewhere.push(partition);
            }
        } else if message.is_last() {
            read.end = Some(result);
            return Ok(read);
        } else if result != ResultCode::Ok {
            return Err(RecordError::Refused(result));
        } else if let Some(measured) = Measured::of(&message).map_err(malformed)? {
            read.rows.push(rows(&measured.rows)?);
            read.groups.push(rows(&measured.groups)?);
            for partition in &measured.done {
                let _ = unread.remove(partition);
            }
            if let Some(after) = measured.after {
                unread.insert(partition_of(&after), Some(after));
            }
        } else if let Some(block) = Block::of(&message).map_err(malformed)? {
            unread.insert(partition_of(&block.last), Some(block.last));
            read.rows.push(rows(&block)?);
        } else {
            let record = record(&message, None);
            unread.insert(partition_of(&record.digest), Some(record.digest));
            read.records.push(record);
        }
    }
    Ok(read)
}

/// Where a part of a frame stands in it.
fn place_in(frame: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(frame.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= frame.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::{Bins, Place, Records, Scan, To, Unread};
    use crate::records::{Answers, Transport};
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use shipload_wire::frame::HEADER_SIZE;
    use shipload_wire::{Request, ResultCode, reply};
    use std::io;
    use std::sync::Arc;
    use tokio::sync::mpsc;

    /// Answers that there is nothing, and notes which requests went along an index.
    #[derive(Default)]
    struct Nothing {
        along: Mutex<Vec<bool>>,
    }

    struct End;

    #[async_trait]
    impl Answers for End {
        async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
            let mut frame = Vec::new();
            reply::last(&mut frame, ResultCode::Ok);
            Ok(Some((3, frame.split_off(HEADER_SIZE))))
        }

        fn finish(self: Box<Self>) {}
    }

    #[async_trait]
    impl Transport for Nothing {
        async fn send(&self, _: &To, request: Vec<u8>) -> io::Result<Box<dyn Answers>> {
            let request = Request::decode(request.get(HEADER_SIZE..).unwrap_or_default());
            let request = request.map_err(io::Error::other)?;
            self.along.lock().push(request.fields.index_range.is_some());
            Ok(Box::new(End))
        }
    }

    /// Where a partition was read in part without the index, the index would begin anew.
    #[tokio::test]
    async fn what_was_read_in_part_goes_on_without_the_index() {
        let nothing = Arc::new(Nothing::default());
        let records = Records::new(Arc::clone(&nothing) as Arc<dyn Transport>);
        let scan = Scan {
            place: Place { namespace: "test".to_owned(), set: "s".to_owned() },
            partitions: vec![0, 7],
            bins: Bins::All,
            rows: Some(0),
            groups: Vec::new(),
            along: vec![1],
            filter: Vec::new(),
            max_records: 0,
        };
        let (sender, _bunches) = mpsc::channel(1);
        let mut digest = [0; 20];
        digest[0] = 7;
        for unread in [Unread::from([(0, None), (7, None)]), Unread::from([(0, None), (7, Some(digest))])] {
            let left = records.share(&scan, &To::Own, unread, &sender).await.expect("an answer");
            assert_eq!(left, Some(Unread::new()));
        }
        assert_eq!(*nothing.along.lock(), [true, false]);
    }
}
