//! One Lua state with the prelude and one module in it.

use crate::api::Api;
use crate::budget::{Budget, Clock, HOOK_INSTRUCTIONS, Limits, MEMORY_MIN};
use crate::buffer::Allowance;
use crate::convert;
use crate::error::CallError;
use crate::host::{Find, Host, LogLine, Shared};
use crate::record::{Cell, Change, Record};
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
use shipload_value::msgpack::Reader;
use shipload_value::{OwnedParticle, Particle, canonical};
use std::sync::Arc;

/// When a call happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What the function returned; none for nil, and for what is no value, like a function.
    pub value: Result<Option<OwnedParticle>, CallError>,
    /// What it did to the record; nothing when it failed.
    pub change: Change,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// Instructions that it took, about.
    pub instructions: u64,
    /// It was ended because it took too many instructions or too long.
    pub is_too_long: bool,
}

impl Returned {
    /// The end of a call that found no function.
    pub(crate) fn nothing() -> Returned {
        let value = Err(CallError::NoFunction);
        Returned { value, change: Change::default(), log: Vec::new(), instructions: 0, is_too_long: false }
    }
}

/// A state that is ready for calls.
#[derive(Debug)]
pub(crate) struct Instance {
    lua: Lua,
    api: Api,
    session: Shared,
    budget: Arc<Budget>,
    limits: Limits,
    /// Number of the next record.
    next_id: i64,
}

/// Compiles the source of a module.
pub(crate) fn chunk(lua: &Lua, module: &str, source: &[u8]) -> mlua::Result<Function> {
    let name = crate::check::chunk_name(&format!("{module}.lua"));
    lua.load(source).set_name(name).set_mode(ChunkMode::Text).into_function()
}

impl Instance {
    /// A state with this module in it.
    ///
    /// # Errors
    /// What the module says when it is loaded.
    pub(crate) fn new(
        limits: Limits,
        clock: Option<Clock>,
        find: Find,
        module: &str,
        source: &[u8],
    ) -> Result<Instance, String> {
        let instance = Instance::empty(limits, clock, find).map_err(|error| crate::text::of_error(&error))?;
        instance.budget.begin(&limits);
        let loaded = chunk(&instance.lua, module, source);
        let loaded = loaded.map_err(|error| crate::text::of_error(&error))?;
        instance.call(&loaded, MultiValue::new())?;
        Ok(instance)
    }

    fn empty(limits: Limits, clock: Option<Clock>, find: Find) -> mlua::Result<Instance> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let budget = Arc::new(Budget::new(clock));
        budget.begin(&limits);
        let session = Shared::default();
        lua.set_app_data(Allowance::new(limits.memory_bytes.max(MEMORY_MIN)));
        let host = Host { session: Arc::clone(&session), budget: Arc::clone(&budget), find };
        let api = Api::install(&lua, &host.table(&lua)?, &budget)?;
        lua.set_app_data(api.clone());
        lua.set_memory_limit(limits.memory_bytes.max(MEMORY_MIN))?;
        let hook = Arc::clone(&budget);
        lua.set_hook(HookTriggers::new().every_nth_instruction(HOOK_INSTRUCTIONS), move |_, _| {
            hook.spend(u64::from(HOOK_INSTRUCTIONS)).map(|()| VmState::Continue)
        })?;
        Ok(Instance { lua, api, session, budget, limits, next_id: 1 })
    }

    /// Other limits for the calls to come.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        if limits.memory_bytes != self.limits.memory_bytes {
            // Without a limit of its own a state would keep the old one, which is a limit just as well.
            let _ = self.lua.set_memory_limit(limits.memory_bytes.max(MEMORY_MIN));
        }
        self.limits = limits;
    }

    /// Whether the state may be used again: no limit was passed, and it is not nearly full.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.budget.is_over() && self.lua.used_memory() < self.limits.memory_bytes / 2
    }

    /// Calls a function of the module on a record.
    pub(crate) fn apply(&mut self, function: &str, args: &[u8], record: Record, now: Moment) -> Returned {
        let id = self.begin(now, Some(record));
        let value = self.function(function).and_then(|function| {
            let record = self.api.wrap_record.call::<Value>((id, true)).map_err(failed)?;
            let mut values = self.arguments(args).map_err(failed)?;
            values.push_front(record);
            let returned = self.call(&function, values).map_err(CallError::Failed)?;
            convert::to_particle(&self.api, &returned).map_err(CallError::Failed)
        });
        let (cell, log) = self.end();
        let change = match (&value, cell) {
            (Ok(_), Some(cell)) => cell.change,
            (Ok(_) | Err(_), _) => Change::default(),
        };
        let (instructions, is_too_long) = (self.budget.used(), self.budget.is_too_long());
        Returned { value, change, log, instructions, is_too_long }
    }

    /// A global function that the module defined.
    fn function(&self, name: &str) -> Result<Function, CallError> {
        match self.lua.globals().raw_get::<Value>(name) {
            Ok(Value::Function(function)) if !name.is_empty() => Ok(function),
            Ok(_) | Err(_) => Err(CallError::NoFunction),
        }
    }

    /// Begins a call; the record's number is given back.
    fn begin(&mut self, now: Moment, record: Option<Record>) -> i64 {
        self.budget.begin(&self.limits);
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let mut session = self.session.lock();
        session.now_ms = now.unix_ms;
        session.cell = record.map(|record| (id, Cell::new(record)));
        id
    }

    fn end(&self) -> (Option<Cell>, Vec<LogLine>) {
        let mut session = self.session.lock();
        (session.cell.take().map(|(_, cell)| cell), std::mem::take(&mut session.log))
    }

    /// The elements of a packed list; anything else is no arguments.
    fn arguments(&self, packed: &[u8]) -> mlua::Result<MultiValue> {
        let mut checked = Vec::new();
        let mut values = MultiValue::new();
        if canonical::list(packed, &mut checked).is_err() {
            return Ok(values);
        }
        let mut reader = Reader::new(&checked);
        if let Ok(head) = reader.list_head() {
            for _ in 0..head.count {
                values.push_back(convert::read(&self.lua, &self.api, &mut reader, 0)?);
            }
        }
        Ok(values)
    }

    /// Calls a function so that its error is one text. Only its first result counts.
    fn call(&self, function: &Function, mut args: MultiValue) -> Result<Value, String> {
        args.push_front(Value::Function(function.clone()));
        let outcome = self.api.call.call::<(bool, Value)>(args);
        if self.budget.is_over() {
            return Err(self.budget.text().to_owned());
        }
        let problem = match outcome {
            Ok((true, value)) => return Ok(value),
            Ok((false, problem)) => crate::text::of_value(&problem),
            Err(error) => crate::text::of_error(&error),
        };
        if problem == "not enough memory" {
            self.budget.out_of_memory();
        }
        Err(problem)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: mlua::Error) -> CallError {
    CallError::Failed(crate::text::of_error(&error))
}

/// Whose part of an aggregation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A node's: records go in, and all is done up to the first reduce, that one included.
    Node,
    /// A client's: what nodes gave goes in, and the first reduce is done again with all that follows it.
    Client,
}

/// One part of an aggregation under way: values go in one after the other, results come out.
#[derive(Debug)]
pub struct StreamRun {
    push: Function,
    finish: Function,
    results: Table,
}

impl Instance {
    /// Calls a stream function of the module.
    ///
    /// # Errors
    /// When it fails or gives back no stream.
    pub(crate) fn open(
        &mut self,
        function: &str,
        args: &[u8],
        side: Side,
        now: Moment,
    ) -> Result<StreamRun, CallError> {
        self.begin(now, None);
        let function = self.function(function)?;
        let mut values = self.arguments(args).map_err(failed)?;
        values.push_front(self.api.new_stream.call::<Value>(()).map_err(failed)?);
        let stream = self.call(&function, values).map_err(CallError::Failed)?;
        let results = self.lua.create_table().map_err(failed)?;
        let into = results.clone();
        let emit = self.lua.create_function(move |_, value: Value| into.raw_push(value)).map_err(failed)?;
        let (push, finish) = self
            .api
            .pipeline
            .call::<(Function, Function)>((stream, emit, side == Side::Client))
            .map_err(failed)?;
        Ok(StreamRun { push, finish, results })
    }

    /// Sends one record through; what comes out at the end of the pipe is given back.
    ///
    /// # Errors
    /// When a function of the stream fails; the stream is not to be used again.
    pub(crate) fn push(
        &mut self,
        run: &StreamRun,
        record: Record,
        now: Moment,
    ) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        let id = self.begin(now, Some(record));
        let record = self.api.wrap_record.call::<Value>((id, false)).map_err(failed)?;
        self.call(&run.push, MultiValue::from_iter([record])).map_err(CallError::Failed)?;
        self.results(run)
    }

    /// Sends one value through, as [`Instance::push`] a record.
    ///
    /// # Errors
    /// When a function of the stream fails; the stream is not to be used again.
    pub(crate) fn push_value(
        &mut self,
        run: &StreamRun,
        value: Particle<'_>,
        now: Moment,
    ) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        self.begin(now, None);
        let value = convert::to_lua(&self.lua, &self.api, value).map_err(failed)?;
        self.call(&run.push, MultiValue::from_iter([value])).map_err(CallError::Failed)?;
        self.results(run)
    }

    /// Ends the stream; what it held back is given back.
    ///
    /// # Errors
    /// When a function of the stream fails.
    pub(crate) fn finish(
        &mut self,
        run: &StreamRun,
        now: Moment,
    ) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        self.begin(now, None);
        self.call(&run.finish, MultiValue::new()).map_err(CallError::Failed)?;
        self.results(run)
    }

    fn results(&self, run: &StreamRun) -> Result<Vec<Option<OwnedParticle>>, CallError> {
        let count = run.results.raw_len();
        let mut particles = Vec::with_capacity(count);
        for place in 1..=count {
            let value = run.results.raw_get::<Value>(place).map_err(failed)?;
            particles.push(convert::to_particle(&self.api, &value).map_err(CallError::Failed)?);
        }
        if count > 0 {
            run.results.clear().map_err(failed)?;
        }
        Ok(particles)
    }

    /// Instructions that the last call took, about.
    pub(crate) fn instructions(&self) -> u64 {
        self.budget.used()
    }

    /// Takes what was logged since the last time.
    pub(crate) fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.session.lock().log)
    }
}
