//! What a record may be after a crash.
//!
//! For each key all that it became since it was last looked at, in order, with the moment at which the node said so. A
//! step that was never acknowledged may have happened or not.

use std::time::{Duration, Instant};

/// A record: the version that was written, or nothing.
pub(super) type Version = Option<u64>;

/// One change of a record.
#[derive(Debug, Clone, Copy)]
struct Step {
    version: Version,
    /// When the node acknowledged it.
    acked: Option<Instant>,
    /// It was promised to hold from then on, whatever the mode.
    firm: bool,
}

/// The changes of all keys of a writer.
#[derive(Debug)]
pub(super) struct Ledger {
    keys: Vec<Vec<Step>>,
    died: Option<Instant>,
}

impl Ledger {
    /// So many keys without records.
    pub(super) fn new(keys: u64) -> Ledger {
        let absent = Step { version: None, acked: None, firm: true };
        Ledger { keys: (0..keys).map(|_| vec![absent]).collect(), died: None }
    }

    /// What the key was last set to.
    pub(super) fn last(&self, key: u64) -> Version {
        self.steps(key).and_then(|steps| steps.last()).and_then(|step| step.version)
    }

    /// A change was asked for; `acked` when the node said that it is done.
    pub(super) fn note(&mut self, key: u64, version: Version, acked: Option<Instant>, firm: bool) {
        if let Some(steps) = usize::try_from(key).ok().and_then(|key| self.keys.get_mut(key)) {
            steps.push(Step { version, acked, firm });
        }
    }

    /// The process was killed then.
    pub(super) fn died(&mut self, when: Instant) {
        self.died = Some(when);
    }

    /// Compares a record with what it may be: nothing that was acknowledged longer than `window` before the process
    /// died may be missing, without a window nothing at all. Answers how long before its death the first change was
    /// acknowledged that is missing. From now on the record is what was found.
    pub(super) fn check(
        &mut self,
        key: u64,
        found: Version,
        window: Option<Duration>,
        now: Instant,
    ) -> Result<Duration, String> {
        let died = self.died.unwrap_or(now);
        let Some(steps) = usize::try_from(key).ok().and_then(|key| self.keys.get_mut(key)) else {
            return Err("no such key".to_owned());
        };
        let old_enough = |acked: Instant| window.is_none_or(|window| acked + window <= died);
        let holds = |step: &Step| step.acked.is_some_and(|acked| step.firm || old_enough(acked));
        let floor = steps.iter().rposition(holds).unwrap_or(0);
        let allowed = steps.get(floor..).unwrap_or_default();
        let Some(at) = allowed.iter().rposition(|step| step.version == found) else {
            let versions: Vec<Version> = allowed.iter().map(|step| step.version).collect();
            let older = steps.iter().any(|step| step.version == found);
            let kind = if older { "an older state came back" } else { "an unknown state" };
            *steps = vec![Step { version: found, acked: None, firm: true }];
            return Err(format!("{kind}: {found:?}, may be {versions:?}"));
        };
        let missing = allowed.get(at + 1..).unwrap_or_default().iter().find_map(|step| step.acked);
        let age = missing.map_or(Duration::ZERO, |acked| died.saturating_duration_since(acked));
        *steps = vec![Step { version: found, acked: None, firm: true }];
        Ok(age)
    }

    fn steps(&self, key: u64) -> Option<&Vec<Step>> {
        self.keys.get(usize::try_from(key).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_long_ago_must_be_there() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ledger = || {
            let mut ledger = Ledger::new(1);
            ledger.note(0, Some(1), Some(at(0)), false);
            ledger.note(0, None, Some(at(500)), false);
            ledger.note(0, Some(2), Some(at(900)), false);
            ledger.note(0, Some(3), None, false);
            ledger.died(at(1000));
            ledger
        };
        let window = |ms| Some(Duration::from_millis(ms));
        assert_eq!(ledger().check(0, Some(3), None, start), Ok(Duration::ZERO));
        assert_eq!(ledger().check(0, Some(2), None, start), Ok(Duration::ZERO));
        assert!(ledger().check(0, None, None, start).is_err());
        assert_eq!(ledger().check(0, None, window(200), start), Ok(Duration::from_millis(100)));
        assert!(ledger().check(0, Some(1), window(200), start).unwrap_err().starts_with("an older state"));
        assert!(ledger().check(0, Some(9), window(2000), start).unwrap_err().starts_with("an unknown state"));
        assert_eq!(ledger().check(0, Some(1), window(2000), start), Ok(Duration::from_millis(500)));
    }
}
