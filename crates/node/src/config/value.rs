//! Values as text: reading them with their suffixes, and saying what is allowed.

use super::key::{Key, Kind};

/// A value that fits its key's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A flag (0 or 1), number, bytes, seconds, or the place of a word in its list.
    Number(u64),
    /// Text or one entry of a list.
    Text(String),
}

/// Reads `text` as a value of that key; `None` when the key cannot have it.
pub(super) fn parse(key: &Key, text: &str) -> Option<Value> {
    let text = text.trim();
    match key.kind {
        Kind::Bool => parse_bool(text).map(|flag| Value::Number(u64::from(flag))),
        Kind::Integer { min, max } => in_range(parse_scaled(text, DECIMAL)?, min, max),
        Kind::Size { min, max } => in_range(parse_scaled(text, BINARY)?, min, max),
        Kind::Duration { max_s } => in_range(parse_duration(text)?, 0, max_s),
        Kind::Choice(words) => {
            let place = words.iter().position(|word| word.eq_ignore_ascii_case(text))?;
            u64::try_from(place).ok().map(Value::Number)
        }
        Kind::Text { max } => printable(text, max).then(|| Value::Text(text.to_owned())),
        Kind::List => printable(text, 1024).then(|| Value::Text(text.to_owned())),
    }
}

/// What a key accepts, as the end of a sentence.
pub(super) fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Integer { min, max: u64::MAX } => format!("a whole number from {min}"),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Size { min, max } => {
            let most = if max == u64::MAX { String::new() } else { format!(" to {}", short_size(max)) };
            format!("a size from {}{most} (bytes, or with K, M, G, T)", short_size(min))
        }
        Kind::Duration { max_s } => {
            format!("a time from 0 to {max_s} seconds (or with s, m, h, d after the number)")
        }
        Kind::Choice(words) => words.join(", "),
        Kind::Text { max } => format!("text of at most {max} bytes without ';', ':', tab"),
        Kind::List => "text without ';' and tab".to_owned(),
    }
}

/// How a number of that kind is shown.
pub(super) fn show(kind: Kind, number: u64) -> String {
    match kind {
        Kind::Bool => (number != 0).to_string(),
        Kind::Choice(words) => {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            words.get(place).copied().unwrap_or("").to_owned()
        }
        Kind::Integer { .. } | Kind::Size { .. } | Kind::Duration { .. } => number.to_string(),
        Kind::Text { .. } | Kind::List => String::new(),
    }
}

const DECIMAL: [u64; 5] = [1000, 1_000_000, 1_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000];
const BINARY: [u64; 5] = [1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 50];

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// A number with an optional `K`, `M`, `G`, `T` or `P`.
fn parse_scaled(text: &str, scales: [u64; 5]) -> Option<u64> {
    let (number, suffix) = split_suffix(text)?;
    let scale = match suffix {
        "" => 1,
        "k" | "K" => scales[0],
        "m" | "M" => scales[1],
        "g" | "G" => scales[2],
        "t" | "T" => scales[3],
        "p" | "P" => scales[4],
        _ => return None,
    };
    number.checked_mul(scale)
}

/// A number of seconds with an optional unit.
fn parse_duration(text: &str) -> Option<u64> {
    let (number, suffix) = split_suffix(text)?;
    let scale = match suffix {
        "" | "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3_600,
        "d" | "D" => 86_400,
        _ => return None,
    };
    number.checked_mul(scale)
}

fn split_suffix(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, suffix))
}

fn in_range(number: u64, min: u64, max: u64) -> Option<Value> {
    (min..=max).contains(&number).then_some(Value::Number(number))
}

/// Values travel inside info answers, whose separators they must not contain.
fn printable(text: &str, max: usize) -> bool {
    text.len() <= max && !text.chars().any(|symbol| symbol.is_control() || symbol == ';')
}

/// Bytes with the largest suffix that divides them.
pub(super) fn short_size(bytes: u64) -> String {
    for (scale, suffix) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes != 0 && bytes.trailing_zeros() >= scale {
            return format!("{}{suffix}", bytes >> scale);
        }
    }
    bytes.to_string()
}
