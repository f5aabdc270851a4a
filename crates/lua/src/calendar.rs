//! `os.date` and `os.time` without a clock and without a time zone: everything is UTC.

/// A moment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

const DAY_S: i64 = 86_400;
/// Days from the first of March of year 0 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years.
const CYCLE_DAYS: i64 = 146_097;
/// No year is larger, so that nothing overflows.
const YEAR_MAX: i64 = 1 << 31;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let cycle = year.div_euclid(400);
    let in_cycle = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * CYCLE_DAYS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year - EPOCH_DAYS
}

/// Seconds since 1970 of a date; fields out of their range carry over. None when that is too far away.
pub(crate) fn seconds(date: Civil) -> Option<i64> {
    let fields = [date.year, date.month, date.day, date.hour, date.minute, date.second];
    if fields.iter().any(|field| field.unsigned_abs() > YEAR_MAX.unsigned_abs()) {
        return None;
    }
    let months = date.year * 12 + date.month - 1;
    let first = days(months.div_euclid(12), months.rem_euclid(12) + 1, 1);
    Some((first + date.day - 1) * DAY_S + date.hour * 3600 + date.minute * 60 + date.second)
}

/// Takes seconds since 1970 apart. None when that is too far away.
pub(crate) fn civil(seconds: i64) -> Option<Civil> {
    let (day, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    if day.abs() > YEAR_MAX * 365 {
        return None;
    }
    let shifted = day + EPOCH_DAYS;
    let (cycle, in_cycle) = (shifted.div_euclid(CYCLE_DAYS), shifted.rem_euclid(CYCLE_DAYS));
    let year = (in_cycle - in_cycle / 1460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    Some(Civil {
        year: cycle * 400 + year + i64::from(month <= 2),
        month,
        day: in_year - (153 * from_march + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
    })
}

impl Civil {
    /// 1 to 366.
    pub(crate) fn day_of_year(&self) -> i64 {
        days(self.year, self.month, self.day) - days(self.year, 1, 1) + 1
    }

    /// 0 for Sunday.
    pub(crate) fn weekday(&self) -> i64 {
        (days(self.year, self.month, self.day) + 4).rem_euclid(7)
    }
}

fn name<'n>(names: &[&'n str], index: i64) -> &'n str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("")
}

/// Writes a date as the format says, in the C locale. An unknown conversion gives its letter.
pub(crate) fn format(date: &Civil, format: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let Some(code) = letters.next() else {
            return Err("invalid conversion specifier '%'".to_owned());
        };
        out.push_str(&one(date, code).ok_or_else(|| format!("invalid conversion specifier '%{code}'"))?);
    }
    Ok(out)
}

fn one(date: &Civil, code: char) -> Option<String> {
    let whole = |text: &str| format(date, text).ok();
    let half = (date.hour + 11) % 12 + 1;
    Some(match code {
        'a' => name(&DAYS, date.weekday()).chars().take(3).collect(),
        'A' => name(&DAYS, date.weekday()).to_owned(),
        'b' | 'h' => name(&MONTHS, date.month - 1).chars().take(3).collect(),
        'B' => name(&MONTHS, date.month - 1).to_owned(),
        'c' => whole("%a %b %e %H:%M:%S %Y")?,
        'C' => format!("{:02}", date.year.div_euclid(100)),
        'd' => format!("{:02}", date.day),
        'D' | 'x' => whole("%m/%d/%y")?,
        'e' => format!("{:2}", date.day),
        'F' => whole("%Y-%m-%d")?,
        'H' => format!("{:02}", date.hour),
        'I' => format!("{half:02}"),
        'j' => format!("{:03}", date.day_of_year()),
        'm' => format!("{:02}", date.month),
        'M' => format!("{:02}", date.minute),
        'n' => "\n".to_owned(),
        'p' => if date.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'r' => whole("%I:%M:%S %p")?,
        'R' => whole("%H:%M")?,
        'S' => format!("{:02}", date.second),
        't' => "\t".to_owned(),
        'T' | 'X' => whole("%H:%M:%S")?,
        'u' => ((date.weekday() + 6) % 7 + 1).to_string(),
        'U' => format!("{:02}", (date.day_of_year() + 6 - date.weekday()) / 7),
        'w' => date.weekday().to_string(),
        'W' => format!("{:02}", (date.day_of_year() + 6 - (date.weekday() + 6) % 7) / 7),
        'y' => format!("{:02}", date.year.rem_euclid(100)),
        'Y' => date.year.to_string(),
        'z' => "+0000".to_owned(),
        'Z' => "UTC".to_owned(),
        '%' => "%".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Civil, civil, format, seconds};

    #[test]
    fn dates_and_seconds_agree() {
        for at in [0, 951_782_400, 1_262_304_000, -1, 4_107_542_400, -2_203_891_200, 1_709_164_799] {
            let date = civil(at).unwrap();
            assert_eq!(seconds(date), Some(at), "{date:?}");
        }
        for day in -150_000..150_000 {
            let at = day * 86_400 + 12_345;
            assert_eq!(seconds(civil(at).unwrap()), Some(at));
        }
        let over = Civil { year: 2023, month: 14, day: 30, hour: 25, minute: -1, second: 0 };
        assert_eq!(civil(seconds(over).unwrap()).unwrap().month, 3);
        assert_eq!(seconds(Civil { year: i64::MAX, ..over }), None);
        assert_eq!(civil(i64::MAX), None);
    }

    #[test]
    fn formats_as_in_the_c_locale() {
        let date = civil(1_709_210_096).unwrap();
        let text = "%Y-%m-%d %H:%M:%S %a %A %b %B %j %p %I %y %w %%";
        assert_eq!(
            format(&date, text).unwrap(),
            "2024-02-29 12:34:56 Thu Thursday Feb February 060 PM 12 24 4 %"
        );
        assert_eq!(format(&date, "%c").unwrap(), "Thu Feb 29 12:34:56 2024");
        assert!(format(&date, "%Q").is_err() && format(&date, "%").is_err());
    }
}
