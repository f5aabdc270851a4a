//! What a client sends.

use crate::error::{Kind, Result, SqlError};
use crate::session::Session;
use crate::value::Value;
use crate::value::json::from_json;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::{GzDecoder, ZlibDecoder};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::io::Read;

/// What the query of the address asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes {
    pub(super) types: bool,
    pub(super) trace: bool,
}

impl Wishes {
    pub(super) fn of(uri: &Uri) -> Wishes {
        let wish = |name: &str| {
            let pairs =
                uri.query().unwrap_or("").split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs
                .filter(|(key, _)| *key == name)
                .any(|(_, value)| value.is_empty() || value.eq_ignore_ascii_case("true"))
        };
        Wishes { types: wish("types"), trace: wish("error_trace") }
    }
}

/// A statement with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) statement: String,
    pub(super) args: Vec<Value>,
    pub(super) bulk: Option<Vec<Vec<Value>>>,
}

/// Unpacks and reads a body.
pub(super) fn read(headers: &HeaderMap, body: &[u8], most: usize) -> Result<Request> {
    let body = unpack(headers, body, most)?;
    let json: Json = serde_json::from_slice(&body)
        .map_err(|error| SqlError::new(Kind::Syntax, format!("Failed to parse source: {error}")))?;
    let Json::Object(members) = json else {
        return Err(SqlError::new(Kind::Syntax, "Failed to parse source: it must be an object"));
    };
    let mut request = Request { statement: String::new(), args: Vec::new(), bulk: None };
    for (name, value) in members {
        match (name.as_str(), value) {
            ("stmt", Json::String(text)) => request.statement = text,
            ("args" | "bulk_args", Json::Null) => {}
            ("args", Json::Array(items)) => request.args = items.iter().map(from_json).collect(),
            ("bulk_args", Json::Array(lists)) => {
                request.bulk = Some(lists.iter().map(list).collect::<Result<_>>()?);
            }
            (other, _) => {
                return Err(SqlError::new(
                    Kind::Syntax,
                    format!("Failed to parse source: \"{other}\" is not expected here"),
                ));
            }
        }
    }
    let bulk = request.bulk.as_ref().is_some_and(|lists| !lists.is_empty());
    if bulk && !request.args.is_empty() {
        let message = "request body contains args and bulk_args. It's forbidden to provide both";
        return Err(SqlError::new(Kind::Syntax, message));
    }
    if request.statement.trim().is_empty() {
        return Err(SqlError::new(Kind::Syntax, "Statement is empty: the body needs \"stmt\""));
    }
    Ok(request)
}

fn list(json: &Json) -> Result<Vec<Value>> {
    match json {
        Json::Array(items) => Ok(items.iter().map(from_json).collect()),
        _ => Err(SqlError::new(Kind::Syntax, "Failed to parse source: bulk_args is a list of lists")),
    }
}

fn unpack<'b>(headers: &HeaderMap, body: &'b [u8], most: usize) -> Result<Cow<'b, [u8]>> {
    let encoding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let stream: Box<dyn Read + '_> = match encoding.trim().to_ascii_lowercase().as_str() {
        "identity" | "" => return Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => Box::new(GzDecoder::new(body)),
        "deflate" => Box::new(ZlibDecoder::new(body)),
        other => {
            return Err(SqlError::new(Kind::Syntax, format!("Content-Encoding {other} is not known here")));
        }
    };
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    stream
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|error| SqlError::new(Kind::Syntax, format!("the body can't be unpacked: {error}")))?;
    if out.len() > most {
        return Err(SqlError::new(Kind::Syntax, format!("the body unpacks to more than {most} bytes")));
    }
    Ok(Cow::Owned(out))
}

/// The session of a connection, from its first request's headers.
pub(super) fn session(headers: &HeaderMap) -> Session {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let basic = text("authorization").and_then(|value| value.strip_prefix("Basic ")).and_then(|packed| {
        let plain = String::from_utf8(STANDARD.decode(packed.trim()).ok()?).ok()?;
        plain.split_once(':').map(|(user, _)| user.to_owned())
    });
    let user = basic.or_else(|| text("x-user").map(str::to_owned)).filter(|user| !user.is_empty());
    let mut session = Session::new(user.as_deref().unwrap_or("crate"));
    if let Some(schema) = text("default-schema").filter(|schema| !schema.is_empty()) {
        session.schema = schema.to_owned();
    }
    session
}

/// Only POST means something.
pub(super) fn refuse_method() -> (StatusCode, [(header::HeaderName, &'static str); 1]) {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")])
}

#[cfg(test)]
mod tests {
    use super::{Wishes, read};
    use crate::Value;
    use axum::http::HeaderMap;

    #[test]
    fn bodies_are_read() {
        let headers = HeaderMap::new();
        let one = read(&headers, br#"{"stmt": "select ?", "args": [1]}"#, 100).expect("is fine");
        assert_eq!((one.statement.as_str(), one.args.as_slice()), ("select ?", &[Value::Int(1)][..]));
        for bad in [
            "{}",
            "[]",
            "{\"stmt\": 1}",
            r#"{"stmt": "x", "y": 1}"#,
            r#"{"stmt": "x", "args": [1], "bulk_args": [[1]]}"#,
        ] {
            assert!(read(&headers, bad.as_bytes(), 100).is_err(), "{bad}");
        }
    }

    #[test]
    fn wishes_are_flags() {
        let of = |text: &str| Wishes::of(&text.parse().expect("an address"));
        assert!(of("/_sql?types").types && of("/_sql?types=true&error_trace").trace);
        assert!(!of("/_sql?types=false").types && !of("/_sql").types);
    }
}
