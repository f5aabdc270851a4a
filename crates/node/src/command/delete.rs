//! Deletes of whole records by the DELETE bit. Their answers tell nothing about the record.

use super::view::{Header, StoredView};
use super::{Command, Place, Verdict, filter, policy, refuse};
use crate::worker::Worker;
use shipload_store::RecordRef;
use shipload_wire::code::ResultCode;

/// Executes a delete.
pub(super) fn run(place: Place<'_>, worker: &mut Worker, command: &Command<'_>) -> Verdict {
    let mut stripe = place.namespace.stripe(&command.digest);
    if !stripe.executes(&command.digest, || place.namespace.writes_unresolved()) {
        return Verdict::bare(ResultCode::Unavailable);
    }
    let Some(record) = place.namespace.find(&stripe, &command.digest, place.now) else {
        return Verdict::bare(ResultCode::NotFound);
    };
    if let Err(code) = check(place, command, &record) {
        return Verdict::bare(code);
    }
    let gone = place.namespace.changes.removing(place.now, &stripe, &command.digest);
    if let Err(error) = stripe.remove(&command.digest) {
        return Verdict::bare(refuse::store(error));
    }
    place.namespace.changes.note(gone);
    place.replicate(worker, &mut stripe, &command.digest, command.commit());
    Verdict::bare(ResultCode::Ok)
}

fn check(place: Place<'_>, command: &Command<'_>, record: &RecordRef<'_>) -> Result<(), ResultCode> {
    policy::check_generation(command, record.meta().generation)?;
    let header = Header::stored(record, command.set);
    filter::check(command.filter, &StoredView { record, header: &header }, place.now)?;
    policy::check_key(command, record.key())
}
