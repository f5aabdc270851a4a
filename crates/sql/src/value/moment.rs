//! Moments as texts and as numbers, without any zone database: UTC and fixed offsets.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Days since 1970 of a date in the proleptic Gregorian calendar.
#[must_use]
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of days since 1970.
#[must_use]
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Milliseconds since 1970 of a text such as `2026-01-02T03:04:05.678+01:00`; of a number, that number.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>()
        && text.len() != 4
    {
        return Some(number);
    }
    let split = text.char_indices().skip(1).find(|(_, c)| matches!(c, 'T' | 't' | ' ')).map(|(at, _)| at);
    let (date, time) =
        split.map_or((text, ""), |at| (text.get(..at).unwrap_or(text), text.get(at + 1..).unwrap_or("")));
    let mut parts = date.trim_start_matches('-').split('-');
    let mut part = |least: i64, most: i64| match parts.next() {
        None => Some(least),
        Some(digits) => digits.parse::<i64>().ok().filter(|n| (least..=most).contains(n)),
    };
    let (year, month, day) = (part(0, 294_000)?, part(1, 12)?, part(1, 31)?);
    if parts.next().is_some() || date.is_empty() {
        return None;
    }
    let days = days_of(if date.starts_with('-') { -year } else { year }, month, day);
    if date_of(days).2 != day {
        return None;
    }
    days.checked_mul(DAY_MS)?.checked_add(time_ms(time)?)
}

/// Milliseconds since midnight, less the offset.
fn time_ms(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = (text.get(..at)?.trim(), text.get(at..)?);
    let mut parts = clock.split(':');
    let mut part = |most: i64| match parts.next() {
        None => Some(0),
        Some(digits) => digits.parse::<i64>().ok().filter(|n| (0..=most).contains(n)),
    };
    let (hours, minutes) = (part(24)?, part(59)?);
    let seconds = parts.next().unwrap_or("0");
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let whole = whole.parse::<i64>().ok().filter(|n| (0..=60).contains(n))?;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis = digits.parse::<i64>().ok()?;
    Some(hours * 3_600_000 + minutes * 60_000 + whole * 1000 + millis - offset_ms(zone)?)
}

fn offset_ms(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None | Some('Z' | 'z') => return Some(0),
        Some('+') => 1,
        Some(_) => -1,
    };
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let hours = digits.get(..2)?.parse::<i64>().ok()?;
    let minutes =
        digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| rest.parse().ok())?;
    Some(sign * (hours * 3_600_000 + minutes * 60_000))
}

/// A moment as PostgreSQL writes it: `2026-01-02 03:04:05.678`, with `+00` when it has a zone.
#[must_use]
pub fn format(ms: i64, zone: bool) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction =
        if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    format!("{} {clock}{fraction}{}", format_date(days * DAY_MS), if zone { "+00" } else { "" })
}

/// The date of a moment: `2026-01-02`.
#[must_use]
pub fn format_date(ms: i64) -> String {
    let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::{format, format_date, parse};

    #[test]
    fn moments_are_read_and_written() {
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(parse("2026-01-02T03:04:05.678Z"), Some(1_767_323_045_678));
        assert_eq!(parse("2026-01-02 03:04:05.678+01:00"), Some(1_767_319_445_678));
        assert_eq!(parse("1400000000000"), Some(1_400_000_000_000));
        assert_eq!(parse("2015"), Some(1_420_070_400_000));
        assert_eq!(parse("2026-02-30"), None);
        assert_eq!(parse("no"), None);
        assert_eq!(format(1_767_323_045_678, true), "2026-01-02 03:04:05.678+00");
        assert_eq!(format(-1, false), "1969-12-31 23:59:59.999");
        assert_eq!(format_date(951_782_400_000), "2000-02-29");
    }
}
