//! Sweeps over a whole namespace, a few entries at a time; and the one that truncates ask for.

use super::Wish;
use crate::namespace::Namespace;
use crate::node::Notice;
use crate::now::Now;
use crate::worker::Worker;
use shipload_store::{Budget, Candidate, Cutoffs, Decision, SetId, Swept};
use shipload_value::{Digest, PartitionId};

/// How much one slice looks at.
const BUDGET: Budget = Budget { entries: 256, removals: 128 };
/// Partitions without records that one slice may pass.
const EMPTY_PARTITIONS: usize = 256;

/// A place in a walk over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    partition: Option<PartitionId>,
    after: Option<Digest>,
}

impl Cursor {
    /// Before the first partition.
    pub(crate) fn start() -> Cursor {
        Cursor { partition: PartitionId::new(0), after: None }
    }

    /// The present partition and the digest after which to go on; none at the end.
    pub(crate) fn place(&self) -> Option<(PartitionId, Option<Digest>)> {
        self.partition.map(|partition| (partition, self.after))
    }

    /// Goes on after this digest, or in the next partition.
    pub(crate) fn advance(&mut self, next: Option<Digest>) {
        if next.is_none() {
            self.partition = self.partition.and_then(|partition| PartitionId::new(partition.number() + 1));
        }
        self.after = next;
    }
}

/// Sweeps one slice from the cursor on. Afterwards the cursor has no place when everything is swept.
pub(super) fn slice(
    namespace: &Namespace,
    cursor: &mut Cursor,
    now: Now,
    cutoffs: &Cutoffs,
    mut decide: impl FnMut(&Candidate) -> Decision,
) -> Swept {
    let now_s = now.since_2010_s();
    by_partitions(cursor, |partition, after| {
        let mut stripe = namespace.stripe_of(partition);
        Some(stripe.sweep(partition, after, BUDGET, now_s, cutoffs, &mut decide))
    })
}

/// The same for what expires and is evicted: the master of a partition decides, and its other copies follow.
pub(super) fn slice_of_master(
    worker: &mut Worker,
    namespace: &Namespace,
    cursor: &mut Cursor,
    now: Now,
    cutoffs: &Cutoffs,
    mut decide: impl FnMut(&Candidate) -> Decision,
) -> Swept {
    let now_s = now.since_2010_s();
    by_partitions(cursor, |partition, after| {
        let mut shard = namespace.stripe_of(partition);
        if !shard.decides(partition) {
            return None;
        }
        let mut gone = Vec::new();
        let tell = |digest| gone.push(digest);
        let part = shard.sweep_telling(partition, after, BUDGET, now_s, cutoffs, &mut decide, tell);
        shard.tell_removed(namespace, &gone, now, worker.waiting.effects_of(namespace.index));
        Some(part)
    })
}

/// Goes on from the cursor, partition by partition, until a slice's work is done. `part` sweeps some of a partition behind a
/// digest; none when all of it is to be passed.
fn by_partitions(
    cursor: &mut Cursor,
    mut part: impl FnMut(PartitionId, Option<&Digest>) -> Option<Swept>,
) -> Swept {
    let mut swept = Swept::default();
    for _ in 0..EMPTY_PARTITIONS {
        let Some((partition, after)) = cursor.place() else { break };
        let part = part(partition, after.as_ref());
        cursor.advance(part.as_ref().and_then(|part| part.next));
        part.into_iter().for_each(|part| swept.add(part));
        if swept.entries >= BUDGET.entries as u64 {
            break;
        }
    }
    swept
}

/// The sweep that frees what truncates have killed.
#[derive(Debug, Default)]
pub(super) struct TruncateSweep {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    pending: Vec<Option<SetId>>,
    cutoffs: Cutoffs,
    cursor: Cursor,
    removed: u64,
}

impl TruncateSweep {
    /// Sweeps one slice, if a truncate is pending.
    pub(super) fn slice(&mut self, namespace: &Namespace, now: Now, notices: &mut Vec<Notice>) -> Wish {
        if self.running.is_none() {
            let pending = namespace.pending_truncates();
            if pending.is_empty() {
                return Wish::At(u64::MAX);
            }
            let cutoffs = namespace.cutoffs().clone();
            self.running = Some(Running { pending, cutoffs, cursor: Cursor::start(), removed: 0 });
        }
        let Some(running) = &mut self.running else { return Wish::At(u64::MAX) };
        let swept = slice(namespace, &mut running.cursor, now, &running.cutoffs, |_| Decision::Keep);
        running.removed += swept.truncated;
        if running.cursor.place().is_none() {
            namespace.truncates_swept(&running.pending, &running.cutoffs);
            notices.push(Notice::TruncateDone {
                namespace: namespace.name.clone(),
                set: names(namespace, &running.pending),
                removed: running.removed,
            });
            self.running = None;
        }
        Wish::More
    }
}

/// The names of the truncated sets; the whole namespace has none.
fn names(namespace: &Namespace, pending: &[Option<SetId>]) -> String {
    let sets = namespace.sets();
    let names = pending.iter().flatten().map(|set| String::from_utf8_lossy(sets.name(*set)).into_owned());
    names.collect::<Vec<_>>().join(",")
}
