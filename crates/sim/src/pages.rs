//! Pages: records that visitors read through a cache, as behind `shipload cache`, and what the cache may show of them.
//!
//! A page is counted up by one visitor, one write at a time. What a read shows must not be older than its bound: not older than
//! what was known to be written when the bound began. Lives of copies are far too long on purpose.

use crate::client::answered;
use crate::host::NAMESPACE;
use shipload_cluster::NodeId;
use shipload_value::Digest;
use shipload_value::sketch::{Sketch, Union};
use shipload_wire::Header;
use shipload_wire::Op;
use shipload_wire::bits::op;
use shipload_wire::code::ResultCode;
use shipload_wire::request::{self, Key};

/// How many there are.
pub const PAGES: usize = 16;
/// The set that they are in.
const SET: &str = "pages";

/// A moment at which it was known what a page is.
#[derive(Debug, Clone, Copy)]
struct Known {
    at_us: u64,
    number: u64,
    /// The highest number that anybody had tried to write then.
    begun: u64,
}

/// A copy in the cache.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// What it shows.
    pub number: u64,
    /// When it was asked for.
    pub asked_us: u64,
    /// The end of its life.
    pub until_us: u64,
}

/// One page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    known: Vec<Known>,
    /// The last number that was tried.
    pub begun: u64,
    /// No write before this moment.
    pub rests_until_us: u64,
    /// A write is under way.
    pub busy: bool,
    /// What the cache holds of it.
    pub copy: Option<Copy>,
}

/// A sketch that is being put together.
#[derive(Debug)]
pub struct Gathering {
    /// When it began.
    pub began_us: u64,
    /// The node whose web door was asked.
    pub door: NodeId,
    /// Whom it still has to ask.
    pub left: Vec<NodeId>,
    /// What was answered.
    pub union: Union,
}

/// All pages, and the cache.
#[derive(Debug, Default)]
pub struct Pages {
    /// The pages.
    pub all: Vec<Page>,
    /// The sketch, and as of when it is.
    pub sketch: Option<(u64, Sketch)>,
    /// The next one.
    pub gathering: Option<Gathering>,
}

impl Page {
    /// It was seen to be this, or a write of it was acknowledged.
    pub fn is(&mut self, number: u64, at_us: u64) {
        self.known.push(Known { at_us, number, begun: self.begun });
    }

    /// All copies in the cluster are equal and hold this; what was known before does not count any more.
    pub fn settle(&mut self, number: u64, at_us: u64) {
        self.known.clear();
        self.is(number, at_us);
    }

    /// Checks what a read that was asked for at a moment showed.
    ///
    /// # Errors
    /// When it is older than the bound allows.
    pub fn check(&self, number: u64, asked_us: u64, bound_us: u64) -> Result<(), String> {
        let old = |known: &&Known| known.at_us + bound_us < asked_us;
        let Some(known) = self.known.iter().rev().find(old) else { return Ok(()) };
        if number == known.number || number > known.begun {
            return Ok(());
        }
        let age_ms = (asked_us - known.at_us) / 1000;
        Err(format!("it shows {number}, but it was {} {age_ms} ms before", known.number))
    }
}

/// The digest of a page.
#[must_use]
pub fn digest(page: usize) -> Digest {
    Digest::of(SET.as_bytes(), 1, &(page as u64).to_be_bytes())
}

/// Writes a page.
#[must_use]
pub fn write(page: usize, number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(page);
    let header = Header { record_ttl: u32::MAX, transaction_ttl: 1000, ..Header::default() };
    let number = number.to_be_bytes();
    let ops = [Op { code: op::WRITE, kind: 1, name: b"n", value: &number }];
    request::put(&mut out, &header, &Key::new(NAMESPACE, SET, &bytes), &ops);
    out
}

/// Reads a page.
#[must_use]
pub fn read(page: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let Digest(bytes) = digest(page);
    request::get(&mut out, &Key::new(NAMESPACE, SET, &bytes), 1000);
    out
}

/// The command that allows a copy of a page.
#[must_use]
pub fn lease(page: usize) -> String {
    format!("shipload-lease:namespace={NAMESPACE};digest={:?}", digest(page))
}

/// The command that asks a node what it knows for the sketch.
#[must_use]
pub fn ask_sketch() -> String {
    format!("shipload-sketch:namespace={NAMESPACE}")
}

/// How long a copy may live by an answer to [`lease`], in microseconds.
#[must_use]
pub fn life_us(answer: &str) -> u64 {
    let ttl = answer.split(';').find_map(|pair| pair.strip_prefix("ttl=")?.parse::<u64>().ok());
    ttl.unwrap_or(0) * 1000
}

/// How a write ended; none when nobody knows.
#[must_use]
pub fn written(frames: Option<&[u8]>) -> Option<ResultCode> {
    answered(frames?)?.code
}

#[cfg(test)]
mod tests {
    use super::{Page, life_us};

    #[test]
    fn what_is_older_than_the_bound_is_found() {
        let mut page = Page::default();
        assert!(page.check(7, 100, 0).is_ok(), "nothing is known");
        for number in 1..=3 {
            page.begun = number;
            page.is(number, number * 1000);
        }
        assert!(page.check(3, 3001, 0).is_ok() && page.check(2, 3001, 0).is_err());
        assert!(page.check(2, 3000, 0).is_ok(), "at the same moment");
        assert!(page.check(2, 3500, 500).is_ok() && page.check(2, 3501, 500).is_err());
        assert!(page.check(4, 9000, 0).is_ok(), "a later write may have been done");
        page.begun = 5;
        page.settle(3, 9000);
        assert!(page.check(3, 9001, 0).is_ok() && page.check(4, 9001, 0).is_err(), "it was seen not to be");
        assert!(page.check(6, 9001, 0).is_ok());
    }

    #[test]
    fn lives_are_read() {
        assert_eq!(life_us("ttl=250"), 250_000);
        assert_eq!(life_us("ttl=0;master=A"), 0);
        assert_eq!(life_us("ERROR:4:no"), 0);
    }
}
