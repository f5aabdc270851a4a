//! Functions that clients registered: the modules, the Lua states that run them, and what they logged.
//!
//! Guarantees: a call is bounded as the `mod-lua` stanza says; a script that logs without end fills no memory.

use crate::config::{Config, ModLuaKey, ServiceKey};
use crate::modules::Modules;
use crate::node::Notice;
use crate::now::Now;
use parking_lot::Mutex;
use shipload_lua::{Lease, Limits, LoadError, LogLine, LuaPool, Moment};
use std::sync::Arc;

/// The most lines that wait for the log; later ones are dropped.
const LOG_WAITING: usize = 1024;

/// Registered modules and what runs their functions.
#[derive(Debug, Default)]
pub struct Functions {
    /// The registered modules.
    pub modules: Arc<Modules>,
    /// The Lua states; the shell gives it a clock.
    pub pool: Arc<LuaPool>,
    log: Mutex<Vec<Notice>>,
}

impl Functions {
    /// A state in which functions of a module can be called.
    ///
    /// # Errors
    /// When there is no such module, or it does not load.
    pub(crate) fn take(&self, config: &Config, module: &[u8]) -> Result<Lease, LoadError> {
        let module = std::str::from_utf8(module).map_err(|_| LoadError::NoModule)?;
        self.pool.take(&self.modules, module, limits(config))
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

/// The moment of a call.
pub(crate) fn moment(now: Now) -> Moment {
    Moment { unix_ms: now.unix_ns / 1_000_000 }
}
