//! Modules of functions: `udf-put`, `udf-get`, `udf-list`, `udf-remove`.
//!
//! Errors of these commands have a form of their own, `error=<name>`, which clients turn into code 100.

use super::answer::Answer;
use super::ask::Ask;
use crate::cluster::MODULE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

pub(super) fn put(ask: &Ask<'_>) -> Answer {
    let name = ask.param(&["filename"]).unwrap_or("");
    match checked(ask, name) {
        Err(error) => Ok(format!("error={error}")),
        Ok(content) => Ok(register(ask, name, &content)),
    }
}

/// Registers a file if it is Lua.
fn register(ask: &Ask<'_>, name: &str, content: &[u8]) -> String {
    match shipload_lua::compile(name, content) {
        Ok(()) => {
            ask.node.functions.modules.put(name, content);
            ask.spread(&format!("{MODULE}{name}"), Some(content));
            "ok".to_owned()
        }
        Err(error) => {
            let message = STANDARD.encode(&error.message);
            format!("error=compile_error;file={name};line={};message={message}", error.line)
        }
    }
}

/// Whether a file may have this name: names become part of answers, and on other servers of paths.
fn is_file_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-$".contains(&byte));
    let parts = name.rsplit_once('.');
    plain
        && !name.starts_with('.')
        && !name.contains("..")
        && parts.is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
}

/// The content of a file that may be registered.
fn checked(ask: &Ask<'_>, name: &str) -> Result<Vec<u8>, &'static str> {
    if !is_file_name(name) {
        return Err("invalid_filename");
    }
    if ask.param(&["content-len"]).is_none_or(|length| length.parse::<u32>().is_err()) {
        return Err("invalid_content_len");
    }
    if ask.param(&["udf-type"]).is_some_and(|kind| !kind.eq_ignore_ascii_case("lua")) {
        return Err("invalid_udf_type");
    }
    let content = ask.param(&["content"]).unwrap_or("");
    match STANDARD.decode(content) {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(_) | Err(_) => Err("invalid_base64_content"),
    }
}

pub(super) fn get(ask: &Ask<'_>) -> Answer {
    let name = ask.param(&["filename"]).unwrap_or("");
    if name.is_empty() {
        return Ok("error=invalid_filename".to_owned());
    }
    Ok(match ask.node.functions.modules.get(name) {
        Some(file) => format!("type=LUA;content={};", STANDARD.encode(&file.content)),
        None => "error=not_found".to_owned(),
    })
}

pub(super) fn list(ask: &Ask<'_>) -> Answer {
    Ok(ask.node.functions.modules.list().iter().fold(String::new(), |mut text, (name, file)| {
        // Writing into a String cannot fail.
        let _ = write!(text, "filename={name},hash={},type=LUA;", file.hash);
        text
    }))
}

/// Removing what is not there succeeds, as everywhere.
pub(super) fn remove(ask: &Ask<'_>) -> Answer {
    let name = ask.param(&["filename"]).unwrap_or("");
    if name.is_empty() {
        return Ok("error=invalid_filename".to_owned());
    }
    ask.node.functions.modules.remove(name);
    ask.spread(&format!("{MODULE}{name}"), None);
    Ok("ok".to_owned())
}
