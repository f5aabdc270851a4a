//! Lua states, kept by module and used again.
//!
//! A state is taken out by whoever calls, so that no lock is held while a script runs. It comes back when the call
//! has ended well and the modules are still the same; otherwise it is thrown away.

use crate::budget::{Clock, Limits};
use crate::error::{CallError, LoadError};
use crate::host::{Find, LogLine};
use crate::instance::{Instance, Moment, Returned, Side, StreamRun};
use crate::record::Record;
use parking_lot::Mutex;
use shipload_value::{OwnedParticle, Particle};
use std::collections::HashMap;
use std::sync::Arc;

/// The most idle states of one module.
const IDLE_MAX: usize = 16;
/// The most idle states of all modules.
const IDLE_ALL_MAX: usize = 64;

/// The registered modules.
pub trait Library: Send + Sync + 'static {
    /// Moves with every change.
    fn generation(&self) -> u64;
    /// The source of a module, named without its extension.
    fn source(&self, module: &str) -> Option<Arc<[u8]>>;
}

#[derive(Debug, Default)]
struct Idle {
    generation: u64,
    states: HashMap<String, Vec<Instance>>,
    count: usize,
}

/// Lua states by module.
#[derive(Default)]
pub struct LuaPool {
    idle: Mutex<Idle>,
    clock: Mutex<Option<Clock>>,
}

impl std::fmt::Debug for LuaPool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "LuaPool({} idle)", self.idle.lock().count)
    }
}

impl LuaPool {
    /// Gives the pool a clock, without which calls are bounded in instructions but not in time.
    pub fn set_clock(&self, clock: Clock) {
        *self.clock.lock() = Some(clock);
    }

    /// A state with this module in it, for calls within these limits.
    ///
    /// # Errors
    /// When there is no such module, or when it fails to load.
    pub fn take<L: Library>(
        self: &Arc<Self>,
        library: &Arc<L>,
        module: &str,
        limits: Limits,
    ) -> Result<Lease, LoadError> {
        let generation = library.generation();
        if let Some(mut instance) = self.idle(generation, module) {
            instance.set_limits(limits);
            return Ok(self.lease(generation, module, instance));
        }
        let source = library.source(module).ok_or(LoadError::NoModule)?;
        let others = Arc::clone(library);
        let find: Find = Arc::new(move |name| others.source(name));
        let clock = self.clock.lock().clone();
        let instance = Instance::new(limits, clock, find, module, &source).map_err(LoadError::Failed)?;
        Ok(self.lease(generation, module, instance))
    }

    fn lease(self: &Arc<Self>, generation: u64, module: &str, instance: Instance) -> Lease {
        Lease { pool: Arc::clone(self), generation, module: module.to_owned(), instance: Some(instance) }
    }

    fn idle(&self, generation: u64, module: &str) -> Option<Instance> {
        let mut idle = self.idle.lock();
        if idle.generation != generation {
            *idle = Idle { generation, ..Idle::default() };
            return None;
        }
        let instance = idle.states.get_mut(module)?.pop()?;
        idle.count -= 1;
        Some(instance)
    }

    fn give_back(&self, generation: u64, module: &str, instance: Instance) {
        let mut idle = self.idle.lock();
        if idle.generation != generation || idle.count >= IDLE_ALL_MAX {
            return;
        }
        let states = idle.states.entry(module.to_owned()).or_default();
        if states.len() < IDLE_MAX {
            states.push(instance);
            idle.count += 1;
        }
    }

    /// Throws all idle states away.
    pub fn clear(&self) {
        *self.idle.lock() = Idle::default();
    }
}

/// A state that is taken out of the pool; dropping it gives it back.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<LuaPool>,
    generation: u64,
    module: String,
    instance: Option<Instance>,
}

impl Lease {
    fn run<T>(&mut self, run: impl FnOnce(&mut Instance) -> Result<T, CallError>) -> Result<T, CallError> {
        match &mut self.instance {
            Some(instance) => run(instance),
            None => Err(CallError::NoFunction),
        }
    }

    /// Other limits for the calls to come.
    pub fn set_limits(&mut self, limits: Limits) {
        if let Some(instance) = &mut self.instance {
            instance.set_limits(limits);
        }
    }

    /// Calls a function of the module on a record. `args` is a packed list; anything else is no arguments.
    pub fn apply(&mut self, function: &str, args: &[u8], record: Record, now: Moment) -> Returned {
        match &mut self.instance {
            Some(instance) => instance.apply(function, args, record, now),
            None => Returned::nothing(),
        }
    }

    /// Calls a stream function of the module.
    ///
    /// # Errors
    /// When it fails or gives back no stream.
    pub fn open(&mut self, function: &str, args: &[u8], now: Moment) -> Result<StreamRun, CallError> {
        self.run(|instance| instance.open(function, args, Side::Node, now))
    }

    /// The same for the client's part.
    ///
    /// # Errors
    /// When it fails or gives back no stream.
    pub fn open_at_client(
        &mut self,
        function: &str,
        args: &[u8],
        now: Moment,
    ) -> Result<StreamRun, CallError> {
        self.run(|instance| instance.open(function, args, Side::Client, now))
    }

    /// Sends one value through the client's part of a stream; what comes out at its end is given back.
    ///
    /// # Errors
    /// When a function of the stream fails; the stream is not to be used again.
    pub fn push_value(
        &mut self,
        run: &StreamRun,
        value: Particle<'_>,
        now: Moment,
    ) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        self.run(|instance| instance.push_value(run, value, now))
    }

    /// Sends one record through a stream; what comes out at its end is given back.
    ///
    /// # Errors
    /// When a function of the stream fails; the stream is not to be used again.
    pub fn push(
        &mut self,
        run: &StreamRun,
        record: Record,
        now: Moment,
    ) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        self.run(|instance| instance.push(run, record, now))
    }

    /// Ends a stream; what it held back is given back.
    ///
    /// # Errors
    /// When a function of the stream fails.
    pub fn finish(&mut self, run: &StreamRun, now: Moment) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        self.run(|instance| instance.finish(run, now))
    }

    /// Instructions that the last call took, about.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instance.as_ref().map_or(0, Instance::instructions)
    }

    /// Takes what the stream's functions logged.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        self.instance.as_ref().map(Instance::take_log).unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take()
            && instance.is_healthy()
        {
            self.pool.give_back(self.generation, &self.module, instance);
        }
    }
}
