//! One record at a time.

use super::answer::{code, last_update, last_update_op, malformed, record};
use super::{Bins, Digest, Place, Record, RecordError, Records, key_particle};
use crate::value::{Value, particle};
use shipload_wire::bits::{info1, info2, info3};
use shipload_wire::query::partition_of;
use shipload_wire::request::{self, Key};
use shipload_wire::{Header, Op, Response, ResultCode};

/// How long a node may work on one record, in milliseconds.
pub(super) const TIMEOUT_MS: u32 = 10_000;
/// A write that leaves the time to live as it is.
const KEEP_TTL: u32 = u32::MAX - 1;

/// Whether a record must, may or must not be there before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It must not.
    Create,
    /// It must; bins that are not named stay.
    Update,
    /// It may; bins that are not named stay.
    Upsert,
    /// It may; bins that are not named vanish.
    Replace,
}

/// A write of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Its name.
    pub digest: Digest,
    /// Its user key, stored with it.
    pub key: Option<Value>,
    /// What must be there.
    pub mode: Mode,
    /// The generation that it must have.
    pub generation: Option<u32>,
    /// Bins; null removes one.
    pub bins: Vec<(String, Value)>,
}

impl Write {
    /// The header's bits.
    pub(super) fn header(&self) -> Header {
        let (create, policy) = match self.mode {
            Mode::Create => (info2::CREATE_ONLY, 0),
            Mode::Update => (0, info3::UPDATE_ONLY),
            Mode::Upsert => (0, 0),
            Mode::Replace => (0, info3::CREATE_OR_REPLACE),
        };
        let same = if self.generation.is_some() { info2::GENERATION } else { 0 };
        Header {
            info2: info2::WRITE | create | same,
            info3: policy,
            generation: self.generation.unwrap_or(0),
            record_ttl: if self.mode == Mode::Update { KEEP_TTL } else { 0 },
            transaction_ttl: TIMEOUT_MS,
            ..Header::default()
        }
    }
}

/// Particles of bins, owned.
pub(super) fn particles(bins: &[(String, Value)]) -> Vec<(&str, u8, Vec<u8>)> {
    bins.iter()
        .map(|(name, value)| {
            let (kind, bytes) = particle::encode(value);
            (name.as_str(), kind, bytes)
        })
        .collect()
}

/// The operations that write them.
pub(super) fn write_ops<'a>(particles: &'a [(&'a str, u8, Vec<u8>)]) -> Vec<Op<'a>> {
    particles.iter().map(|(name, kind, bytes)| request::write_op(name.as_bytes(), *kind, bytes)).collect()
}

/// Header bits of a read.
pub(super) fn read_header(bins: &Bins) -> Header {
    let info1 = match bins {
        Bins::All | Bins::AllAndTime => info1::READ | info1::GET_ALL,
        Bins::Some(_) => info1::READ,
        Bins::None => info1::READ | info1::GET_NOBINDATA,
    };
    Header { info1, transaction_ttl: TIMEOUT_MS, ..Header::default() }
}

/// The operations of a read; `last_update` is [`last_update`]'s value.
pub(super) fn read_ops<'a>(bins: &'a Bins, last_update: &'a [u8]) -> Vec<Op<'a>> {
    match bins {
        Bins::Some(names) => names.iter().map(|name| request::read_op(name.as_bytes())).collect(),
        Bins::AllAndTime => vec![request::read_op(b""), last_update_op(last_update)],
        Bins::All | Bins::None => Vec::new(),
    }
}

impl Records {
    /// Reads a record; none when there is none.
    ///
    /// # Errors
    /// When the node refuses, or can't be reached.
    pub async fn get(
        &self,
        place: &Place,
        digest: &Digest,
        bins: &Bins,
    ) -> Result<Option<Record>, RecordError> {
        let mut out = Vec::new();
        let key = Key::new(&place.namespace, &place.set, digest);
        request::command(&mut out, &read_header(bins), &key, &read_ops(bins, &last_update()));
        let body = match self.transport.glance(&out, &place.namespace, partition_of(digest)) {
            Some(body) => body,
            None => self.ask(out, true).await?,
        };
        let response = Response::decode(&body).map_err(malformed)?;
        match code(&response) {
            ResultCode::Ok => Ok(Some(record(&response, Some(digest)))),
            ResultCode::NotFound => Ok(None),
            refused => Err(RecordError::Refused(refused)),
        }
    }

    /// Writes a record and gives its new generation.
    ///
    /// # Errors
    /// When the node refuses, or can't be reached; then it may have been written.
    pub async fn write(&self, place: &Place, write: &Write) -> Result<u32, RecordError> {
        let mut out = Vec::new();
        let user_key = write.key.as_ref().and_then(key_particle);
        let user_key = user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
        let key = Key { user_key, ..Key::new(&place.namespace, &place.set, &write.digest) };
        let particles = particles(&write.bins);
        request::command(&mut out, &write.header(), &key, &write_ops(&particles));
        self.change(out).await
    }

    /// Deletes a record, if it has this generation; false when there is none.
    ///
    /// # Errors
    /// When the node refuses, or can't be reached; then it may have been deleted.
    pub async fn delete(
        &self,
        place: &Place,
        digest: &Digest,
        generation: Option<u32>,
    ) -> Result<bool, RecordError> {
        let mut out = Vec::new();
        let same = if generation.is_some() { info2::GENERATION } else { 0 };
        let header = Header {
            info2: same,
            generation: generation.unwrap_or(0),
            transaction_ttl: TIMEOUT_MS,
            ..Header::default()
        };
        request::delete(&mut out, &header, &Key::new(&place.namespace, &place.set, digest));
        match self.change(out).await {
            Ok(_) => Ok(true),
            Err(RecordError::Refused(ResultCode::NotFound)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn change(&self, request: Vec<u8>) -> Result<u32, RecordError> {
        let body = self.ask(request, false).await?;
        let response = Response::decode(&body).map_err(malformed)?;
        match code(&response) {
            ResultCode::Ok => Ok(response.header.generation),
            refused => Err(RecordError::Refused(refused)),
        }
    }
}
