//! Requests of the Redis protocol, so that both servers are measured by one and the same loop.
//!
//! A read is `GET`, a write is `SET` of one value as large as all bins together.

use super::dialect::{Answer, Dialect, key_digits, write_decimal};
use super::random::Random;
use super::shape::{BinShape, ObjectShape};
use super::stats::Outcome;
use super::workload::{Class, Operation};
use std::ops::Range;

/// The code under which every refusal of this server is counted.
const ERROR_CODE: u8 = 1;
/// A value or error line longer than this is not believed, in bytes.
const LONGEST: usize = 512 << 20;

/// The requests of one thread.
#[derive(Debug, Clone)]
pub(super) struct Redis {
    read: Vec<u8>,
    read_key: Range<usize>,
    write: Vec<u8>,
    write_key: Range<usize>,
    value: Range<usize>,
}

impl Redis {
    /// Prepares the requests for keys of `prefix` and a number below `keys`.
    pub(super) fn new(prefix: &str, keys: u64, shape: &ObjectShape) -> Redis {
        let digits = key_digits(keys);
        let key = format!("{prefix}{}", "0".repeat(digits));
        let mut read = b"*2\r\n$3\r\nGET\r\n".to_vec();
        let read_key = bulk(&mut read, key.as_bytes());
        let mut write = b"*3\r\n$3\r\nSET\r\n".to_vec();
        let write_key = bulk(&mut write, key.as_bytes());
        let value = bulk(&mut write, &vec![b'a'; shape.size()]);
        let number = |place: Range<usize>| place.end - digits..place.end;
        Redis { read, read_key: number(read_key), write, write_key: number(write_key), value }
    }
}

/// Appends a bulk string and tells where its content stands.
fn bulk(out: &mut Vec<u8>, content: &[u8]) -> Range<usize> {
    out.extend_from_slice(format!("${}\r\n", content.len()).as_bytes());
    let start = out.len();
    out.extend_from_slice(content);
    let end = out.len();
    out.extend_from_slice(b"\r\n");
    start..end
}

impl Dialect for Redis {
    fn request(&mut self, operation: Operation, random: &mut Random, out: &mut Vec<u8>) {
        match operation.class {
            Class::Read => {
                write_decimal(&mut self.read[self.read_key.clone()], operation.key);
                out.extend_from_slice(&self.read);
            }
            Class::Write => {
                write_decimal(&mut self.write[self.write_key.clone()], operation.key);
                let value = &mut self.write[self.value.clone()];
                BinShape::Blob(value.len()).freshen(value, random.next());
                out.extend_from_slice(&self.write);
            }
        }
    }

    fn answer(&self, _class: Class, received: &[u8]) -> Answer {
        let Some(end) = received.windows(2).position(|pair| pair == b"\r\n") else {
            let hopeless =
                received.len() > 65536 || received.first().is_some_and(|byte| !b"+-$:".contains(byte));
            return if hopeless { Answer::Broken } else { Answer::Incomplete };
        };
        let line_size = end + 2;
        let line = &received[1..end.max(1)];
        let whole = |outcome| Answer::Whole { consumed: line_size, outcome };
        match received[0] {
            b'+' | b':' => whole(Outcome::Done),
            b'-' => whole(Outcome::Refused(ERROR_CODE)),
            b'$' if line == b"-1" => whole(Outcome::Missing),
            b'$' => bulk_answer(line, line_size, received.len()),
            _ => Answer::Broken,
        }
    }
}

/// An answer that is a bulk string, whose first line says its size.
fn bulk_answer(line: &[u8], line_size: usize, received: usize) -> Answer {
    let size = std::str::from_utf8(line).ok().and_then(|text| text.parse::<usize>().ok());
    match size.filter(|size| *size <= LONGEST).map(|size| line_size + size + 2) {
        None => Answer::Broken,
        Some(consumed) if consumed > received => Answer::Incomplete,
        Some(consumed) => Answer::Whole { consumed, outcome: Outcome::Done },
    }
}

/// What a refused operation's code means.
pub(super) fn code_text(_code: u8) -> String {
    "error answered by the server".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_key_and_a_fresh_value() {
        let shape: ObjectShape = "B10".parse().unwrap();
        let mut redis = Redis::new("k", 1000, &shape);
        let mut random = Random::new(1);
        let mut out = Vec::new();
        redis.request(Operation { class: Class::Read, key: 42 }, &mut random, &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$4\r\nk042\r\n");
        out.clear();
        redis.request(Operation { class: Class::Write, key: 7 }, &mut random, &mut out);
        assert!(out.starts_with(b"*3\r\n$3\r\nSET\r\n$4\r\nk007\r\n$10\r\n"));
        assert!(out.ends_with(b"aa\r\n"), "only the first eight bytes of a value change");
        assert_eq!(out.len(), b"*3\r\n$3\r\nSET\r\n$4\r\nk007\r\n$10\r\n".len() + 12);
    }

    #[test]
    fn answers_are_found_and_told_apart() {
        let redis = Redis::new("k", 10, &"B1".parse().unwrap());
        let answer = |bytes: &[u8]| redis.answer(Class::Read, bytes);
        let whole = |consumed, outcome| Answer::Whole { consumed, outcome };
        assert_eq!(answer(b"+OK\r\n"), whole(5, Outcome::Done));
        assert_eq!(answer(b"$-1\r\n"), whole(5, Outcome::Missing));
        assert_eq!(answer(b"$3\r\nabc\r\n"), whole(9, Outcome::Done));
        assert_eq!(answer(b"$2\r\n\r\n\r\n"), whole(8, Outcome::Done), "values may hold line ends");
        assert_eq!(answer(b"-OOM command not allowed\r\n"), whole(26, Outcome::Refused(1)));
        for part in [&b""[..], b"$", b"$3\r", b"$3\r\nabc\r", b"+OK\r", b"-"] {
            assert_eq!(answer(part), Answer::Incomplete, "{part:?}");
        }
        for wrong in [&b"\x02\x03\0"[..], b"$x\r\n", b"$99999999999999999999\r\n", b"\r\n", b"HTTP\r\n"] {
            assert_eq!(answer(wrong), Answer::Broken, "{wrong:?}");
        }
    }
}
