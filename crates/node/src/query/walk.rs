//! Where a query is: what is still to read, and after which record to go on.

use super::index_walk::{Entries, IndexReading, IndexWalk};
use super::selection::Selection;
use crate::cluster::{Holdings, Shard};
use crate::namespace::Namespace;
use crate::sindex::{Index, SET_KEY};
use shipload_store::{RecordRef, SetId, Stripe, stripe_of};
use shipload_value::{Digest, PartitionId};
use shipload_wire::PartitionQuery;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a query has not finished, the present part first.
#[derive(Debug)]
pub(crate) enum Walk {
    /// Partition by partition, in descending order of digests.
    Primary(PrimaryWalk),
    /// Stripe by stripe of a secondary index.
    Index(IndexWalk),
}

/// The partitions to read, each behind a digest, and the index of the one set that is wanted, if there is one.
#[derive(Debug)]
pub(crate) struct PrimaryWalk {
    todo: VecDeque<(PartitionId, Option<Digest>)>,
    set_index: Option<Arc<Index>>,
}

/// The part of a walk that is read under one lock.
#[derive(Debug)]
pub(crate) enum Reading {
    /// A partition, behind a digest; through the index of a set.
    Primary(PartitionId, Option<Digest>, Option<Arc<Index>>),
    /// Some partitions of a stripe.
    Index(IndexReading),
}

/// One step of a walk.
#[derive(Debug)]
pub(crate) struct Met<'s> {
    /// The record's place in the secondary index.
    pub(crate) bval: Option<i64>,
    pub(crate) digest: Digest,
    /// None for a record that the query has read already or does not want to.
    pub(crate) record: Option<RecordRef<'s>>,
}

impl Walk {
    /// What a foreground query asks for: whole partitions, and rests of partitions after a digest.
    pub(crate) fn asked(query: &PartitionQuery<'_>, along: Along) -> Walk {
        let whole = query.partitions().filter_map(PartitionId::new);
        let rests = query.digests().map(|digest| Digest(*digest));
        match along {
            Along::Selection(selection) => {
                Walk::Index(IndexWalk::new(selection, whole, query.bvals().zip(rests)))
            }
            Along::Records(set_index) => {
                let rests = rests.map(|digest| (digest.partition(), Some(digest)));
                let todo = rests.chain(whole.map(|partition| (partition, None))).collect();
                Walk::Primary(PrimaryWalk { todo, set_index })
            }
        }
    }

    /// All partitions from their start.
    pub(crate) fn all(along: Along) -> Walk {
        Walk::over(along, PartitionId::all())
    }

    /// These partitions from their start.
    pub(crate) fn over(along: Along, partitions: impl Iterator<Item = PartitionId>) -> Walk {
        match along {
            Along::Selection(selection) => {
                Walk::Index(IndexWalk::new(selection, partitions, std::iter::empty()))
            }
            Along::Records(set_index) => {
                let todo = partitions.map(|partition| (partition, None)).collect();
                Walk::Primary(PrimaryWalk { todo, set_index })
            }
        }
    }

    /// Whether it goes along a secondary index.
    pub(crate) fn is_indexed(&self) -> bool {
        matches!(self, Walk::Index(_))
    }

    /// What to read next; none at the end.
    pub(crate) fn present(&self) -> Option<Reading> {
        match self {
            Walk::Primary(walk) => {
                let (partition, after) = walk.todo.front()?;
                Some(Reading::Primary(*partition, *after, walk.set_index.clone()))
            }
            Walk::Index(walk) => walk.present().map(Reading::Index),
        }
    }

    /// Notes that everything up to this record is done.
    pub(crate) fn passed(&mut self, met: &Met<'_>) {
        match self {
            Walk::Primary(walk) => {
                if let Some((_, after)) = walk.todo.front_mut() {
                    *after = Some(met.digest);
                }
            }
            Walk::Index(walk) => walk.passed(met.bval.unwrap_or_default(), met.digest),
        }
    }

    /// The partition that is being read, where these are read one by one.
    pub(crate) fn partition(&self) -> Option<PartitionId> {
        match self {
            Walk::Primary(walk) => walk.todo.front().map(|(partition, _)| *partition),
            Walk::Index(_) => None,
        }
    }

    /// The record of this partition that was read last.
    pub(crate) fn after(&self) -> Option<Digest> {
        match self {
            Walk::Primary(walk) => walk.todo.front()?.1,
            Walk::Index(_) => None,
        }
    }

    /// The partitions of the present part that can't be read here (any more): this node neither masters them nor
    /// holds a full copy. A full copy has all that was acknowledged, and clients may prefer it: another replica policy
    /// than the master's, or a node of their rack.
    pub(crate) fn foreign(&self, shard: &Shard, holdings: &Holdings) -> Vec<PartitionId> {
        let is_foreign = |partition: &PartitionId| !shard.serves(*partition) && !holdings.is_full(*partition);
        match self {
            Walk::Primary(walk) => {
                let present = walk.todo.front().map(|(partition, _)| *partition);
                present.into_iter().filter(is_foreign).collect()
            }
            Walk::Index(walk) => walk.partitions().filter(is_foreign).collect(),
        }
    }

    /// Reads no more of these partitions.
    pub(crate) fn give_up(&mut self, partitions: &[PartitionId]) {
        match self {
            Walk::Primary(walk) => walk.todo.retain(|(partition, _)| !partitions.contains(partition)),
            Walk::Index(walk) => walk.give_up(partitions),
        }
    }

    /// The present part is finished. Tells how many partitions that are.
    pub(crate) fn finish_part(&mut self) -> u64 {
        match self {
            Walk::Primary(walk) => u64::from(walk.todo.pop_front().is_some()),
            Walk::Index(walk) => walk.finish_part(),
        }
    }

    /// How many partitions are left.
    pub(crate) fn left(&self) -> usize {
        match self {
            Walk::Primary(walk) => walk.todo.len(),
            Walk::Index(walk) => walk.left(),
        }
    }
}

impl Reading {
    /// The stripe to lock.
    pub(crate) fn stripe(&self) -> usize {
        match self {
            Reading::Primary(partition, ..) => stripe_of(*partition),
            Reading::Index(reading) => reading.stripe,
        }
    }

    /// Whether there is something to read: an index may have been deleted meanwhile. To be asked under the lock.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Reading::Primary(..) => true,
            Reading::Index(reading) => !reading.selection.index.is_gone(),
        }
    }

    /// The records of these sets from here to the end of the part, and some others.
    pub(crate) fn records<'s>(&'s self, stripe: &'s Stripe, sets: Sets) -> Records<'s> {
        match self {
            // The index of a set keeps the order; when it is deleted the walk goes on without it.
            Reading::Primary(partition, after, Some(index)) if !index.is_gone() => Records::Primary(
                Box::new(stripe.index_descending(index.slot, SET_KEY, *partition, after.as_ref())),
            ),
            Reading::Primary(partition, after, _) => {
                Records::Primary(Box::new(stripe.scan_set(*partition, after.as_ref(), sets.only())))
            }
            Reading::Index(reading) => Records::Index(Entries::new(stripe, reading)),
        }
    }

    /// Whether the record is wanted, as far as an index range says it.
    pub(crate) fn selects(&self, namespace: &Namespace, bval: Option<i64>, record: &RecordRef<'_>) -> bool {
        match (self, bval) {
            (Reading::Index(reading), Some(bval)) => reading.selection.selects(namespace, bval, record),
            (Reading::Index(_) | Reading::Primary(..), _) => true,
        }
    }
}

/// The records of a part.
pub(crate) enum Records<'s> {
    Primary(Box<dyn Iterator<Item = RecordRef<'s>> + 's>),
    Index(Entries<'s>),
}

impl<'s> Iterator for Records<'s> {
    type Item = Met<'s>;

    fn next(&mut self) -> Option<Met<'s>> {
        match self {
            Records::Primary(records) => {
                let record = records.next()?;
                Some(Met { bval: None, digest: record.digest(), record: Some(record) })
            }
            Records::Index(entries) => entries.next(),
        }
    }
}

/// What a query goes along.
#[derive(Debug)]
pub(crate) enum Along {
    /// Part of a secondary index.
    Selection(Selection),
    /// All records, or those in the index of a set.
    Records(Option<Arc<Index>>),
}

impl Along {
    /// Name of the secondary index that the client asked for.
    pub(crate) fn index_name(&self) -> &str {
        match self {
            Along::Selection(selection) => &selection.index.name,
            Along::Records(_) => "",
        }
    }
}

/// Which sets a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sets {
    /// All records of the namespace.
    All,
    /// One set.
    One(SetId),
    /// A set that does not exist.
    Unknown,
}

impl Sets {
    /// The one set that is meant, if it is one.
    fn only(self) -> Option<SetId> {
        match self {
            Sets::One(set) => Some(set),
            Sets::All | Sets::Unknown => None,
        }
    }

    /// Whether a record of this set is meant.
    pub(crate) fn holds(self, set: SetId) -> bool {
        match self {
            Sets::All => true,
            Sets::One(one) => one == set,
            Sets::Unknown => false,
        }
    }
}
