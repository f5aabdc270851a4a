//! One connection's worth of load: writes, deletes and truncates of its own set.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use shipload_wire::code::ResultCode;

use super::Random;
use super::client::Client;
use super::ledger::Ledger;

/// Records that a writer works on.
pub(super) const KEYS: u64 = 64;

/// A writer, who remembers what it did.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) set: String,
    pub(super) ledger: Ledger,
    pub(super) acked_writes: u64,
    pub(super) acked_deletes: u64,
    pub(super) acked_truncates: u64,
    random: Random,
    versions: u64,
}

impl Writer {
    pub(super) fn new(number: u64, seed: u64) -> Writer {
        Writer {
            set: format!("set{number}"),
            ledger: Ledger::new(KEYS),
            acked_writes: 0,
            acked_deletes: 0,
            acked_truncates: 0,
            random: Random(seed ^ (number << 32)),
            versions: number << 48,
        }
    }

    /// Works until it is told to stop or the node is gone.
    pub(super) fn run(&mut self, node: SocketAddr, stop: &AtomicBool) -> Result<()> {
        let Ok(mut client) = Client::connect(node) else { return Ok(()) };
        while !stop.load(Ordering::Relaxed) {
            let key = self.random.below(KEYS);
            let goes_on = match self.random.below(2000) {
                0 => self.truncate(&mut client),
                1..=400 => self.delete(&mut client, key)?,
                _ => self.put(&mut client, key)?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn put(&mut self, client: &mut Client, key: u64) -> Result<bool> {
        self.versions += 1;
        let version = self.versions;
        match client.put(&self.set, key, &value_of(version)) {
            Ok(ResultCode::Ok) => {
                self.acked_writes += 1;
                self.ledger.note(key, Some(version), Some(Instant::now()), false);
                Ok(true)
            }
            // So little is stored that none may be refused: whoever writes waits for room.
            Ok(other) => bail!("a write was answered with {other:?}"),
            Err(_) => {
                self.ledger.note(key, Some(version), None, false);
                Ok(false)
            }
        }
    }

    fn delete(&mut self, client: &mut Client, key: u64) -> Result<bool> {
        match client.delete(&self.set, key) {
            Ok(ResultCode::Ok) => {
                self.acked_deletes += 1;
                self.ledger.note(key, None, Some(Instant::now()), false);
                Ok(true)
            }
            Ok(ResultCode::NotFound) if self.ledger.last(key).is_none() => Ok(true),
            Ok(other) => bail!("a delete was answered with {other:?}"),
            Err(_) => {
                self.ledger.note(key, None, None, false);
                Ok(false)
            }
        }
    }

    fn truncate(&mut self, client: &mut Client) -> bool {
        let done = client.truncate(&self.set).is_ok();
        let acked = done.then(Instant::now);
        (0..KEYS).for_each(|key| self.ledger.note(key, None, acked, true));
        self.acked_truncates += u64::from(done);
        done
    }
}

/// The value that belongs to a version; it says all about itself.
fn value_of(version: u64) -> Vec<u8> {
    let mut random = Random(version);
    let length = match random.below(100) {
        0 => 40_000 + random.below(60_000),
        1..=40 => 1000,
        _ => 50 + random.below(4000),
    };
    let length = usize::try_from(length).unwrap_or(1000);
    let mut value = Vec::with_capacity(length + 16);
    value.extend_from_slice(&version.to_le_bytes());
    while value.len() < length {
        value.extend_from_slice(&random.next().to_le_bytes());
    }
    value
}

/// The version whose value this is; none when it is no version's.
pub(super) fn version_of(value: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(*value.first_chunk()?);
    (value == value_of(version)).then_some(version)
}
