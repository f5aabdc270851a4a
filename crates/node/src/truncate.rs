//! Truncation: all records of a set or namespace that were last updated before a moment are gone at once.
//!
//! Guarantees: reads that begin after the call miss those records; writes that begin after it survive, even in the
//! same millisecond, because from then on no record is stamped with a time below the cut-off. Maintenance frees the
//! memory later. Source: `guide/protocol.md` part 4.10.

use crate::namespace::Namespace;
use crate::now::{EPOCH_2010_S, Now};
use shipload_store::{Fault, SetId};
use thiserror::Error;

/// Why a truncate was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TruncateError {
    /// The moment lies before 2010.
    #[error("would truncate to 0")]
    ToZero,
    /// The moment lies in the future.
    #[error("would truncate in the future")]
    InFuture,
    /// The moment can't be put on stable storage.
    #[error("{0}")]
    NotDurable(#[from] Fault),
}

/// What a truncate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// All records of the namespace.
    Namespace,
    /// The records of the set with this name; an unknown one has none.
    Set(&'a [u8]),
}

impl Namespace {
    /// Removes the records of `target` last updated before `lut_unix_ns` (nanoseconds since the Unix epoch), or
    /// before now.
    ///
    /// # Errors
    /// A moment that lies before 2010 or in the future.
    pub fn truncate(
        &self,
        target: Target<'_>,
        lut_unix_ns: Option<u64>,
        now: Now,
    ) -> Result<u64, TruncateError> {
        let cut_ms = match lut_unix_ns {
            None => self.latest_ms(now) + 1,
            Some(lut) if lut > now.unix_ns => return Err(TruncateError::InFuture),
            Some(lut) => match (lut / 1_000_000).saturating_sub(EPOCH_2010_S * 1000) {
                0 => return Err(TruncateError::ToZero),
                cut_ms => cut_ms,
            },
        };
        self.truncate_to(target, cut_ms)?;
        Ok(cut_ms)
    }

    /// Removes the records of `target` last updated before `cut_ms` (since 2010).
    ///
    /// # Errors
    /// When that can't be put on stable storage.
    pub(crate) fn truncate_to(&self, target: Target<'_>, cut_ms: u64) -> Result<(), Fault> {
        if let Some(set) = self.target(target) {
            self.cut(set, cut_ms);
            self.changes.lose();
            self.keep()?;
        }
        Ok(())
    }

    /// Forgets the cut-off of `target`. Records that were swept meanwhile do not come back.
    ///
    /// # Errors
    /// When that can't be put on stable storage.
    pub fn truncate_undo(&self, target: Target<'_>) -> Result<(), Fault> {
        if let Some(set) = self.target(target) {
            self.uncut(set);
            self.keep()?;
        }
        Ok(())
    }

    /// None for a set that does not exist; the inner none for the whole namespace.
    fn target(&self, target: Target<'_>) -> Option<Option<SetId>> {
        match target {
            Target::Namespace => Some(None),
            Target::Set(name) => self.sets().find(name).map(Some),
        }
    }
}
