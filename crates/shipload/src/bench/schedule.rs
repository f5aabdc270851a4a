//! When operations ought to be sent.
//!
//! With a rate, operation n has its time whether or not the server is ready: latency counts from that time, so a
//! server that stalls is charged for every operation that it delayed, not only for the one that was in flight
//! ("coordinated omission"). Without a rate every connection sends as soon as its last answer has come.

/// Nanoseconds in a second.
const SECOND_NS: u128 = 1_000_000_000;

/// One thread's times of sending, in nanoseconds since the run began.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// Operations a second of all threads together; none for as fast as possible.
    rate: Option<u64>,
    /// Number of the next operation, counted over all threads.
    next: u64,
    /// How many threads take turns.
    threads: u64,
    /// No operation is due from here on.
    end_ns: u64,
}

impl Schedule {
    /// The schedule of thread `index` of `threads` that take turns.
    pub(super) fn new(rate: Option<u64>, index: u64, threads: u64, end_ns: u64) -> Schedule {
        Schedule { rate: rate.filter(|rate| *rate > 0), next: index, threads: threads.max(1), end_ns }
    }

    /// No operation is due from this time on, in nanoseconds since the run began.
    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// When the next operation is due: now without a rate; none after the end.
    pub(super) fn next_ns(&self, now_ns: u64) -> Option<u64> {
        let due = match self.rate {
            None => now_ns,
            Some(rate) => u64::try_from(u128::from(self.next) * SECOND_NS / u128::from(rate)).ok()?,
        };
        (due < self.end_ns).then_some(due)
    }

    /// Takes the next operation when it is due: the time that its latency counts from.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns(now_ns).filter(|due| *due <= now_ns)?;
        self.next = self.next.saturating_add(self.threads);
        Some(due)
    }

    /// Operations that are due before `now_ns` and were never taken.
    pub(super) fn overdue(&self, now_ns: u64) -> u64 {
        if self.rate.is_none() {
            return 0;
        }
        let mut rest = self.clone();
        std::iter::from_fn(|| rest.take(now_ns)).fold(0, |count, _| count + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn threads_take_turns_without_drift() {
        let mut due = Vec::new();
        for index in 0..3 {
            let mut schedule = Schedule::new(Some(7), index, 3, SECOND);
            while let Some(time) = schedule.take(u64::MAX) {
                due.push(time);
            }
        }
        due.sort_unstable();
        let expected: Vec<u64> = (0..7).map(|number| number * SECOND / 7).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn a_stall_does_not_move_the_times_that_follow() {
        let mut schedule = Schedule::new(Some(1000), 0, 1, 10 * SECOND);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(0), None, "the second one is due after 1 ms");
        assert_eq!(schedule.next_ns(0), Some(1_000_000));
        // The caller comes back a second late: everything missed is still due at its own time.
        assert_eq!(schedule.overdue(SECOND), 1000);
        assert_eq!(schedule.take(SECOND), Some(1_000_000));
        assert_eq!(schedule.take(SECOND), Some(2_000_000));
        assert_eq!(schedule.overdue(SECOND), 998);
    }

    #[test]
    fn without_a_rate_everything_is_due_now_until_the_end() {
        let mut schedule = Schedule::new(None, 0, 1, SECOND);
        assert_eq!(schedule.take(5), Some(5));
        assert_eq!(schedule.take(SECOND - 1), Some(SECOND - 1));
        assert_eq!(schedule.take(SECOND), None);
        assert_eq!(schedule.overdue(SECOND), 0);
        assert_eq!(Schedule::new(Some(0), 0, 1, SECOND).take(3), Some(3), "a rate of 0 is no rate");
    }
}
