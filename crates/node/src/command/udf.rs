//! Calls of functions on one record.
//!
//! A function works on a copy of the record; what it saved is applied as one write by the same code as an operate
//! command's. A function that fails changes nothing. A short one runs under the stripe's lock. One that takes longer runs
//! without: then the record must still be what it was when the function ends, or the function is called again.
//! Source: `guide/protocol.md` parts 4.8 and 12.5.

use super::tally::{Lang, Origin, count_lang};
use super::view::{Header, StoredView};
use super::{Answer, Command, Place, Verdict, filter, policy, write};
use crate::cluster::Shard;
use crate::functions::{Functions, moment, short_limits};
use crate::namespace::Namespace;
use crate::now::{EPOCH_2010_S, Now};
use crate::worker::Worker;
use parking_lot::MutexGuard;
use shipload_lua::record::{Action, Change, Key, Record};
use shipload_lua::{CallError, Lease, LoadError, Returned};
use shipload_store::{Meta, RecordRef, SetId};
use shipload_value::{OwnedParticle, Particle, ParticleType};
use shipload_wire::bits::op;
use shipload_wire::code::ResultCode;
use std::sync::atomic::Ordering;

/// Name of the bin that carries a result.
pub(crate) const SUCCESS: &[u8] = b"SUCCESS";
/// Name of the bin that carries an error text.
pub(crate) const FAILURE: &[u8] = b"FAILURE";
/// What a missing module answers.
pub(crate) const NO_MODULE: &str = "UDF: Execution Error 1";

/// So often a function is called anew because its record has changed meanwhile.
const ATTEMPTS: usize = 4;

/// A call, as far as it is known before the record is looked at.
struct Call<'c> {
    place: Place<'c>,
    command: &'c Command<'c>,
    origin: Origin,
    set: SetId,
    /// The set takes no new records.
    full: bool,
}

/// Executes a call.
pub(super) fn run(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    origin: Origin,
    answer: &mut Answer<'_>,
) -> Verdict {
    if !Functions::are_allowed(place.node.config()) {
        return Verdict::bare(ResultCode::Forbidden);
    }
    if place.namespace.state.stop_writes.load(Ordering::Relaxed) {
        return Verdict::bare(ResultCode::ServerFull);
    }
    if place.namespace.misses_set(command.set) {
        return Verdict::bare(ResultCode::Parameter);
    }
    let Some(set) = worker.set_for_write(place.namespace, command.set) else {
        return Verdict::bare(ResultCode::Parameter);
    };
    let full = place.namespace.is_set_full(command.set, set);
    let call = Call { place, command, origin, set, full };
    if let Some(verdict) = call.at_once(worker, answer) {
        return verdict;
    }
    if worker.may_hand_over {
        worker.hands_over = true;
        return Verdict::bare(ResultCode::Unavailable);
    }
    call.apart(worker, answer)
}

/// A record as a function saw it, to be told from what it has become.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    meta: Option<Meta>,
    /// Where it lies and what its bytes sum up to: a record that was removed and made anew within the same
    /// millisecond has another place.
    place: usize,
    checksum: Option<[u8; 4]>,
}

impl Seen {
    fn of(record: Option<&RecordRef<'_>>) -> Seen {
        let bytes = record.map(RecordRef::bytes).unwrap_or_default();
        Seen {
            meta: record.map(RecordRef::meta),
            place: bytes.as_ptr().addr(),
            checksum: bytes.first_chunk().copied().filter(|_| record.is_some()),
        }
    }

    fn is_still(&self, record: Option<&RecordRef<'_>>) -> bool {
        match record {
            Some(_) => *self == Seen::of(record),
            None => self.meta.is_none(),
        }
    }
}

fn load_text(error: &LoadError) -> String {
    match error {
        LoadError::NoModule => NO_MODULE.to_owned(),
        LoadError::Failed(text) => text.clone(),
    }
}

fn end(code: ResultCode, present: Option<Meta>) -> Verdict {
    present.map_or(Verdict::bare(code), |meta| Verdict::on(code, &meta))
}

/// Whether the function may be called on this record.
fn may_run(place: Place<'_>, command: &Command<'_>, record: &RecordRef<'_>) -> Result<(), ResultCode> {
    let header = Header::stored(record, command.set);
    filter::check(command.filter, &StoredView { record, header: &header }, place.now)?;
    policy::check_key(command, record.key())
}

impl Call<'_> {
    fn module(&self) -> &[u8] {
        self.command.fields.udf_package.unwrap_or_default()
    }

    fn function(&self) -> &[u8] {
        self.command.fields.udf_function.unwrap_or_default()
    }

    fn lock(&self) -> Result<MutexGuard<'_, Shard>, Verdict> {
        let Place { namespace, .. } = self.place;
        let stripe = namespace.stripe(&self.command.digest);
        if stripe.executes(&self.command.digest, || namespace.writes_unresolved()) {
            Ok(stripe)
        } else {
            Err(Verdict::bare(ResultCode::Unavailable))
        }
    }

    /// Calls the function under the record's lock. None when it takes too long for that, or can't be loaded soon while
    /// somebody else could do so.
    fn at_once(&self, worker: &mut Worker, answer: &mut Answer<'_>) -> Option<Verdict> {
        let Place { node, namespace, now } = self.place;
        let (functions, config) = (&node.functions, node.config());
        if functions.is_long(self.module(), self.function()) {
            return None;
        }
        let mut lease = match worker.may_hand_over {
            true => Ok(functions.take_soon(config, self.module())?),
            false => functions.take(config, self.module()),
        };
        let short = short_limits(config);
        let mut stripe = match self.lock() {
            Ok(stripe) => stripe,
            Err(verdict) => return Some(verdict),
        };
        let record = namespace.find(&stripe, &self.command.digest, now);
        let present = record.as_ref().map(RecordRef::meta);
        if let Some(record) = &record
            && let Err(code) = may_run(self.place, self.command, record)
        {
            return Some(Verdict::on(code, &record.meta()));
        }
        let returned = match &mut lease {
            Ok(lease) => {
                if let Some(limits) = short {
                    lease.set_limits(limits);
                }
                let returned = self.ask(worker, lease, self.record(record.as_ref()));
                if returned.is_too_long && short.is_some() {
                    functions.note_long(self.module(), self.function());
                    return None;
                }
                Ok(returned)
            }
            Err(error) => Err(load_text(error)),
        };
        Some(self.conclude(worker, &mut stripe, present, returned, answer))
    }

    /// Calls the function on a copy of the record, without a lock. What it did is done to the record if that is what it was
    /// before; otherwise the function is called again.
    fn apart(&self, worker: &mut Worker, answer: &mut Answer<'_>) -> Verdict {
        let Place { node, namespace, now } = self.place;
        for _ in 0..ATTEMPTS {
            let lease = node.functions.take(node.config(), self.module());
            let stripe = match self.lock() {
                Ok(stripe) => stripe,
                Err(verdict) => return verdict,
            };
            let record = namespace.find(&stripe, &self.command.digest, now);
            let seen = Seen::of(record.as_ref());
            if let Some(record) = &record
                && let Err(code) = may_run(self.place, self.command, record)
            {
                return Verdict::on(code, &record.meta());
            }
            let copy = self.record(record.as_ref());
            drop(stripe);
            let returned = match lease {
                Ok(mut lease) => Ok(self.ask(worker, &mut lease, copy)),
                Err(error) => Err(load_text(&error)),
            };
            let changes = matches!(&returned, Ok(returned) if returned.change.action != Action::Nothing);
            let mut stripe = match self.lock() {
                Ok(stripe) => stripe,
                Err(verdict) => return verdict,
            };
            let is_same = || seen.is_still(namespace.find(&stripe, &self.command.digest, now).as_ref());
            if !changes || is_same() {
                return self.conclude(worker, &mut stripe, seen.meta, returned, answer);
            }
        }
        Verdict::bare(ResultCode::KeyBusy)
    }

    /// A copy of the record, for the function.
    fn record(&self, record: Option<&RecordRef<'_>>) -> Record {
        let Call { place, command, .. } = self;
        match record {
            Some(record) => lua_record(place.namespace, record, command.set, place.now),
            None => Record {
                most_bytes: most_bytes(place.namespace),
                ..Record::missing(command.digest, command.set)
            },
        }
    }

    /// Runs the function.
    fn ask(&self, worker: &mut Worker, lease: &mut Lease, record: Record) -> Returned {
        let function = String::from_utf8_lossy(self.function());
        let args = self.command.fields.udf_args.unwrap_or_default();
        let returned = lease.apply(&function, args, record, moment(self.place.now));
        worker.instructions = worker.instructions.saturating_add(returned.instructions);
        returned
    }

    /// Answers what the function returned, and does what it did. The texts are those of modules that can't be loaded.
    fn conclude(
        &self,
        worker: &mut Worker,
        stripe: &mut Shard,
        present: Option<Meta>,
        returned: Result<Returned, String>,
        answer: &mut Answer<'_>,
    ) -> Verdict {
        let Returned { value, change, log, .. } = match returned {
            Ok(returned) => returned,
            Err(text) => return self.failed(worker, present, &text, answer),
        };
        self.place.node.functions.note(self.module(), log);
        match value {
            Ok(value) => {
                let value = value.as_ref().map(OwnedParticle::as_particle);
                if let Err(code) = answer.result(SUCCESS, value) {
                    return end(code, present);
                }
                match self.apply(worker, stripe, present, &change) {
                    Ok(verdict) => verdict,
                    Err(code) => end(code, present),
                }
            }
            Err(CallError::NoFunction) => {
                self.failed(worker, present, &CallError::NoFunction.to_string(), answer)
            }
            Err(CallError::Failed(text)) => self.failed(worker, present, &text, answer),
        }
    }

    /// Answers that the call failed.
    fn failed(&self, worker: &Worker, present: Option<Meta>, text: &str, answer: &mut Answer<'_>) -> Verdict {
        count_lang(worker.counters(self.place.namespace), self.origin, Lang::Error);
        let text = Particle { kind: ParticleType::String, bytes: text.as_bytes() };
        let code = answer.value(op::READ, FAILURE, text).err().unwrap_or(ResultCode::Udf);
        end(code, present)
    }

    /// Does to the stored record what the function did to its copy.
    fn apply(
        &self,
        worker: &mut Worker,
        stripe: &mut Shard,
        present: Option<Meta>,
        change: &Change,
    ) -> Result<Verdict, ResultCode> {
        let meta = present.unwrap_or_default();
        let (lang, verdict) = match change.action {
            Action::Nothing => (Lang::Read, Verdict::on(ResultCode::Ok, &meta)),
            Action::Remove => {
                let gone =
                    self.place.namespace.changes.removing(self.place.now, stripe, &self.command.digest);
                stripe.remove(&self.command.digest).map_err(super::refuse::store)?;
                self.place.namespace.changes.note(gone);
                self.place.replicate(worker, stripe, &self.command.digest, self.command.commit());
                // The answer tells the generation that the removal would have had.
                let meta = Meta { generation: meta.generation.wrapping_add(1).max(1), ..meta };
                (Lang::Delete, Verdict::on(ResultCode::Ok, &meta))
            }
            Action::Write { .. } if self.full && present.is_none() => return Err(ResultCode::Forbidden),
            Action::Write { fresh } => (Lang::Write, self.write(worker, stripe, present, fresh, change)?),
        };
        count_lang(worker.counters(self.place.namespace), self.origin, lang);
        Ok(verdict)
    }

    fn write(
        &self,
        worker: &mut Worker,
        stripe: &mut Shard,
        present: Option<Meta>,
        fresh: bool,
        change: &Change,
    ) -> Result<Verdict, ResultCode> {
        let Call { place, command, set, .. } = self;
        match stripe.get(&command.digest).filter(|_| present.is_some()) {
            Some(record) if fresh => worker.scratch.load_key(&record),
            Some(record) => worker.scratch.load(&record),
            None => worker.scratch.begin(),
        }
        if change.drop_key {
            worker.scratch.drop_key();
        }
        for (name, value) in &change.bins {
            match value {
                Some(value) => worker.scratch.draft.set(name, value).map_err(super::refuse::value)?,
                None => worker.scratch.draft.delete(name),
            }
        }
        if worker.scratch.draft.is_empty() && present.is_none() {
            return Ok(Verdict::bare(ResultCode::Ok));
        }
        let void_time = place.namespace.ttl_rules(command.set).void_time(
            wanted_ttl(command, change)?,
            present.filter(|_| !fresh).map(|meta| meta.void_time),
            place.now.since_2010_s(),
        )?;
        let meta = write::next_meta(*place, present.filter(|_| !fresh), *set, void_time);
        write::commit(*place, worker, command, stripe, present.is_some(), &meta)
    }
}

/// The TTL of the request, unless the function chose one.
fn wanted_ttl(command: &Command<'_>, change: &Change) -> Result<u32, ResultCode> {
    match change.ttl {
        None => Ok(command.ttl),
        // -1 and -2 mean what they mean in requests.
        Some(ttl @ (-2 | -1)) => {
            i32::try_from(ttl).map(i32::cast_unsigned).map_err(|_| ResultCode::Parameter)
        }
        Some(ttl) => u32::try_from(ttl).map_err(|_| ResultCode::Parameter),
    }
}

fn most_bytes(namespace: &Namespace) -> usize {
    usize::try_from(namespace.max_record_size()).unwrap_or(usize::MAX)
}

/// A stored record as functions see it.
pub(crate) fn lua_record(namespace: &Namespace, record: &RecordRef<'_>, set: &[u8], now: Now) -> Record {
    let meta = record.meta();
    let owned = |bin: shipload_store::BinRef<'_>| {
        (bin.name.to_vec(), OwnedParticle { kind: bin.kind, bytes: bin.value.to_vec() })
    };
    Record {
        exists: true,
        digest: record.digest(),
        generation: meta.generation,
        ttl_s: meta.void_time.saturating_sub(now.since_2010_s()),
        last_update_ms: meta.last_update_ms + EPOCH_2010_S * 1000,
        size: record.size(),
        set: set.to_vec(),
        key: record.key().map(|key| Key { kind: key.kind, bytes: key.bytes.to_vec() }),
        bins: record.bins().map(owned).collect(),
        most_bytes: most_bytes(namespace),
    }
}
