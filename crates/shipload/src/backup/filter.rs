//! What of a namespace a backup takes: partitions, nodes, time of the last update.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};

use super::BackupArgs;

/// Operation codes of the filter language. Source: the clients' expression builders.
const GE: u8 = 4;
const LT: u8 = 5;
const AND: u8 = 16;
const LAST_UPDATE: u8 = 66;

/// Where a partition is: the last digest that was written, none at its start.
pub(super) type Missing = BTreeMap<u16, Option<[u8; 20]>>;

/// The partitions that are wanted.
pub(super) fn partitions(text: Option<&str>) -> Result<Missing> {
    let Some(text) = text else { return Ok((0..4096).map(|partition| (partition, None)).collect()) };
    let mut missing = Missing::new();
    for part in text.split(',') {
        let (first, count) = part.split_once('-').unwrap_or((part, "1"));
        let number = |text: &str| text.trim().parse::<u16>().with_context(|| format!("partitions: '{part}'"));
        let (first, count) = (number(first)?, number(count)?);
        let end = first.checked_add(count).filter(|end| *end <= 4096);
        let end = end.with_context(|| format!("partitions: '{part}' goes beyond 4095"))?;
        missing.extend((first..end).map(|partition| (partition, None)));
    }
    ensure!(!missing.is_empty(), "no partition is asked for");
    Ok(missing)
}

/// The filter that the nodes apply, packed; empty for none.
pub(super) fn expression(args: &BackupArgs) -> Result<Vec<u8>> {
    let moment = |text: &Option<String>| text.as_deref().map(unix_ns).transpose();
    let bounds = [(GE, moment(&args.modified_after)?), (LT, moment(&args.modified_before)?)];
    let mut out = Vec::new();
    let given = bounds.iter().filter(|(_, moment)| moment.is_some()).count();
    if given == 2 {
        out.extend_from_slice(&[0x93, AND]);
    }
    for (code, moment) in bounds {
        if let Some(moment) = moment {
            out.extend_from_slice(&[0x93, code, 0x91, LAST_UPDATE, 0xcf]);
            out.extend_from_slice(&moment.to_be_bytes());
        }
    }
    Ok(out)
}

/// Nanoseconds since 1970 of `YYYY-MM-DD_HH:MM:SS`, of a day alone, or of seconds since 1970; in UTC.
fn unix_ns(text: &str) -> Result<u64> {
    let wrong = || format!("'{text}' is neither YYYY-MM-DD_HH:MM:SS nor seconds since 1970");
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let (day, time) = text.split_once('_').unwrap_or((text, "00:00:00"));
            let numbers = |text: &str, mark: char| -> Option<[u64; 3]> {
                let parts: Option<Vec<u64>> = text.split(mark).map(|part| part.parse().ok()).collect();
                parts?.try_into().ok()
            };
            let [year, month, day] = numbers(day, '-').with_context(wrong)?;
            let [hour, minute, second] = numbers(time, ':').with_context(wrong)?;
            let fits = (1970..3000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
            ensure!(fits && hour < 24 && minute < 60 && second < 61, "{}", wrong());
            days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        }
    };
    seconds.checked_mul(1_000_000_000).with_context(wrong)
}

/// Days from 1970-01-01 on.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(usize::try_from(month - 1).unwrap_or(0)).sum();
    years + months + day - 1
}

/// Another number at each call, and most likely one that nobody else uses.
pub(super) fn task_id() -> u64 {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    (now.as_secs() << 32 | u64::from(now.subsec_nanos())) ^ u64::from(std::process::id()).rotate_right(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        assert_eq!(unix_ns("1").unwrap(), 1_000_000_000);
        assert_eq!(unix_ns("2024-02-29_12:30:15").unwrap(), 1_709_209_815_000_000_000);
        assert_eq!(unix_ns("2026-11-21").unwrap(), 1_795_219_200_000_000_000);
        for wrong in ["", "yesterday", "2024-13-01", "2024-01-01_25:00:00", "2024-01", "99999999999999999999"]
        {
            assert!(unix_ns(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn partitions_are_read() {
        assert_eq!(partitions(None).unwrap().len(), 4096);
        let some: Vec<u16> = partitions(Some("7,100-3,4095")).unwrap().into_keys().collect();
        assert_eq!(some, [7, 100, 101, 102, 4095]);
        for wrong in ["", "4096", "4095-2", "a", "1-0"] {
            assert!(partitions(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
