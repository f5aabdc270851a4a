//! Times to live as requests give them: seconds, `never`, `default` or `keep`.

use crate::problem::Problem;
use serde_json::Value;

/// As the namespace has it.
pub const DEFAULT: u32 = 0;
/// As the record has it.
pub const KEEP: u32 = u32::MAX - 1;
const NEVER: u32 = u32::MAX;
/// Ten years, the protocol's limit.
const MAX_S: u64 = 315_360_000;

/// The protocol's number for a time to live in a body; `otherwise` when there is none.
///
/// # Errors
/// Anything that is no time to live.
pub fn of_body(value: Option<&Value>, otherwise: u32) -> Result<u32, Problem> {
    match value {
        None | Some(Value::Null) => Ok(otherwise),
        Some(Value::String(text)) => of_text(text),
        Some(Value::Number(number)) => of_text(&number.to_string()),
        Some(_) => Err(wrong()),
    }
}

/// The same for text.
///
/// # Errors
/// Anything that is no time to live.
pub fn of_text(text: &str) -> Result<u32, Problem> {
    match text {
        "never" => Ok(NEVER),
        "default" => Ok(DEFAULT),
        "keep" => Ok(KEEP),
        _ => {
            let seconds = text.parse::<u64>().ok().filter(|seconds| (1..=MAX_S).contains(seconds));
            seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(wrong)
        }
    }
}

fn wrong() -> Problem {
    Problem::unprocessable("'ttl' must be whole seconds from 1 to 315360000, 'never', 'default' or 'keep'")
}
