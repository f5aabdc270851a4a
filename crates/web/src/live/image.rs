//! Records as they are after a change, read once for all queries that look at them.

use crate::Web;
use crate::changes::Change;
use crate::command::{self, Projection, Record, bodies};
use crate::key::RecordKey;
use crate::problem::Problem;
use crate::records::Trouble;
use crate::schema::RecordView;
use shipload_value::expr::{self, Meta};
use shipload_value::{Digest, Particle, ParticleType};
use shipload_wire::{Response, ResultCode};
use std::sync::Arc;

/// A record after a change.
#[derive(Debug)]
pub(crate) struct Image {
    /// Which one.
    pub(crate) digest: Digest,
    /// How it is; none when it is not there.
    pub(crate) found: Option<Found>,
}

/// A record as filters see it and as it is shown.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) view: Arc<RecordView>,
    key: RecordKey,
    bins: Vec<(Vec<u8>, ParticleType, Vec<u8>)>,
    void_time: u32,
    last_update_ms: u64,
}

impl expr::RecordView for Found {
    fn bin(&self, name: &[u8]) -> Option<Particle<'_>> {
        let (_, kind, bytes) = self.bins.iter().find(|(known, _, _)| known == name)?;
        Some(Particle { kind: *kind, bytes })
    }

    fn meta(&self) -> Option<Meta<'_>> {
        Some(Meta {
            digest: self.key.digest,
            set_name: self.key.set.as_bytes(),
            key: self.key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice())),
            void_time: self.void_time,
            last_update_ms: self.last_update_ms,
            // No filter of this door asks for it.
            record_size: 0,
        })
    }
}

/// Reads the records of these changes, each named once.
///
/// # Errors
/// When one of them can't be read: then nothing is known of any.
pub(crate) async fn read(web: &Web, changes: &[&Change]) -> Result<Vec<Image>, Problem> {
    let mut frames = Vec::new();
    changes.iter().for_each(|change| command::read(&mut frames, &change.key, &Projection::All));
    let answer = web.records.call(frames, changes.len()).await?;
    let bodies = bodies(&answer, changes.len())?;
    changes.iter().zip(bodies).map(|(change, body)| image(&change.key, body)).collect()
}

fn image(key: &RecordKey, body: &[u8]) -> Result<Image, Problem> {
    let message = Response::decode(body).map_err(|_| Trouble::Garbled)?;
    let found = match message.result() {
        Some(ResultCode::Ok) => Some(found(key, &message)?),
        Some(ResultCode::NotFound) => None,
        Some(code) => return Err(code.into()),
        None => return Err(Trouble::Garbled.into()),
    };
    Ok(Image { digest: key.digest, found })
}

fn found(key: &RecordKey, message: &Response<'_>) -> Result<Found, Trouble> {
    let record = Record::of(message)?;
    let last_update_ms = record.version.last_update_ms;
    let bin = |op: shipload_wire::Op<'_>| {
        let kind = ParticleType::from_number(op.kind)?;
        Some((op.name.to_vec(), kind, op.value.to_vec()))
    };
    // The last one is the last-update time, not a bin.
    let bins = message.ops.clone().take(message.ops.len().saturating_sub(1)).filter_map(bin).collect();
    Ok(Found {
        view: Arc::new(RecordView::of(key, record)),
        key: key.clone(),
        bins,
        void_time: message.header.record_ttl,
        last_update_ms,
    })
}
