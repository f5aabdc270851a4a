//! Requests of our own protocol, built once and patched in place: digest, key and a few bytes of each value.

use super::dialect::{Answer, Dialect, key_digits, write_decimal};
use super::random::Random;
use super::shape::{BinShape, ObjectShape};
use super::stats::Outcome;
use super::workload::{Class, Operation};
use anyhow::{Context as _, ensure};
use shipload_value::{Digest, ParticleType};
use shipload_wire::request::{self, Key};
use shipload_wire::{Cut, Header, Limits, Op, ResultCode, frame};
use std::ops::Range;

/// Stands for the digest until it is patched; found again by its bytes.
const PLACEHOLDER: &[u8; 20] = b"\x01digest-goes-here\x02\x03\x04";

/// Names the records of a run.
#[derive(Debug, Clone)]
pub(super) struct Keyspace {
    pub(super) namespace: String,
    pub(super) set: String,
    /// Text before the number of the key.
    pub(super) prefix: String,
    pub(super) keys: u64,
    /// Whether the user key is sent, and so stored, with writes.
    pub(super) send_key: bool,
}

/// One prepared request.
#[derive(Debug, Clone)]
struct Template {
    bytes: Vec<u8>,
    digest: Range<usize>,
    user_key: Option<Range<usize>>,
}

/// The values of a prepared write, by their place in it.
type Values = Vec<(BinShape, Range<usize>)>;

/// The requests of one thread.
#[derive(Debug, Clone)]
pub(super) struct Records {
    set: Vec<u8>,
    /// The key of the last request, prefix and digits.
    key: Vec<u8>,
    prefix_size: usize,
    read: Template,
    write: Template,
    values: Values,
    limits: Limits,
}

impl Records {
    /// Prepares the requests; `timeout_ms` goes into each.
    pub(super) fn new(space: &Keyspace, shape: &ObjectShape, timeout_ms: u32) -> anyhow::Result<Records> {
        ensure!((1..=31).contains(&space.namespace.len()), "a namespace has 1 to 31 characters");
        ensure!(space.set.len() <= 63, "a set has at most 63 characters");
        ensure!(space.prefix.len() <= 200, "a key prefix has at most 200 characters");
        let prefix_size = space.prefix.len();
        let mut key = space.prefix.as_bytes().to_vec();
        key.resize(prefix_size + key_digits(space.keys), b'0');

        let mut bytes = Vec::new();
        request::get(&mut bytes, &Key::new(&space.namespace, &space.set, PLACEHOLDER), timeout_ms);
        let read = Template::new(bytes, None)?;
        let (write, values) = write_template(space, shape, &key, timeout_ms)?;
        let set = space.set.as_bytes().to_vec();
        Ok(Records { set, key, prefix_size, read, write, values, limits: Limits::default() })
    }
}

/// The write of a whole record, and where its values stand.
fn write_template(
    space: &Keyspace,
    shape: &ObjectShape,
    key: &[u8],
    timeout_ms: u32,
) -> anyhow::Result<(Template, Values)> {
    let names: Vec<String> = (0..shape.bins.len()).map(ObjectShape::bin_name).collect();
    let contents: Vec<Vec<u8>> = shape.bins.iter().map(|bin| vec![b'a'; bin.size()]).collect();
    let ops: Vec<Op<'_>> = shape
        .bins
        .iter()
        .zip(&names)
        .zip(&contents)
        .map(|((bin, name), value)| request::write_op(name.as_bytes(), bin.kind(), value))
        .collect();
    let string = ParticleType::String.number();
    let user_key = space.send_key.then_some((string, key));
    let target = Key { user_key, ..Key::new(&space.namespace, &space.set, PLACEHOLDER) };
    let mut bytes = Vec::new();
    let header = Header { transaction_ttl: timeout_ms, ..Header::default() };
    request::put(&mut bytes, &header, &target, &ops);

    // The operations end the request, so that their places are found from the end.
    let mut end = bytes.len();
    let mut values = Vec::new();
    for (bin, op) in shape.bins.iter().zip(&ops).rev() {
        values.push((*bin, end - op.value.len()..end));
        end -= op.wire_size();
    }
    values.reverse();
    Ok((Template::new(bytes, user_key.map(|(_, key)| key.len()))?, values))
}

impl Template {
    fn new(bytes: Vec<u8>, key_size: Option<usize>) -> anyhow::Result<Template> {
        let start = bytes.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER);
        let start = start.context("the request does not hold its digest")?;
        let digest = start..start + PLACEHOLDER.len();
        // The key's field follows the digest's: size 4, id 1, type 1, then the key itself.
        let user_key = key_size.map(|size| digest.end + 6..digest.end + 6 + size);
        Ok(Template { bytes, digest, user_key })
    }

    fn aim(&mut self, digest: &Digest, key: &[u8]) {
        self.bytes[self.digest.clone()].copy_from_slice(&digest.0);
        if let Some(place) = &self.user_key {
            self.bytes[place.clone()].copy_from_slice(key);
        }
    }
}

impl Dialect for Records {
    fn request(&mut self, operation: Operation, random: &mut Random, out: &mut Vec<u8>) {
        write_decimal(&mut self.key[self.prefix_size..], operation.key);
        let digest = Digest::of(&self.set, ParticleType::String.number(), &self.key);
        let template = match operation.class {
            Class::Read => &mut self.read,
            Class::Write => {
                for (bin, place) in &self.values {
                    bin.freshen(&mut self.write.bytes[place.clone()], random.next());
                }
                &mut self.write
            }
        };
        template.aim(&digest, &self.key);
        out.extend_from_slice(&template.bytes);
    }

    fn answer(&self, _class: Class, received: &[u8]) -> Answer {
        match frame::cut(received, &self.limits) {
            Cut::Incomplete { .. } => Answer::Incomplete,
            Cut::Refuse(_) => Answer::Broken,
            Cut::Frame { frame, consumed } => match frame.body.get(5) {
                Some(&code) if frame.kind == frame::MESSAGE => {
                    Answer::Whole { consumed, outcome: outcome_of(code) }
                }
                Some(_) | None => Answer::Broken,
            },
        }
    }
}

fn outcome_of(code: u8) -> Outcome {
    match ResultCode::from_number(code) {
        Some(ResultCode::Ok) => Outcome::Done,
        Some(ResultCode::NotFound) => Outcome::Missing,
        Some(_) | None => Outcome::Refused(code),
    }
}

/// What a refused operation's code means.
pub(super) fn code_text(code: u8) -> String {
    let text = ResultCode::from_number(code).map_or("unknown result code", ResultCode::text);
    format!("{code} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipload_wire::bits::{info1, info2};
    use shipload_wire::{Request, reply};

    fn keyspace(send_key: bool) -> Keyspace {
        Keyspace { namespace: "test".into(), set: "demo".into(), prefix: "key".into(), keys: 1000, send_key }
    }

    fn records(send_key: bool) -> Records {
        let shape: ObjectShape = "I1,S20,B100".parse().unwrap();
        Records::new(&keyspace(send_key), &shape, 1000).unwrap()
    }

    #[test]
    fn a_read_asks_for_the_whole_record_of_its_key() {
        let mut out = Vec::new();
        let operation = Operation { class: Class::Read, key: 42 };
        records(false).request(operation, &mut Random::new(1), &mut out);
        let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
        assert_eq!(got.header.info1, info1::READ | info1::GET_ALL);
        assert_eq!(got.header.transaction_ttl, 1000);
        assert_eq!(got.fields.digest20(), Some(&Digest::of(b"demo", 3, b"key042").0));
    }

    #[test]
    fn a_write_sends_every_bin_fresh_and_the_key_when_asked() {
        let mut records = records(true);
        let mut random = Random::new(1);
        let mut sent = Vec::new();
        for key in [7, 7, 999] {
            let mut out = Vec::new();
            records.request(Operation { class: Class::Write, key }, &mut random, &mut out);
            let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
            let name = format!("key{key:03}");
            assert_eq!(got.header.info2, info2::WRITE);
            assert_eq!(got.fields.user_key(), Some((3, name.as_bytes())));
            assert_eq!(got.fields.digest20(), Some(&Digest::of(b"demo", 3, name.as_bytes()).0));
            let bins: Vec<_> = got.ops.map(|op| (op.name.to_vec(), op.kind, op.value.to_vec())).collect();
            let shapes: Vec<_> =
                bins.iter().map(|(name, kind, value)| (name[0], *kind, value.len())).collect();
            assert_eq!(shapes, [(b'a', 1, 8), (b'b', 3, 20), (b'c', 4, 100)]);
            assert!(bins[1].2.iter().all(u8::is_ascii_lowercase));
            assert!(!sent.contains(&bins), "every write has its own values");
            sent.push(bins);
        }
    }

    #[test]
    fn answers_are_found_and_told_apart() {
        let records = records(false);
        let mut out = Vec::new();
        reply::simple(&mut out, ResultCode::Ok, 1, 0);
        let size = out.len();
        assert_eq!(records.answer(Class::Read, &out[..size - 1]), Answer::Incomplete);
        assert_eq!(records.answer(Class::Read, &[]), Answer::Incomplete);
        let whole = |outcome| Answer::Whole { consumed: size, outcome };
        assert_eq!(records.answer(Class::Read, &out), whole(Outcome::Done));
        for (code, outcome) in [(2, Outcome::Missing), (8, Outcome::Refused(8)), (250, Outcome::Refused(250))]
        {
            out[frame::HEADER_SIZE + 5] = code;
            assert_eq!(records.answer(Class::Write, &out), whole(outcome));
        }
        assert_eq!(records.answer(Class::Read, b"-ERR not our protocol\r\n"), Answer::Broken);
        out[1] = frame::INFO;
        assert_eq!(records.answer(Class::Read, &out), Answer::Broken);
        assert_eq!(
            (code_text(8), code_text(250)),
            ("8 server is full".into(), "250 unknown result code".into())
        );
    }

    #[test]
    fn names_that_no_server_takes_are_refused_early() {
        let shape: ObjectShape = "B1".parse().unwrap();
        let long = Keyspace { namespace: "n".repeat(32), ..keyspace(false) };
        assert!(Records::new(&long, &shape, 0).is_err());
        let long = Keyspace { set: "s".repeat(64), ..keyspace(false) };
        assert!(Records::new(&long, &shape, 0).is_err());
    }
}
