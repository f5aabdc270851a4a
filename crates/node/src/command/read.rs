//! Reads: whole records, chosen bins, metadata only, and reading operations.
//!
//! Plain reads copy bin bytes from the store straight into the answer. Reading operations (and very many reads)
//! work on a copy of the bins, so that the stripe is locked only for the copy.

use super::ttl::{ReadTouch, read_touch};
use super::view::{Header, StoredView};
use super::{Answer, Command, Place, Verdict, apply, filter, policy};
use crate::cluster::Shard;
use crate::now::Now;
use crate::worker::{Scratch, Worker};
use shipload_cluster::replication::Commit;
use shipload_store::RecordRef;
use shipload_wire::bits::{info1, op};
use shipload_wire::code::ResultCode;

/// Up to this many looks at bins a read works on the stored record itself.
const DIRECT_LOOKS_MAX: usize = 4096;

/// Executes a read.
pub(super) fn run(
    place: Place<'_>,
    worker: &mut Worker,
    command: &Command<'_>,
    answer: &mut Answer<'_>,
) -> Verdict {
    let mut stripe = place.namespace.stripe(&command.digest);
    let partition = command.digest.partition();
    // Every acknowledged write is on every full copy, so a replica may answer too; and must, while its master is dying.
    let serves = stripe.executes(&command.digest, || place.namespace.reads_one());
    if !serves && (stripe.serves(partition) || !place.namespace.holdings.is_full(partition)) {
        return Verdict::bare(ResultCode::Unavailable);
    }
    let Some(record) = place.namespace.find(&stripe, &command.digest, place.now) else {
        return Verdict::bare(ResultCode::NotFound);
    };
    let meta = record.meta();
    let header = Header::stored(&record, command.set);
    let outcome = check(place, command, &record, &header);
    let touch = match outcome {
        Ok(touch) => touch,
        Err(code) => return Verdict::on(code, &meta),
    };
    let direct = is_direct(command, &record);
    let mut result = if direct {
        direct_read(command, &record, answer)
    } else {
        worker.scratch.load(&record);
        Ok(())
    };
    if let ReadTouch::Touch(void_time) = touch
        && serves
    {
        renew(place, worker, &mut stripe, command, void_time);
    }
    drop(stripe);
    if !direct {
        result = read_ops(command, &mut worker.scratch, &header, place.now, answer);
    }
    Verdict::on(result.err().unwrap_or(ResultCode::Ok), &meta)
}

/// Everything that can refuse a read of an existing record; says whether the record is to be renewed.
fn check(
    place: Place<'_>,
    command: &Command<'_>,
    record: &RecordRef<'_>,
    header: &Header<'_>,
) -> Result<ReadTouch, ResultCode> {
    let whole = command.has1(info1::GET_ALL | info1::GET_NOBINDATA);
    if !whole && command.ops.is_empty() {
        return Err(ResultCode::Parameter);
    }
    filter::check(command.filter, &StoredView { record, header }, place.now)?;
    policy::check_key(command, record.key())?;
    let meta = record.meta();
    let written_s = u32::try_from(meta.last_update_ms / 1000).unwrap_or(u32::MAX);
    let lifetime_s = meta.void_time.saturating_sub(written_s);
    let default_percent = place.namespace.read_touch_percent(command.set);
    read_touch(command.ttl, default_percent, meta.void_time, lifetime_s, place.now.since_2010_s())
}

fn renew(place: Place<'_>, worker: &mut Worker, stripe: &mut Shard, command: &Command<'_>, void_time: u32) {
    if place.namespace.renew(stripe, &command.digest, void_time, place.now) {
        place.replicate(worker, stripe, &command.digest, Commit::Master);
        worker.counters(place.namespace).read_touch_success.inc();
    } else {
        worker.counters(place.namespace).read_touch_error.inc();
    }
}

fn is_direct(command: &Command<'_>, record: &RecordRef<'_>) -> bool {
    let plain = command.ops.clone().all(|op| op.code == op::READ);
    let looks = command.ops.len().saturating_mul(record.bin_count());
    command.has1(info1::GET_NOBINDATA) || (plain && (command.ops.len() <= 1 || looks <= DIRECT_LOOKS_MAX))
}

fn direct_read(
    command: &Command<'_>,
    record: &RecordRef<'_>,
    answer: &mut Answer<'_>,
) -> Result<(), ResultCode> {
    if command.has1(info1::GET_NOBINDATA) {
        return Ok(());
    }
    let all = command.has1(info1::GET_ALL);
    if all && command.ops.is_empty() {
        return all_bins(record, answer);
    }
    let mut sent = false;
    for op in command.ops.clone() {
        if all && op.name.is_empty() {
            // However often a command asks for the whole record, its bins come once.
            if !std::mem::replace(&mut sent, true) {
                all_bins(record, answer)?;
            }
        } else {
            answer.maybe(op::READ, op.name, record.bin(op.name).map(|bin| bin.particle()))?;
        }
    }
    Ok(())
}

fn all_bins(record: &RecordRef<'_>, answer: &mut Answer<'_>) -> Result<(), ResultCode> {
    record.bins().try_for_each(|bin| answer.value(op::READ, bin.name, bin.particle()))
}

fn read_ops(
    command: &Command<'_>,
    scratch: &mut Scratch,
    header: &Header<'_>,
    now: Now,
    answer: &mut Answer<'_>,
) -> Result<(), ResultCode> {
    let mut work = apply::Work::new(command, scratch, header, now);
    command.ops.clone().try_for_each(|op| work.apply(&op, answer))
}

/// Reads for a query what `command` asks of a record that is already known to match. Says whether anything of it
/// is to be sent.
pub(crate) fn project(
    scratch: &mut Scratch,
    command: &Command<'_>,
    record: &RecordRef<'_>,
    set: &[u8],
    now: Now,
    answer: &mut Answer<'_>,
) -> bool {
    if command.has1(info1::GET_NOBINDATA) {
        return true;
    }
    if command.ops.is_empty() {
        return all_bins(record, answer).is_ok();
    }
    let outcome = if is_direct(command, record) {
        direct_read(command, record, answer)
    } else {
        scratch.load(record);
        let header = Header::stored(record, set);
        read_ops(command, scratch, &header, now, answer)
    };
    outcome.is_ok() && answer.count() > 0
}
