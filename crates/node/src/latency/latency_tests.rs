//! Tests of the buckets and of the window.

use super::{
    BUCKETS, Doublings, Histograms, Named, OF_NAMESPACE, Slices, Totals, bound_us, bucket_of, show, sum,
};
use crate::timing::{Histogram, Timing};
use crate::worker::WorkerShared;
use std::sync::Arc;

fn totals_of(times_us: &[u64]) -> Totals {
    let doublings = Doublings::new();
    for us in times_us {
        doublings.record(us * 1_000);
    }
    let mut totals = Totals::EMPTY;
    totals.add(&doublings);
    totals
}

#[test]
fn buckets_lie_between_their_bounds() {
    for bucket in 1..BUCKETS - 1 {
        let (below, above) = (bound_us(bucket - 1).unwrap(), bound_us(bucket).unwrap());
        assert!(below < above, "{bucket}");
        assert_eq!(bucket_of(below * 1_000), bucket);
        assert_eq!(bucket_of(above * 1_000 - 1), bucket);
    }
    assert_eq!(bucket_of(0), 0);
    assert_eq!(bucket_of(999), 0);
    assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    assert_eq!(bound_us(BUCKETS - 1), None);
    for doubling in 0..17 {
        for bound in [1_u64 << doubling, 1_000 << doubling] {
            assert!((0..BUCKETS).any(|bucket| bound_us(bucket) == Some(bound)), "{bound}");
        }
    }
}

#[test]
fn percentages_are_exact_in_both_units() {
    let totals = totals_of(&[0, 1, 3, 999, 1_000, 1_500, 2_000, 70_000_000]);
    let millis = show(&totals, 1_000, 4_000_000_000);
    assert!(millis.starts_with("msec,2.0,50.00,25.00,12.50,12.50,"), "{millis}");
    assert!(millis.ends_with(",12.50"), "{millis}");
    assert_eq!(millis.split(',').count(), 19);
    let micros = show(&totals, 1, 4_000_000_000);
    assert!(micros.starts_with("usec,2.0,87.50,75.00,62.50,62.50,"), "{micros}");
}

#[test]
fn sums_over_workers_and_namespaces() {
    let workers: Vec<Arc<WorkerShared>> = (0..2).map(|_| Arc::new(WorkerShared::new(2))).collect();
    for worker in &workers {
        worker.latency.record(Timing { namespace: 1, histogram: Histogram::Write }, 5_000_000);
        worker.latency.record(Timing { namespace: 7, histogram: Histogram::Write }, 5_000_000);
        worker.latency.record(Timing { namespace: 0, histogram: Histogram::BatchIndex }, 5_000_000);
    }
    let all = sum(&workers, 2);
    assert_eq!(all.len(), 1 + 2 * OF_NAMESPACE.len());
    let counted: Vec<&Named> = all.iter().filter(|named| named.totals.count() > 0).collect();
    assert_eq!(counted.len(), 2);
    assert_eq!((counted[0].namespace, counted[0].histogram), (None, Histogram::BatchIndex));
    assert_eq!((counted[1].namespace, counted[1].histogram), (Some(1), Histogram::Write));
    assert_eq!(counted[1].totals.sum_ns, 10_000_000);
}

#[test]
fn the_window_forgets_what_is_older_than_two_slices() {
    let workers = vec![Arc::new(WorkerShared::new(1))];
    let slices = Slices::default();
    let second = 1_000_000_000;
    let timing = Timing { namespace: 0, histogram: Histogram::Read };
    let read = |slices: &Slices, seconds: u64| {
        slices.advance(seconds * second, || sum(&workers, 1));
        let (elapsed_ns, window) = slices.window(seconds * second, &sum(&workers, 1));
        (elapsed_ns / second, window[1].count())
    };
    assert_eq!(read(&slices, 100), (0, 0));
    workers[0].latency.record(timing, 1);
    assert_eq!(read(&slices, 105), (5, 1));
    assert_eq!(read(&slices, 110), (10, 1));
    workers[0].latency.record(timing, 1);
    assert_eq!(read(&slices, 119), (19, 2));
    assert_eq!(read(&slices, 120), (10, 1));
    assert_eq!(read(&slices, 130), (10, 0));
}

#[test]
fn histograms_of_workers_do_not_share_a_cache_line() {
    assert!(align_of::<Histograms>() >= 128);
}
