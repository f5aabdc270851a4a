//! The file in the data directory that holds what the node knows of its cluster.
//!
//! Guarantees: written anew as a whole whenever something in it has changed, at most every tenth of a second; while the
//! node runs it says that the node did not stop in order, and only after everything is flushed that it did.

use crate::disk::{SmallFile, SmallFileError};
use shipload_node::Node;
use shipload_node::cluster::Kept;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FILE: &str = "cluster";
const VERSION: u16 = 1;
/// How often changes are looked for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The file, and what stands in it.
#[derive(Debug)]
pub(crate) struct Keeper {
    file: SmallFile,
    written: AtomicU64,
}

impl Keeper {
    /// The file of this data directory, with what an earlier life has written into it.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub(crate) fn open(directory: &Path) -> Result<(Keeper, Option<Kept>), SmallFileError> {
        let file = SmallFile::new(directory, FILE, VERSION);
        let kept = match file.load()? {
            Some((_, bytes)) => Some(Kept::decode(&bytes).map_err(|_| SmallFileError::Damaged {
                path: file.path().to_owned(),
                what: "not what this program writes",
            })?),
            None => None,
        };
        Ok((Keeper { file, written: AtomicU64::new(u64::MAX) }, kept))
    }

    /// Writes what has changed since the last time.
    pub(crate) fn look(&self, node: &Node) {
        let generation = node.keep_generation();
        if self.written.swap(generation, Ordering::AcqRel) != generation {
            self.write(node, false);
        }
    }

    /// The node stops; `clean` when all its records are on stable storage.
    pub(crate) fn end(&self, node: &Node, clean: bool) {
        self.write(node, clean);
    }

    fn write(&self, node: &Node, clean: bool) {
        if let Err(error) = self.file.store(&node.keep(clean).encode()) {
            // Without it the next start takes all copies for incomplete and compares them.
            tracing::error!("what is known of the cluster can't be written down: {error}");
        }
    }
}
