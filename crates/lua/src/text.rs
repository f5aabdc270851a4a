//! Errors of Lua as one line for the client.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "these enums are mlua's, and most of their kinds are no values of ours"
)]

use mlua::{Error, Value};

/// The longest text that is answered.
const TEXT_MAX: usize = 1024;

/// What an error that left Lua says, without the trace.
pub(crate) fn of_error(error: &Error) -> String {
    let text = match error {
        Error::CallbackError { cause, .. } => return of_error(cause),
        Error::WithContext { cause, .. } => return of_error(cause),
        Error::SyntaxError { message, .. } => message.clone(),
        Error::RuntimeError(message) | Error::MemoryError(message) => message.clone(),
        other => other.to_string(),
    };
    short(text.split("\nstack traceback:").next().unwrap_or_default())
}

/// What a value that a script raised says.
pub(crate) fn of_value(value: &Value) -> String {
    match value {
        Value::String(text) => short(&text.to_string_lossy()),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Error(error) => of_error(error),
        other => format!("(error object is a {} value)", other.type_name()),
    }
}

/// Cuts a text to what is answered.
pub(crate) fn short(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
