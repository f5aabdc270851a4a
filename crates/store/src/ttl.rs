//! A histogram of void times, from which eviction learns whom to take first.
//!
//! The records that would expire soonest are evicted first. The histogram has buckets of equal width from now on;
//! the threshold is the upper edge of the buckets that together hold enough records.

/// Counts of expirable records by remaining time to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtlHistogram {
    now_s: u32,
    width_s: u32,
    buckets: Vec<u64>,
    never: u64,
    overflow: u64,
}

impl TtlHistogram {
    /// An empty histogram from `now_s` (since 2010-01-01) on, `bucket_count` buckets of `width_s` seconds (at
    /// least one of at least a second).
    #[must_use]
    pub fn new(now_s: u32, bucket_count: usize, width_s: u32) -> TtlHistogram {
        let buckets = vec![0; bucket_count.max(1)];
        TtlHistogram { now_s, width_s: width_s.max(1), buckets, never: 0, overflow: 0 }
    }

    /// Counts a record by its void time; one that is over already counts in the first bucket.
    #[inline]
    pub fn add(&mut self, void_time: u32) {
        if void_time == 0 {
            self.never += 1;
            return;
        }
        let bucket = void_time.saturating_sub(self.now_s) / self.width_s;
        match self.buckets.get_mut(bucket as usize) {
            Some(count) => *count += 1,
            None => self.overflow += 1,
        }
    }

    /// Adds the counts of a histogram with the same buckets.
    pub fn merge(&mut self, other: &TtlHistogram) {
        debug_assert!(self.width_s == other.width_s && self.buckets.len() == other.buckets.len());
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.never += other.never;
        self.overflow += other.overflow;
    }

    /// Records that expire some day.
    #[must_use]
    pub fn expirable(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.overflow
    }

    /// Records that never expire.
    #[must_use]
    pub fn never(&self) -> u64 {
        self.never
    }

    /// The counts by bucket; records beyond the last bucket are not among them.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// A bucket's width in seconds.
    #[must_use]
    pub fn width_s(&self) -> u32 {
        self.width_s
    }

    /// The void time below which to evict so that the soonest `wanted` expirable records go, in whole buckets
    /// but for the last, which goes only if no bucket before it holds a record. None when nothing can go.
    ///
    /// Whole buckets, because records of one bucket can't be told apart: at most `wanted` go, unless already the
    /// first bucket with records holds more.
    #[must_use]
    pub fn evict_below(&self, wanted: u64) -> Option<Eviction> {
        let mut eviction = None;
        let mut records = 0;
        for (index, &count) in (0u32..).zip(&self.buckets).filter(|&(_, &count)| count > 0) {
            records += count;
            if records > wanted && eviction.is_some() {
                break;
            }
            let edge = self.width_s.saturating_mul(index.saturating_add(1));
            eviction = Some(Eviction { void_time: self.now_s.saturating_add(edge), records });
        }
        eviction.filter(|_| wanted > 0)
    }
}

/// Whom to evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// Expirable records with a void time below this go; seconds since 2010-01-01.
    pub void_time: u32,
    /// How many records the histogram holds below it.
    pub records: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_go_first_in_whole_buckets() {
        let mut histogram = TtlHistogram::new(1000, 10, 60);
        for void_time in [0, 0, 1010, 1059, 1060, 1200, 1599, 1600, 9999] {
            histogram.add(void_time);
        }
        assert_eq!((histogram.never(), histogram.expirable()), (2, 7));
        assert_eq!(histogram.evict_below(0), None);
        assert_eq!(histogram.evict_below(1), Some(Eviction { void_time: 1060, records: 2 }));
        assert_eq!(histogram.evict_below(2), Some(Eviction { void_time: 1060, records: 2 }));
        assert_eq!(histogram.evict_below(3), Some(Eviction { void_time: 1120, records: 3 }));
        assert_eq!(histogram.evict_below(99), Some(Eviction { void_time: 1600, records: 5 }));
        let mut sum = TtlHistogram::new(1000, 10, 60);
        sum.merge(&histogram);
        assert_eq!(sum, histogram);
    }

    #[test]
    fn records_beyond_the_last_bucket_and_without_void_time_stay() {
        let mut histogram = TtlHistogram::new(1000, 2, 1);
        histogram.add(0);
        histogram.add(5000);
        assert_eq!(histogram.evict_below(10), None);
    }
}
