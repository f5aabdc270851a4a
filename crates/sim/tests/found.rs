//! Seeds that once found something, by what they found. Each must stay good, and go the same way twice.
//!
//! A seed's life changes whenever the simulator draws otherwise, so a seed alone is a weak guard: what it found has a test
//! of its own in room `cluster` where that was possible.

use shipload_sim::life::live;

fn good(seed: u64) {
    let outcome = live(seed, None, false, None);
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
    assert_eq!(live(seed, None, false, None).trace, outcome.trace, "the same seed went another way");
}

/// A node that was still being filled when it was left alone called its part newer than the whole copy.
#[test]
fn a_part_that_served_alone_does_not_replace_the_whole() {
    good(5);
}

/// A copy that was full in an earlier view, and got no writes any more, answered reads.
#[test]
fn a_copy_of_an_earlier_view_answers_no_reads() {
    good(43);
}

/// The acting master's writes overwrote newer records in copies that were still to be gathered.
#[test]
fn a_copy_that_is_gathered_keeps_what_wins() {
    good(28);
}
