//! What clients were told, and what records may look like.
//!
//! Every record has one string bin. Each write appends one token to it, so a record tells which writes it went through and
//! in what order: one that is missing was lost, one that stands there twice was executed twice. A record is written by one
//! client only, one write at a time; after a write in doubt the record rests until that write cannot come any more.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a token: seven digits and a comma.
pub const TOKEN: usize = 8;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The client waits.
    Pending,
    /// The client was told that it is done.
    Acknowledged {
        /// When, microseconds.
        at_us: u64,
        /// The record's generation then.
        generation: u32,
    },
    /// The client was told nothing, or that it may have been done.
    Doubtful,
    /// The client was told that it was not done.
    Refused,
}

/// One write.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// What it appends.
    pub token: u64,
    /// When the client sent it, microseconds.
    pub sent_us: u64,
    /// What became of it.
    pub fate: Fate,
}

/// The writes of a record since all copies were last seen to be equal.
#[derive(Debug, Default)]
pub struct History {
    /// What the record held then.
    pub base: Vec<u8>,
    /// Its generation then.
    pub base_generation: u32,
    /// Since then, in order.
    pub writes: Vec<Write>,
    /// No write before this moment.
    pub rests_until_us: u64,
}

/// All histories.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By number of the record.
    pub records: Vec<History>,
    last: u64,
    where_is: BTreeMap<u64, usize>,
}

impl Ledger {
    /// A ledger for so many records.
    #[must_use]
    pub fn new(records: usize) -> Ledger {
        Ledger { records: (0..records).map(|_| History::default()).collect(), ..Ledger::default() }
    }

    /// A write begins: its token.
    pub fn begin(&mut self, record: usize, now_us: u64) -> u64 {
        self.last += 1;
        self.where_is.insert(self.last, record);
        self.records[record].writes.push(Write { token: self.last, sent_us: now_us, fate: Fate::Pending });
        self.last
    }

    /// A write ends.
    pub fn end(&mut self, token: u64, fate: Fate) {
        let Some(&record) = self.where_is.get(&token) else { return };
        if let Some(write) = self.records[record].writes.iter_mut().find(|write| write.token == token) {
            write.fate = fate;
        }
    }

    /// The bytes of a token.
    #[must_use]
    pub fn bytes(token: u64) -> Vec<u8> {
        format!("{token:07},").into_bytes()
    }

    /// Checks a state of a record that a client saw or a copy holds. `since_us` is when the look began: what was
    /// acknowledged before must be in it, unless `lossy`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, record: usize, chain: &[u8], since_us: u64, lossy: bool) -> Result<(), String> {
        let history = &self.records[record];
        let tokens = tokens(chain).ok_or_else(|| format!("record {record}: not a chain: {chain:?}"))?;
        let mut seen = BTreeSet::new();
        for token in &tokens {
            if !seen.insert(*token) {
                return Err(format!("record {record}: write {token} was executed twice: {}", show(chain)));
            }
            let known = history.writes.iter().find(|write| write.token == *token);
            let refused = known.is_some_and(|write| write.fate == Fate::Refused);
            if refused {
                return Err(format!(
                    "record {record}: write {token} was refused and is there: {}",
                    show(chain)
                ));
            }
            if self.where_is.get(token) != Some(&record) {
                return Err(format!("record {record}: write {token} is of another record: {}", show(chain)));
            }
        }
        if lossy {
            return Ok(());
        }
        let base = self::tokens(&history.base).unwrap_or_default();
        let due = history
            .writes
            .iter()
            .filter(|write| matches!(write.fate, Fate::Acknowledged { at_us, .. } if at_us < since_us));
        let due: Vec<u64> = base.into_iter().chain(due.map(|write| write.token)).collect();
        let mut place = 0;
        for token in due {
            let found = tokens.iter().skip(place).position(|other| *other == token);
            match found {
                Some(ahead) => place += ahead + 1,
                None => {
                    return Err(format!(
                        "record {record}: acknowledged write {token} is lost or out of order: {} (base {}, writes {:?})",
                        show(chain),
                        show(&history.base),
                        history.writes
                    ));
                }
            }
        }
        Ok(())
    }

    /// Checks that a state after a split won by its right: of an acknowledged write that it does not hold it must not
    /// be behind.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_winner(
        &self,
        record: usize,
        chain: &[u8],
        generation: u32,
        updated_us: u64,
        latest_wins: Option<u64>,
    ) -> Result<(), String> {
        let history = &self.records[record];
        let tokens: BTreeSet<u64> = tokens(chain).unwrap_or_default().into_iter().collect();
        for write in &history.writes {
            let Fate::Acknowledged { generation: theirs, .. } = write.fate else { continue };
            if tokens.contains(&write.token) {
                continue;
            }
            let lost = match latest_wins {
                Some(skew_us) => updated_us + skew_us < write.sent_us,
                None => generation < theirs,
            };
            if lost {
                return Err(format!(
                    "record {record}: write {} (generation {theirs}, sent at {}) lost against generation {generation} \
                     of {updated_us}: {}",
                    write.token,
                    write.sent_us,
                    show(chain)
                ));
            }
        }
        Ok(())
    }

    /// All copies are equal: what they hold is what counts from now on.
    pub fn settle(&mut self, record: usize, chain: Vec<u8>, generation: u32) {
        let history = &mut self.records[record];
        history.base = chain;
        history.base_generation = generation;
        history.writes.retain(|write| write.fate == Fate::Refused);
    }
}

/// The tokens of a chain; none when it is no chain.
#[must_use]
pub fn tokens(chain: &[u8]) -> Option<Vec<u64>> {
    let chunks = chain.chunks(TOKEN);
    chunks.map(|chunk| std::str::from_utf8(chunk).ok()?.strip_suffix(',')?.parse().ok()).collect()
}

fn show(chain: &[u8]) -> String {
    String::from_utf8_lossy(chain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Fate, Ledger};

    fn chain(tokens: &[u64]) -> Vec<u8> {
        tokens.iter().flat_map(|token| Ledger::bytes(*token)).collect()
    }

    #[test]
    fn what_was_acknowledged_must_be_there_once_and_in_order() {
        let mut ledger = Ledger::new(1);
        let [a, b, c] = [0; 3].map(|_| ledger.begin(0, 5));
        ledger.end(a, Fate::Acknowledged { at_us: 10, generation: 1 });
        ledger.end(b, Fate::Doubtful);
        ledger.end(c, Fate::Acknowledged { at_us: 20, generation: 2 });
        assert_eq!(ledger.check(0, &chain(&[a, b, c]), 30, false), Ok(()));
        assert_eq!(ledger.check(0, &chain(&[a, c]), 30, false), Ok(()));
        assert_eq!(ledger.check(0, &chain(&[a]), 15, false), Ok(()));
        for bad in [&[a][..], &[c, a], &[a, c, c], &[a, c, 99]] {
            assert!(ledger.check(0, &chain(bad), 30, false).is_err(), "{bad:?}");
        }
        assert_eq!(ledger.check(0, &chain(&[b]), 30, true), Ok(()));
        assert!(ledger.check_winner(0, &chain(&[b]), 1, 0, None).is_err());
        assert_eq!(ledger.check_winner(0, &chain(&[b]), 2, 0, None), Ok(()));
    }
}
