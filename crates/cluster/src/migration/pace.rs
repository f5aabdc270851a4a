//! How fast migration goes, so that clients hardly notice.
//!
//! The idea: whatever migration does is counted in estimated microseconds of processors, its own and the other side's. A
//! credit pays for it and comes back with time. What partitions need that have too few copies costs a part of that only.

/// What a comparison costs, however little there is to compare.
const COMPARISON_US: u64 = 60;
/// What each record of a comparison costs, on both sides.
const RECORD_US: u64 = 2;
/// What a record costs that is moved.
const MOVED_US: u64 = 12;
/// Of the price, those partitions pay one part that have too few copies, or copies that contradict each other.
const URGENT_PART: u64 = 4;
/// Credit does not grow beyond what comes back within so many milliseconds.
const SAVED_MS: u64 = 20;

/// What migration may spend.
#[derive(Debug, Default)]
pub(super) struct Credit {
    us: i64,
    at_ms: u64,
}

impl Credit {
    /// Time has passed; `us_per_ms` comes back in a millisecond.
    pub(super) fn refill(&mut self, now_ms: u64, us_per_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.at_ms).min(SAVED_MS * 1000);
        self.at_ms = self.at_ms.max(now_ms);
        let most = signed(us_per_ms.saturating_mul(SAVED_MS));
        self.us = self.us.saturating_add(signed(us_per_ms.saturating_mul(passed_ms))).min(most);
    }

    /// Whether nothing may begin just now.
    pub(super) fn is_spent(&self) -> bool {
        self.us <= 0
    }

    /// A comparison of a copy with so many records begins.
    pub(super) fn pay_comparison(&mut self, records: u64, urgent: bool) {
        self.pay(COMPARISON_US.saturating_add(records.saturating_mul(RECORD_US)), urgent);
    }

    /// A record is moved.
    pub(super) fn pay_record(&mut self, urgent: bool) {
        self.pay(MOVED_US, urgent);
    }

    fn pay(&mut self, us: u64, urgent: bool) {
        self.us = self.us.saturating_sub(signed(if urgent { us / URGENT_PART } else { us }));
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Credit;

    /// How many comparisons of 100 records begin within a second, with a look every 10 ms.
    fn begun(urgent: bool) -> u64 {
        let mut credit = Credit::default();
        let mut begun = 0;
        for now_ms in (0..1000).step_by(10) {
            credit.refill(now_ms, 200);
            while !credit.is_spent() {
                credit.pay_comparison(100, urgent);
                begun += 1;
            }
        }
        begun
    }

    #[test]
    fn what_begins_is_bounded_by_time_and_urgent_work_is_cheaper() {
        let (spare, urgent) = (begun(false), begun(true));
        assert!((700..=800).contains(&spare), "{spare}");
        assert!((4 * spare - 100..=4 * spare + 100).contains(&urgent), "{urgent}");
    }
}
