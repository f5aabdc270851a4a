//! Writes: one or many operations on one record, applied to a draft and committed at once.

use super::draft::BIN_COUNT_MAX;
use super::view::{Header, StoredView};
use super::{Answer, Command, Place, Verdict, apply, filter, policy, refuse};
use crate::cluster::Shard;
use crate::worker::{Scratch, Worker};
use shipload_store::{KeyRef, Meta, Put, RecordRef};
use shipload_wire::bits::{info2, info3};
use shipload_wire::code::ResultCode;
use std::sync::atomic::Ordering;

/// Executes a write.
pub(super) fn run(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    answer: &mut Answer<'_>,
) -> Verdict {
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
    let mut stripe = place.namespace.stripe(&command.digest);
    if !stripe.executes(&command.digest, || place.namespace.writes_unresolved()) {
        return Verdict::bare(ResultCode::Unavailable);
    }
    let record = place.namespace.find(&stripe, &command.digest, place.now);
    let present = record.as_ref().map(RecordRef::meta);
    if full && record.is_none() {
        return Verdict::bare(ResultCode::Forbidden);
    }
    if let Err(code) = open(place, worker, command, record.as_ref()) {
        return present.map_or(Verdict::bare(code), |meta| Verdict::on(code, &meta));
    }
    let header = match &record {
        Some(record) => Header::stored(record, command.set),
        None => Header::missing(command),
    };
    let mut work = apply::Work::new(command, &mut worker.scratch, &header, place.now);
    let applied = place
        .namespace
        .ttl_rules(command.set)
        .void_time(command.ttl, present.map(|meta| meta.void_time), place.now.since_2010_s())
        .and_then(|void_time| {
            command.ops.clone().try_for_each(|op| work.apply(&op, answer)).map(|()| void_time)
        });
    let committed = applied.and_then(|void_time| {
        let meta = next_meta(place, present, set, void_time);
        commit(place, worker, command, &mut stripe, present.is_some(), &meta)
    });
    match (committed, present) {
        (Ok(verdict), _) => verdict,
        (Err(code), Some(meta)) => Verdict::on(code, &meta),
        (Err(code), None) => Verdict::bare(code),
    }
}

/// Checks whether the write may happen, and takes over what it works on.
fn open(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    record: Option<&RecordRef<'_>>,
) -> Result<(), ResultCode> {
    let Some(record) = record else {
        worker.scratch.begin();
        return policy::may_create(command);
    };
    policy::may_change(command, &record.meta())?;
    let header = Header::stored(record, command.set);
    filter::check(command.filter, &StoredView { record, header: &header }, place.now)?;
    policy::check_key(command, record.key())?;
    if command.has3(info3::CREATE_OR_REPLACE | info3::REPLACE_ONLY) {
        worker.scratch.load_key(record);
    } else {
        worker.scratch.load(record);
    }
    Ok(())
}

pub(super) fn next_meta(
    place: Place<'_>,
    present: Option<Meta>,
    set: shipload_store::SetId,
    void_time: u32,
) -> Meta {
    let generation = present.map_or(1, |meta| meta.generation.wrapping_add(1).max(1));
    let set = present.map_or(set, |meta| meta.set);
    // A copy that came from a node whose clock is ahead must not be older after this write than before it.
    let before_ms = present.map_or(0, |meta| meta.last_update_ms);
    let last_update_ms = place.namespace.last_update_ms(place.now).max(before_ms);
    Meta { generation, void_time, last_update_ms, set }
}

/// Puts the draft into the store; a draft without bins deletes the record.
pub(super) fn commit(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    stripe: &mut Shard,
    existed: bool,
    meta: &Meta,
) -> Result<Verdict, ResultCode> {
    let scratch: &Scratch = &worker.scratch;
    if scratch.draft.is_empty() {
        return delete_last_bin(place, worker, command, stripe, existed);
    }
    if scratch.draft.len() > BIN_COUNT_MAX {
        return Err(ResultCode::Parameter);
    }
    let sent = command.fields.user_key().map(|(kind, bytes)| KeyRef { kind, bytes });
    let key = sent.or_else(|| scratch.key());
    place.namespace.check_size(&scratch.draft, key)?;
    let _put: Put = stripe.put(&command.digest, meta, key, scratch.draft.iter()).map_err(refuse::store)?;
    place.replicate(worker, stripe, &command.digest, command.commit());
    Ok(Verdict::on(ResultCode::Ok, meta))
}

fn delete_last_bin(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    stripe: &mut Shard,
    existed: bool,
) -> Result<Verdict, ResultCode> {
    if !existed {
        return Err(ResultCode::NotFound);
    }
    if command.has2(info2::DURABLE_DELETE) {
        return Err(ResultCode::EnterpriseOnly);
    }
    let gone = place.namespace.changes.removing(place.now, stripe, &command.digest);
    stripe.remove(&command.digest).map_err(refuse::store)?;
    place.namespace.changes.note(gone);
    place.replicate(worker, stripe, &command.digest, command.commit());
    worker.counters(place.namespace).deleted_last_bin.inc();
    Ok(Verdict::bare(ResultCode::Ok))
}
