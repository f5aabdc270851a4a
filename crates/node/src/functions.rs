//! Functions that clients registered: the modules, the Lua states that run them, and what they logged.
//!
//! Guarantees: a call is bounded as the `mod-lua` stanza says; a script that logs without end fills no memory.
//!
//! Most functions are done in less time than it takes to hand them to somebody. So a call is tried at once, under the
//! record's lock, for [`SHORT_INSTRUCTIONS`]. A function that takes longer is known for it from then on, and is called
//! without any lock (`command::udf`), by threads of its own where the shell keeps some ([`lane`]).

mod lane;

pub use lane::FunctionTurn;
pub(crate) use lane::{Handed, Lane};

use crate::config::{Config, ModLuaKey, ServiceKey};
use crate::modules::Modules;
use crate::node::Notice;
use crate::now::Now;
use parking_lot::{Mutex, RwLock};
use shipload_lua::{Lease, Library as _, Limits, LoadError, LogLine, LuaPool, Moment};
use std::collections::HashSet;
use std::sync::Arc;

/// So long a call may hold its record's lock: about a millisecond.
const SHORT_INSTRUCTIONS: u64 = 100_000;
/// The same in time, where a clock is there; far above what the instructions take.
const SHORT_NS: u64 = 10_000_000;
/// How long a call is waited for that may take as long as it wants to: an hour.
const NO_LIMIT_NS: u64 = 3_600_000_000_000;
/// The most functions that are known to take long; then all are forgotten.
const LONG_MAX: usize = 1024;

/// The most lines that wait for the log; later ones are dropped.
const LOG_WAITING: usize = 1024;

/// Registered modules and what runs their functions.
#[derive(Debug, Default)]
pub struct Functions {
    /// The registered modules.
    pub modules: Arc<Modules>,
    /// The Lua states; the shell gives it a clock.
    pub pool: Arc<LuaPool>,
    pub(crate) lane: Lane,
    long: RwLock<Long>,
    log: Mutex<Vec<Notice>>,
}

/// Functions that were not done in a short time, as long as the modules are the same.
#[derive(Debug, Default)]
struct Long {
    generation: u64,
    names: HashSet<Vec<u8>>,
}

fn long_name(module: &[u8], function: &[u8]) -> Vec<u8> {
    [module, function].join(&0)
}

impl Functions {
    /// A state in which functions of a module can be called.
    ///
    /// # Errors
    /// When there is no such module, or it does not load.
    pub(crate) fn take(&self, config: &Config, module: &[u8]) -> Result<Lease, LoadError> {
        self.load(module, limits(config))
    }

    /// The same, if that takes only a short time.
    pub(crate) fn take_soon(&self, config: &Config, module: &[u8]) -> Option<Lease> {
        let all = limits(config);
        let mut lease = self.load(module, short_limits(config).unwrap_or(all)).ok()?;
        lease.set_limits(all);
        Some(lease)
    }

    fn load(&self, module: &[u8], limits: Limits) -> Result<Lease, LoadError> {
        let module = std::str::from_utf8(module).map_err(|_| LoadError::NoModule)?;
        self.pool.take(&self.modules, module, limits)
    }

    /// Whether a function is known to take long.
    pub(crate) fn is_long(&self, module: &[u8], function: &[u8]) -> bool {
        let long = self.long.read();
        !long.names.is_empty()
            && long.generation == self.modules.generation()
            && long.names.contains(&long_name(module, function))
    }

    /// From now on a function is known to take long.
    pub(crate) fn note_long(&self, module: &[u8], function: &[u8]) {
        let generation = self.modules.generation();
        let mut long = self.long.write();
        if long.generation != generation || long.names.len() >= LONG_MAX {
            *long = Long { generation, names: HashSet::new() };
        }
        long.names.insert(long_name(module, function));
    }

    /// Whether functions may run at all.
    pub(crate) fn are_allowed(config: &Config) -> bool {
        !config.service.flag(ServiceKey::DisableUdfExecution)
    }

    /// Keeps what a function logged until maintenance hands it to the shell.
    pub(crate) fn note(&self, module: &[u8], lines: Vec<LogLine>) {
        if lines.is_empty() {
            return;
        }
        let mut log = self.log.lock();
        let room = LOG_WAITING.saturating_sub(log.len());
        log.extend(lines.into_iter().take(room).map(|line| Notice::FunctionLog {
            module: String::from_utf8_lossy(module).into_owned(),
            level: line.level,
            text: line.text,
        }));
    }

    pub(crate) fn take_log(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.log.lock())
    }
}

fn limits(config: &Config) -> Limits {
    let number = |key| config.mod_lua.number(key);
    Limits {
        instructions: number(ModLuaKey::MaxInstructions),
        memory_bytes: usize::try_from(number(ModLuaKey::MaxMemory)).unwrap_or(usize::MAX),
        time_ns: number(ModLuaKey::MaxMs).saturating_mul(1_000_000),
    }
}

/// What a call may use while it holds its record's lock; none when all that it may use is no more than that.
pub(crate) fn short_limits(config: &Config) -> Option<Limits> {
    let all = limits(config);
    let time_ns = if all.time_ns == 0 { SHORT_NS } else { all.time_ns.min(SHORT_NS) };
    (all.instructions > SHORT_INSTRUCTIONS).then_some(Limits {
        instructions: SHORT_INSTRUCTIONS,
        time_ns,
        ..all
    })
}

/// The longest that one call may take, in nanoseconds, for those who wait for it.
pub(crate) fn patience_ns(config: &Config) -> u64 {
    match limits(config).time_ns {
        0 => NO_LIMIT_NS,
        time_ns => time_ns,
    }
}

/// The moment of a call.
pub(crate) fn moment(now: Now) -> Moment {
    Moment { unix_ms: now.unix_ns / 1_000_000 }
}
