//! What this node knows of the partitions of a namespace: who masters them, who holds them, what is held here.

use parking_lot::RwLock;
use shipload_cluster::map::PartitionMap;
use shipload_cluster::migration::Duty;
use shipload_cluster::version::Version;
use shipload_cluster::{NamespaceInventory, NodeId};
use shipload_store::{STRIPE_COUNT, stripe_of};
use shipload_value::PartitionId;
use shipload_value::digest::PARTITION_COUNT;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The map of the view that holds.
#[derive(Debug, Clone)]
pub struct NamespaceMap {
    /// Owners and acting masters when the view was installed.
    pub map: PartitionMap,
}

/// The partitions of a namespace as this node sees them.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// The id of who masters each partition now; 0 while nobody is known.
    masters: Box<[AtomicU64]>,
    map: RwLock<Option<Arc<NamespaceMap>>>,
    /// What this node holds.
    inventory: RwLock<NamespaceInventory>,
    /// One bit for each stripe whose streams have something on the way.
    active: AtomicU64,
    /// Nothing was left to migrate at the last look.
    pub(super) settled: AtomicBool,
    /// Copies that contradict each other may be here or elsewhere, in the view that holds.
    gathering: AtomicBool,
    /// For each partition how often its master has to say that this copy is full before reads may trust it.
    unsure: Box<[AtomicU8]>,
    /// Whether this node shall hold each partition, in the view that holds.
    owned: Box<[AtomicBool]>,
}

impl Default for Holdings {
    fn default() -> Holdings {
        Holdings {
            masters: (0..PARTITION_COUNT).map(|_| AtomicU64::new(0)).collect(),
            map: RwLock::default(),
            inventory: RwLock::default(),
            active: AtomicU64::new(0),
            settled: AtomicBool::new(false),
            gathering: AtomicBool::new(false),
            unsure: (0..PARTITION_COUNT).map(|_| AtomicU8::new(0)).collect(),
            owned: (0..PARTITION_COUNT).map(|_| AtomicBool::new(false)).collect(),
        }
    }
}

impl Holdings {
    /// Who masters a partition now; none while nobody is known.
    pub(crate) fn master(&self, partition: PartitionId) -> Option<NodeId> {
        let id = self.masters[partition.index()].load(Ordering::Acquire);
        (id != 0).then_some(NodeId(id))
    }

    /// Whether this node masters the partition, as far as is known without a lock.
    pub(crate) fn is_served_by(&self, me: NodeId, partition: PartitionId) -> bool {
        self.master(partition) == Some(me)
    }

    pub(super) fn set_master(&self, partition: PartitionId, master: NodeId) {
        self.masters[partition.index()].store(master.0, Ordering::Release);
    }

    /// A new view: its map, and who masters what from now on.
    pub(super) fn install(&self, map: PartitionMap) {
        for partition in PartitionId::all() {
            if let Some(master) = map.acting(partition) {
                self.set_master(partition, master);
            }
        }
        *self.map.write() = Some(Arc::new(NamespaceMap { map }));
    }

    /// A new view: which copies contradict each other in it. Their equals are told that they are full when the view begins, and
    /// once more when the others are gathered; until then they may be behind.
    pub(super) fn note_gathers(&self, me: NodeId, duties: &[Duty]) {
        let mut any = false;
        for duty in duties {
            let gathers = !duty.gathers.is_empty();
            any |= gathers;
            let twice = gathers && (duty.master == me || duty.equals.contains(&me));
            self.unsure[duty.partition.index()].store(if twice { 2 } else { 0 }, Ordering::Release);
            self.owned[duty.partition.index()].store(duty.owners.contains(&me), Ordering::Release);
        }
        self.gathering.store(any, Ordering::Release);
    }

    /// Whether copies may contradict each other.
    pub(crate) fn is_gathering(&self) -> bool {
        self.gathering.load(Ordering::Acquire)
    }

    /// The map of the view that holds; none before the first.
    pub(crate) fn map(&self) -> Option<Arc<NamespaceMap>> {
        self.map.read().clone()
    }

    pub(super) fn hold(&self, partition: PartitionId, version: Option<&Version>) {
        self.inventory.write().set(partition, version.cloned());
        if version.is_some_and(|version| version.full) {
            let unsure = &self.unsure[partition.index()];
            // Said by one thread at a time, in the order of a stream.
            let _ = unsure.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        }
    }

    /// What this node holds.
    pub(crate) fn inventory(&self) -> NamespaceInventory {
        self.inventory.read().clone()
    }

    /// Whether this node's copy of the partition has all records, and gets all writes: its master has said so in the view
    /// that holds. A full copy of an earlier view may be behind, and so may one whose master gathers other copies. The copy of a
    /// node that is no owner is on its way out: what was written after it was let go is not in it.
    pub(crate) fn is_full(&self, partition: PartitionId) -> bool {
        let place = partition.index();
        if !self.owned[place].load(Ordering::Acquire) || self.unsure[place].load(Ordering::Acquire) != 0 {
            return false;
        }
        let key = self.map.read().as_ref().map(|known| known.map.key());
        self.inventory.read().get(partition).is_some_and(|version| version.full && Some(version.key) == key)
    }

    pub(crate) fn mark_active(&self, partition: PartitionId) {
        self.mark_stripe_active(stripe_of(partition));
    }

    pub(super) fn mark_stripe_active(&self, stripe: usize) {
        let bit = 1 << (stripe % STRIPE_COUNT);
        if self.active.load(Ordering::Relaxed) & bit == 0 {
            self.active.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Call it under the stripe's lock: nothing is on its way any more.
    pub(super) fn mark_idle(&self, stripe: usize) {
        self.active.fetch_and(!(1 << (stripe % STRIPE_COUNT)), Ordering::AcqRel);
    }

    /// The stripes with something on the way.
    pub(super) fn active(&self) -> impl Iterator<Item = usize> + use<> {
        let bits = self.active.load(Ordering::Acquire);
        (0..STRIPE_COUNT).filter(move |stripe| bits & (1 << stripe) != 0)
    }
}

impl NamespaceMap {
    /// Who holds a partition, in order of succession: its master now, then its other owners.
    #[must_use]
    pub fn succession(&self, partition: PartitionId, master: Option<NodeId>) -> Vec<NodeId> {
        let owners = self.map.owners(partition);
        let others = owners.iter().copied().filter(|owner| Some(*owner) != master);
        master.into_iter().chain(others).take(self.map.replication_factor()).collect()
    }
}
