//! What one call may use: instructions, memory, time.
//!
//! Lua calls a hook every [`HOOK_INSTRUCTIONS`] instructions, which takes them off the budget. Library functions that
//! loop inside the host pay by themselves. Once something is used up it stays so until the next call begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

/// Instructions between two looks at the budget.
pub(crate) const HOOK_INSTRUCTIONS: u32 = 1000;
/// Memory that a state may take before the prelude and the module are in.
pub(crate) const MEMORY_MIN: usize = 1 << 20;

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of the Lua machine.
    pub instructions: u64,
    /// Bytes that a state may hold, its module's included; at least one MiB.
    pub memory_bytes: usize,
    /// Nanoseconds that a call may take, 0 for no limit; counts only where there is a clock.
    pub time_ns: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { instructions: 200_000_000, memory_bytes: 64 << 20, time_ns: 1_000_000_000 }
    }
}

/// A monotonic clock in nanoseconds, which the shell has.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

const FINE: u8 = 0;
const INSTRUCTIONS: u8 = 1;
const MEMORY: u8 = 2;
const TIME: u8 = 3;

/// What is left of the limits of the call under way.
#[derive(Default)]
pub(crate) struct Budget {
    left: AtomicI64,
    given: AtomicI64,
    deadline_ns: AtomicU64,
    over: AtomicU8,
    clock: Option<Clock>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Budget({} left)", self.left.load(Ordering::Relaxed))
    }
}

impl Budget {
    pub(crate) fn new(clock: Option<Clock>) -> Budget {
        Budget { clock, ..Budget::default() }
    }

    /// Begins a call.
    pub(crate) fn begin(&self, limits: &Limits) {
        let instructions = i64::try_from(limits.instructions).unwrap_or(i64::MAX);
        self.left.store(instructions, Ordering::Relaxed);
        self.given.store(instructions, Ordering::Relaxed);
        let deadline = match &self.clock {
            Some(clock) if limits.time_ns != 0 => clock().saturating_add(limits.time_ns),
            Some(_) | None => u64::MAX,
        };
        self.deadline_ns.store(deadline, Ordering::Relaxed);
        self.over.store(FINE, Ordering::Relaxed);
    }

    /// Takes work off the budget.
    ///
    /// # Errors
    /// When something is used up.
    pub(crate) fn spend(&self, instructions: u64) -> mlua::Result<()> {
        let cost = i64::try_from(instructions).unwrap_or(i64::MAX);
        let left = self.left.load(Ordering::Relaxed).saturating_sub(cost);
        self.left.store(left, Ordering::Relaxed);
        if left < 0 {
            self.pass(INSTRUCTIONS);
        }
        let deadline = self.deadline_ns.load(Ordering::Relaxed);
        if deadline != u64::MAX && self.clock.as_ref().is_some_and(|clock| clock() > deadline) {
            self.pass(TIME);
        }
        if self.is_over() { Err(mlua::Error::runtime(self.text())) } else { Ok(()) }
    }

    /// Notes that the memory was not enough.
    pub(crate) fn out_of_memory(&self) {
        self.pass(MEMORY);
    }

    fn pass(&self, limit: u8) {
        let _ = self.over.compare_exchange(FINE, limit, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether the call has used up something.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) != FINE
    }

    /// Whether the call has used up its instructions or its time.
    pub(crate) fn is_too_long(&self) -> bool {
        matches!(self.over.load(Ordering::Relaxed), INSTRUCTIONS | TIME)
    }

    /// What is used up, for the client.
    pub(crate) fn text(&self) -> &'static str {
        match self.over.load(Ordering::Relaxed) {
            MEMORY => "not enough memory",
            TIME => "time limit exceeded",
            _ => "instruction limit exceeded",
        }
    }

    /// Instructions used since the call began.
    pub(crate) fn used(&self) -> u64 {
        let used = self.given.load(Ordering::Relaxed).saturating_sub(self.left.load(Ordering::Relaxed));
        u64::try_from(used).unwrap_or(0)
    }
}
