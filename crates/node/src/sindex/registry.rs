//! The indexes of a namespace.

use super::catalog::Catalog;
use super::definition::Definition;
use crate::namespace::Namespace;
use parking_lot::{Mutex, RwLock};
use shipload_store::{IndexUsage, KeySource, RecordRef, STRIPE_COUNT, SetId};
use shipload_value::expr::Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use thiserror::Error;

use super::value::Value;

/// Most indexes of a namespace.
pub(crate) const INDEX_COUNT_MAX: usize = 256;
/// Progress of a complete index.
const COMPLETE_PCT: u64 = 100;

/// Why an index was not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum CreateError {
    /// Another index has the name.
    #[error("'indexname' already exists with different definition")]
    Conflict,
    /// The namespace has 256 indexes already.
    #[error("too many indexes")]
    TooMany,
    /// The namespace has too many sets to take in the index's.
    #[error("too many sets")]
    TooManySets,
}

/// How far an index is. Shared by all that know the index, under whatever name.
#[derive(Debug, Default)]
struct Progress {
    load_pct: AtomicU64,
    load_time_s: AtomicU64,
    gone: AtomicBool,
}

/// One index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// Its name.
    pub(crate) name: String,
    /// Its number in the stripes.
    pub(crate) slot: u16,
    /// What it covers.
    pub(crate) definition: Definition,
    /// The number of the definition's set.
    pub(crate) set: Option<SetId>,
    /// The definition's expression.
    pub(crate) program: Option<Arc<Program>>,
    progress: Arc<Progress>,
}

impl Index {
    /// Whether it answers queries.
    pub(crate) fn is_readable(&self) -> bool {
        self.load_pct() == COMPLETE_PCT
    }

    /// Whether it was deleted. Under a stripe's lock a false answer means that the stripe still has the entries.
    pub(crate) fn is_gone(&self) -> bool {
        self.progress.gone.load(Ordering::Acquire)
    }

    /// Percent of the records that were there before it and are in it now.
    pub(crate) fn load_pct(&self) -> u64 {
        self.progress.load_pct.load(Ordering::Acquire)
    }

    /// How many seconds it took to build.
    pub(crate) fn load_time_s(&self) -> u64 {
        self.progress.load_time_s.load(Ordering::Relaxed)
    }

    /// Notes how far building it is; it is not complete before [`Index::complete`].
    pub(crate) fn note_load(&self, done: u64, total: u64) {
        let pct = (done * COMPLETE_PCT).checked_div(total).unwrap_or(0).min(COMPLETE_PCT - 1);
        self.progress.load_pct.store(pct, Ordering::Release);
    }

    /// All records are in it.
    pub(crate) fn complete(&self, load_time_s: u64) {
        self.progress.load_time_s.store(load_time_s, Ordering::Relaxed);
        self.progress.load_pct.store(COMPLETE_PCT, Ordering::Release);
    }
}

/// The indexes of a namespace, in the order in which they were created.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    indexes: RwLock<Arc<Vec<Arc<Index>>>>,
    /// Held while indexes are created, renamed and deleted.
    changing: Mutex<()>,
}

impl Registry {
    /// The indexes as they are now.
    pub(crate) fn list(&self) -> Arc<Vec<Arc<Index>>> {
        Arc::clone(&self.indexes.read())
    }

    /// The index with this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Index>> {
        self.list().iter().find(|index| index.name == name).cloned()
    }
}

impl Namespace {
    /// Creates an index, or gives an equal one this name. Maintenance fills it with the records that are there.
    ///
    /// # Errors
    /// When the name is taken or there is no room for another index.
    pub(crate) fn create_index(
        &self,
        name: &str,
        definition: Definition,
        program: Option<Program>,
    ) -> Result<(), CreateError> {
        let _changing = self.sindexes.changing.lock();
        let mut indexes = self.sindexes.list().to_vec();
        if let Some(known) = indexes.iter().find(|index| index.name == name) {
            return if known.definition == definition { Ok(()) } else { Err(CreateError::Conflict) };
        }
        if let Some(equal) = indexes.iter_mut().find(|index| index.definition == definition) {
            *equal = Arc::new(Index { name: name.to_owned(), ..Index::clone(equal) });
            *self.sindexes.indexes.write() = Arc::new(indexes);
            return Ok(());
        }
        let taken = |slot: &u16| indexes.iter().any(|index| index.slot == *slot);
        let slot = (0..).take(INDEX_COUNT_MAX).find(|slot| !taken(slot)).ok_or(CreateError::TooMany)?;
        let set = definition.set.as_ref().map(|set| self.add_set(set.as_bytes()));
        let set = set.map(|set| set.ok_or(CreateError::TooManySets)).transpose()?;
        let (name, program) = (name.to_owned(), program.map(Arc::new));
        let index = Arc::new(Index { name, slot, definition, set, program, progress: Arc::default() });
        indexes.push(Arc::clone(&index));
        self.install(&indexes, None);
        *self.sindexes.indexes.write() = Arc::new(indexes);
        // From the installation on every write is followed: without records before it nothing is left to do.
        if self.usage().counts.objects == 0 {
            index.complete(0);
        }
        Ok(())
    }

    /// Deletes an index; nothing happens when there is none with this name.
    pub(crate) fn delete_index(&self, name: &str) {
        let _changing = self.sindexes.changing.lock();
        let mut indexes = self.sindexes.list().to_vec();
        let Some(place) = indexes.iter().position(|index| index.name == name) else { return };
        let index = indexes.remove(place);
        // Queries look for this under the stripe's lock, so none meets a stripe without its entries.
        index.progress.gone.store(true, Ordering::Release);
        self.install(&indexes, Some(index.slot));
        *self.sindexes.indexes.write() = Arc::new(indexes);
    }

    /// What an index holds, summed over all stripes.
    pub(crate) fn index_usage(&self, index: &Index) -> IndexUsage {
        let mut sum = IndexUsage::default();
        for number in 0..STRIPE_COUNT {
            let IndexUsage { entries, bytes } = self.stripe_at(number).index_usage(index.slot);
            sum.entries += entries;
            sum.bytes += bytes;
        }
        sum
    }

    /// Checks that every complete index of a stripe holds exactly the keys of its records. Slow; for tests.
    ///
    /// # Panics
    /// When one does not.
    pub fn assert_indexes(&self, stripe: usize) {
        for index in self.sindexes.list().iter().filter(|index| index.is_readable()) {
            self.stripe_at(stripe).assert_index(index.slot);
        }
    }

    /// Finds the values of a record in an index.
    pub(crate) fn visit_index(&self, index: &Index, record: &RecordRef<'_>, out: &mut dyn FnMut(&Value<'_>)) {
        index.visit(record, self.shared_sets(), out);
    }

    /// Lets all stripes know the indexes, and forget the entries of one.
    fn install(&self, indexes: &[Arc<Index>], retired: Option<u16>) {
        let catalog: Arc<dyn KeySource> = Arc::new(Catalog::new(indexes, Arc::clone(self.shared_sets())));
        for number in 0..STRIPE_COUNT {
            let mut stripe = self.stripe_at(number);
            let retired = retired.map(|slot| stripe.retire_index(slot));
            stripe.set_key_source((!indexes.is_empty()).then(|| Arc::clone(&catalog)));
            drop(stripe);
            // Only now: freeing a large index takes long.
            drop(retired);
        }
    }
}
