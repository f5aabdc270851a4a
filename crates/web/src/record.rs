//! One record: GET, HEAD, PUT, POST, PATCH, DELETE.

#![allow(unused_qualifications, reason = "what the descriptions of handlers expand to")]

use crate::Web;
use crate::command::{self, Existing, Operation, Projection, Record};
use crate::etag::{self, Condition, Unsupported};
use crate::extract::{Content, Known, Named, Params};
use crate::json;
use crate::key::{self, RecordKey};
use crate::lease;
use crate::problem::Problem;
use crate::schema::{RecordView, Written};
use crate::ttl;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use shipload_wire::ResultCode;
use shipload_wire::bits::op;
use utoipa::IntoParams;

/// Members of a record's JSON that say how it is; a body may carry them, and they change nothing.
const READ_ONLY: [&str; 8] = ["namespace", "set", "id", "key", "generation", "etag", "lastUpdate", "expires"];
/// The longest name of a bin.
pub const BIN_NAME_MAX: usize = 15;

/// Parameters of a read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadParams {
    /// Names of the bins wanted, with commas between; all without it.
    bins: Option<String>,
}

/// Parameters of a write.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WriteParams {
    /// Time to live: seconds, `never`, `default` or `keep`; it may stand in the body as well.
    ttl: Option<String>,
}

impl From<Unsupported> for Problem {
    fn from(Unsupported(why): Unsupported) -> Problem {
        Problem::bad_request(why)
    }
}

/// Names of bins from a text with commas.
///
/// # Errors
/// Names that no bin can have.
pub fn projection(bins: Option<&str>) -> Result<Projection, Problem> {
    let Some(bins) = bins else { return Ok(Projection::All) };
    let names: Vec<String> = bins.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.iter().try_for_each(|name| check_bin_name(name))?;
    Ok(if names.is_empty() { Projection::Nothing } else { Projection::Bins(names) })
}

/// Refuses names that no bin can have.
///
/// # Errors
/// Empty names, names of more than 15 bytes, names with a NUL.
pub fn check_bin_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.len() > BIN_NAME_MAX || name.contains('\0') {
        return Err(Problem::unprocessable(format!("a bin's name has 1 to 15 bytes, and not '{name}'")));
    }
    Ok(())
}

/// Reads a record.
#[utoipa::path(get, path = "/v1/db/{namespace}/{set}/{key}", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path, description = "`~` for none"),
        ("key" = String, Path, description = "text, `int:5`, `blob:<base64url>`, `digest:<hex>`"), ReadParams,
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = RecordView), (status = 304, description = "the version is known"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(web): State<Web>,
    Named(key): Named,
    Params(params): Params<ReadParams>,
    Known(known): Known,
) -> Result<Response, Problem> {
    let projection = projection(params.bins.as_deref())?;
    let (record, life_s) = lease::read(&web, &key, &projection).await?;
    let version = record.version;
    let known = etag::is_known(&known, version);
    let response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(RecordView::of(&key, record)).into_response()
    };
    Ok(kept(life_s, tagged(version, response)))
}

/// Reads a record of this node or, through it, of another one.
///
/// # Errors
/// What the node answers.
pub async fn read(web: &Web, key: &RecordKey, projection: &Projection) -> Result<Record, Problem> {
    let mut frames = Vec::new();
    command::read(&mut frames, key, projection);
    let answer = match web.records.glance(&frames, &key.namespace, key.digest.partition().number()) {
        Some(answer) => answer,
        None => web.records.call(frames, 1).await?,
    };
    let [body] = command::bodies(&answer, 1)?[..] else { return Err(crate::Trouble::Garbled.into()) };
    Ok(Record::of(&command::decoded(body)?)?)
}

fn tagged(version: etag::Version, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&version.to_string()) {
        headers.insert(ETAG, tag);
    }
    // A cache may keep it, and asks each time whether it still holds.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Lets caches keep an answer for so many seconds without asking.
fn kept(life_s: u64, mut response: Response) -> Response {
    if life_s > 0
        && let Ok(value) = HeaderValue::from_str(&format!("public, max-age={life_s}"))
    {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

/// Writes a record; bins that are not named vanish.
#[utoipa::path(put, path = "/v1/db/{namespace}/{set}/{key}", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path), ("key" = String, Path), WriteParams,
        ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = crate::schema::RecordBody,
    responses((status = 200, body = Written),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn put(
    State(web): State<Web>,
    Named(key): Named,
    Params(params): Params<WriteParams>,
    headers: HeaderMap,
    content: Content,
) -> Result<Response, Problem> {
    let condition = Condition::of_write(&headers)?;
    let write = Write::of(content, &params, ttl::DEFAULT)?;
    write.run(&web, &key, Existing::Replace, condition).await
}

/// Creates a record.
#[utoipa::path(post, path = "/v1/db/{namespace}/{set}/{key}", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path), ("key" = String, Path), WriteParams),
    request_body = crate::schema::RecordBody,
    responses((status = 201, body = Written), (status = 409, body = Problem, description = "it is there already",
        content_type = "application/problem+json"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn post(
    State(web): State<Web>,
    Named(key): Named,
    Params(params): Params<WriteParams>,
    content: Content,
) -> Result<Response, Problem> {
    let write = Write::of(content, &params, ttl::DEFAULT)?;
    let mut response = write.run(&web, &key, Existing::Create, Condition::None).await?;
    *response.status_mut() = StatusCode::CREATED;
    let user_key = key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
    let id = key::segment(user_key, &key.digest.0);
    // Relative, so that it holds behind any path prefix.
    let location = format!("./{}", crate::percent::encoded(&id));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Changes bins of a record; `null` removes one. Without bins its time to live is renewed.
#[utoipa::path(patch, path = "/v1/db/{namespace}/{set}/{key}", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path), ("key" = String, Path), WriteParams,
        ("If-Match" = Option<String>, Header)),
    request_body = crate::schema::RecordBody,
    responses((status = 200, body = Written), (status = 204, description = "its last bin was removed, and the record with it"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn patch(
    State(web): State<Web>,
    Named(key): Named,
    Params(params): Params<WriteParams>,
    headers: HeaderMap,
    content: Content,
) -> Result<Response, Problem> {
    let condition = Condition::of_write(&headers)?;
    let mut write = Write::of(content, &params, ttl::KEEP)?;
    if write.ops.is_empty() {
        write.ops.push(Operation { code: op::TOUCH, kind: 0, bin: String::new(), value: Vec::new() });
    }
    write.run(&web, &key, Existing::Change, condition).await
}

/// Deletes a record.
#[utoipa::path(delete, path = "/v1/db/{namespace}/{set}/{key}", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path), ("key" = String, Path),
        ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "it is not there any more"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(
    State(web): State<Web>,
    Named(key): Named,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let condition = Condition::of_write(&headers)?;
    if matches!(condition, Condition::Never | Condition::Absent) {
        return Err(Problem::precondition());
    }
    let mut frames = Vec::new();
    command::delete(&mut frames, &key, condition);
    let answer = web.records.call(frames, 1).await?;
    let [body] = command::bodies(&answer, 1)?[..] else { return Err(crate::Trouble::Garbled.into()) };
    match (result(body)?, condition) {
        (ResultCode::Ok, _) | (ResultCode::NotFound, Condition::None) => Ok(StatusCode::NO_CONTENT),
        (ResultCode::NotFound, _) => Err(Problem::precondition()),
        (code, _) => Err(code.into()),
    }
}

/// How a command ended.
///
/// # Errors
/// When the body is no message.
pub fn result(body: &[u8]) -> Result<ResultCode, Problem> {
    let message = shipload_wire::Response::decode(body).map_err(|_| crate::Trouble::Garbled)?;
    message.result().ok_or_else(|| crate::Trouble::Garbled.into())
}

/// What a body says is to be written.
struct Write {
    ops: Vec<Operation>,
    ttl: u32,
}

impl Write {
    fn of(content: Content, params: &WriteParams, otherwise: u32) -> Result<Write, Problem> {
        let object = content.object()?;
        let stray = object
            .keys()
            .find(|name| !matches!(name.as_str(), "bins" | "ttl") && !READ_ONLY.contains(&name.as_str()));
        if let Some(stray) = stray {
            return Err(Problem::unprocessable(format!(
                "'{stray}' is no member of a record; bins go into 'bins'"
            )));
        }
        let empty = Map::new();
        let bins = match object.get("bins") {
            Some(Value::Object(bins)) => bins,
            None => &empty,
            Some(_) => return Err(Problem::unprocessable("'bins' must be an object")),
        };
        let ops: Result<Vec<Operation>, Problem> =
            bins.iter().map(|(name, value)| put_op(name, value)).collect();
        let ttl = match &params.ttl {
            Some(text) => ttl::of_text(text)?,
            None => ttl::of_body(object.get("ttl"), otherwise)?,
        };
        Ok(Write { ops: ops?, ttl })
    }

    async fn run(
        mut self,
        web: &Web,
        key: &RecordKey,
        existing: Existing,
        condition: Condition,
    ) -> Result<Response, Problem> {
        if condition == Condition::Never {
            return Err(Problem::precondition());
        }
        if existing != Existing::Change {
            self.ops.retain(|operation| operation.kind != 0);
            if self.ops.is_empty() {
                return Err(Problem::unprocessable("a record has at least one bin"));
            }
        }
        let mut frames = Vec::new();
        command::write(&mut frames, key, &self.ops, (existing, condition), self.ttl);
        command::read(&mut frames, key, &Projection::Nothing);
        let answer = web.records.call(frames, 2).await?;
        let [written, after] = command::bodies(&answer, 2)?[..] else {
            return Err(crate::Trouble::Garbled.into());
        };
        refused(result(written)?, condition)?;
        Ok(done(key, written, after))
    }
}

/// Tells a failed condition from other refusals.
///
/// # Errors
/// The problem, unless the command succeeded.
pub fn refused(code: ResultCode, condition: Condition) -> Result<(), Problem> {
    match (code, condition) {
        (ResultCode::Ok, _) => Ok(()),
        (ResultCode::NotFound, Condition::Exists | Condition::Is(_))
        | (ResultCode::RecordExists, Condition::Absent)
        | (ResultCode::Generation | ResultCode::FilteredOut, _) => Err(Problem::precondition()),
        (code, _) => Err(code.into()),
    }
}

/// The answer to a write: its version, unless somebody else has written since.
fn done(key: &RecordKey, written: &[u8], after: &[u8]) -> Response {
    let own = command::decoded(written).map_or(0, |message| message.header.generation);
    let after = command::decoded(after).ok().and_then(|message| Record::of(&message).ok());
    match after {
        Some(record) if record.version.generation == own => {
            let version = record.version;
            tagged(version, Json(Written::of(key, &record)).into_response())
        }
        None if own == 0 => StatusCode::NO_CONTENT.into_response(),
        Some(_) | None => Json(Written::unknown(key, own)).into_response(),
    }
}

/// The operation that puts a value into a bin.
///
/// # Errors
/// A name or value that no bin can have.
pub fn put_op(name: &str, value: &Value) -> Result<Operation, Problem> {
    check_bin_name(name)?;
    let bin = json::bin(value).map_err(|error| Problem::unprocessable(format!("bin '{name}': {error}")))?;
    Ok(Operation { code: op::WRITE, kind: bin.kind, bin: name.to_owned(), value: bin.bytes })
}
