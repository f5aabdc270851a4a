//! The table of a failover drill.

use std::collections::BTreeMap;
use std::time::Duration;

use super::watch::Timeline;
use super::writers::ReadBack;

/// What a round has shown.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) round: u32,
    /// The node that failed.
    pub(super) node: u8,
    /// Longest gaps in successful writes: partitions that it mastered,
    pub(super) master_gap: Duration,
    /// of which it held the second copy,
    pub(super) replica_gap: Duration,
    /// and with which it had nothing to do.
    pub(super) other_gap: Duration,
    pub(super) timeline: Timeline,
    /// From its return until all copies were where they belong.
    pub(super) back: Duration,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) read: ReadBack,
}

/// Names of the columns.
pub(super) fn heading() -> String {
    "               longest gap in writes, ms     after the failure, ms     back, ms          records\n\
     round node   mastered  replica    other   noticed   agreed    whole     whole   errors     read     lost\n"
        .to_owned()
}

/// One round.
pub(super) fn line(row: &Row) -> String {
    let errors: u64 = row.errors.values().sum();
    format!(
        "{:>5} {:>4} {:>10} {:>8} {:>8} {:>9} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}\n",
        row.round,
        row.node,
        row.master_gap.as_millis(),
        row.replica_gap.as_millis(),
        row.other_gap.as_millis(),
        row.timeline.detected.as_millis(),
        row.timeline.agreed.as_millis(),
        row.timeline.whole.as_millis(),
        row.back.as_millis(),
        errors,
        row.read.acknowledged,
        row.read.lost + row.read.strange,
    )
}

/// Medians, and errors by kind.
pub(super) fn summary(rows: &[Row], acknowledged: u64, records: u64, base_lost: u64) -> String {
    let of = |value: fn(&Row) -> Duration| median(rows.iter().map(value).collect()).as_millis();
    let mut text = format!(
        "median     {:>10} {:>8} {:>8} {:>9} {:>8} {:>8} {:>9}\n\n",
        of(|row| row.master_gap),
        of(|row| row.replica_gap),
        of(|row| row.other_gap),
        of(|row| row.timeline.detected),
        of(|row| row.timeline.agreed),
        of(|row| row.timeline.whole),
        of(|row| row.back),
    );
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in rows.iter().flat_map(|row| &row.errors) {
        *kinds.entry(kind).or_default() += count;
    }
    for (kind, count) in kinds {
        text.push_str(&format!("errors that the client told: {count} {kind}\n"));
    }
    text.push_str(&format!("writes acknowledged: {acknowledged}\n"));
    text.push_str(&format!("records from before: {records}, lost: {base_lost}\n"));
    text
}

/// The value in the middle.
pub(super) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    let (Some(low), Some(high)) =
        (values.get(values.len().saturating_sub(1) / 2), values.get(values.len() / 2))
    else {
        return Duration::ZERO;
    };
    (*low + *high) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let ms = Duration::from_millis;
        assert_eq!(median(vec![ms(3), ms(1), ms(2)]), ms(2));
        assert_eq!(median(vec![ms(4), ms(1), ms(2), ms(30)]), ms(3));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
