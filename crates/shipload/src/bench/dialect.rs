//! What differs between the servers that can be loaded: the bytes of a request, and where an answer ends.

use super::random::Random;
use super::stats::Outcome;
use super::workload::{Class, Operation};

/// What stands at the front of the bytes that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not a whole answer yet.
    Incomplete,
    /// An answer.
    Whole {
        /// Its bytes.
        consumed: usize,
        /// What it says.
        outcome: Outcome,
    },
    /// Not an answer of this protocol: the connection is of no use any more.
    Broken,
}

/// A protocol, with requests prepared for one thread.
pub(super) trait Dialect: Send {
    /// Appends the request of this operation.
    fn request(&mut self, operation: Operation, random: &mut Random, out: &mut Vec<u8>);

    /// Looks for the answer to an operation of this class.
    fn answer(&self, class: Class, received: &[u8]) -> Answer;
}

/// Writes `number` in decimal, filling `digits` from the right with leading zeros.
pub(super) fn write_decimal(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("invariant: a decimal digit is below 10");
        number /= 10;
    }
}

/// Digits that the largest key number needs, so that all keys have the same length.
pub(super) fn key_digits(keys: u64) -> usize {
    keys.saturating_sub(1).to_string().len()
}
