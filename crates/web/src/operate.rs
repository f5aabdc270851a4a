//! Several operations on one record, all or nothing, under its lock.

use crate::Web;
use crate::command::{self, Existing, Operation, Projection, Record};
use crate::etag::Condition;
use crate::extract::{Content, Named};
use crate::json;
use crate::problem::Problem;
use crate::record::{check_bin_name, put_op, refused, result};
use crate::ttl;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};
use shipload_value::msgpack::writer;
use shipload_wire::bits::op;
use utoipa::ToSchema;

/// Operations of one request, at most.
const OPS_MAX: usize = 1000;
/// Particle type number of the payload of list and map operations.
const PAYLOAD: u8 = 4;
/// Return type of a map operation: the value.
const VALUE: i64 = 7;

/// One operation's result.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpResult {
    /// The bin that it worked on.
    bin: String,
    /// What it answers; `null` for nothing.
    value: Value,
}

/// What came of all operations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    /// A result for each operation that has one, in their order.
    results: Vec<OpResult>,
    /// How often the record was written.
    generation: u32,
    /// Its version; missing when somebody else has written since, or the record is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

/// The operations of a request.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes a body that is read by hand")]
pub struct OperateBody {
    /// `{"op": "add", "bin": "visits", "value": 1}` and the like.
    #[schema(value_type = Vec<Object>)]
    ops: Vec<Value>,
    /// Seconds, `never`, `default` or `keep`.
    #[schema(value_type = Option<Value>)]
    ttl: Option<Value>,
}

/// Applies operations to a record; it is created when it is not there and an operation writes.
///
/// `get`, `put`, `add`, `append`, `prepend`, `touch`, `delete`; on lists `list-append`, `list-insert`, `list-set`,
/// `list-remove`, `list-pop`, `list-increment`, `list-clear`, `list-size`, `list-get`, `list-range`; on maps `map-put`,
/// `map-increment`, `map-remove`, `map-clear`, `map-size`, `map-get`.
#[utoipa::path(post, path = "/v1/db/{namespace}/{set}/{key}/operate", tag = "records",
    params(("namespace" = String, Path), ("set" = String, Path), ("key" = String, Path),
        ("If-Match" = Option<String>, Header)),
    request_body = OperateBody,
    responses((status = 200, body = Operated),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn operate(
    State(web): State<Web>,
    Named(key): Named,
    headers: HeaderMap,
    content: Content,
) -> Result<Json<Operated>, Problem> {
    let condition = Condition::of_write(&headers)?;
    if condition == Condition::Never {
        return Err(Problem::precondition());
    }
    let body = content.object()?;
    if let Some(stray) = body.keys().find(|name| !matches!(name.as_str(), "ops" | "ttl")) {
        return Err(Problem::unprocessable(format!(
            "'{stray}' is not known here; there are 'ops' and 'ttl'"
        )));
    }
    let listed = body.get("ops").and_then(Value::as_array).filter(|ops| (1..=OPS_MAX).contains(&ops.len()));
    let listed = listed.ok_or_else(|| Problem::unprocessable("'ops' must hold 1 to 1000 operations"))?;
    let ops: Result<Vec<Operation>, Problem> = listed.iter().map(operation).collect();
    let ttl = ttl::of_body(body.get("ttl"), ttl::KEEP)?;
    let mut frames = Vec::new();
    command::write(&mut frames, &key, &ops?, (Existing::Merge, condition), ttl);
    command::read(&mut frames, &key, &Projection::Nothing);
    let answer = web.records.call(frames, 2).await?;
    let [operated, after] = command::bodies(&answer, 2)?[..] else {
        return Err(crate::Trouble::Garbled.into());
    };
    refused(result(operated)?, condition)?;
    let message = command::decoded(operated)?;
    let results = message.ops.clone().map(|op| OpResult {
        bin: String::from_utf8_lossy(op.name).into_owned(),
        value: json::particle(op.kind, op.value),
    });
    let generation = message.header.generation;
    let after = command::decoded(after).ok().and_then(|message| Record::of(&message).ok());
    let own = after.filter(|record| record.version.generation == generation);
    Ok(Json(Operated {
        results: results.collect(),
        generation,
        etag: own.map(|record| record.version.to_string()),
    }))
}

fn operation(value: &Value) -> Result<Operation, Problem> {
    let object = value.as_object().ok_or_else(|| Problem::unprocessable("an operation must be an object"))?;
    let name = text(object, "op")?;
    if matches!(name, "touch" | "delete") {
        let code = if name == "touch" { op::TOUCH } else { op::DELETE };
        return Ok(Operation { code, kind: 0, bin: String::new(), value: Vec::new() });
    }
    let bin = text(object, "bin")?;
    check_bin_name(bin)?;
    let plain = |code| put_op(bin, member(object, "value")?).map(|put| Operation { code, ..put });
    match name {
        "get" => Ok(Operation { code: op::READ, kind: 0, bin: bin.to_owned(), value: Vec::new() }),
        "put" => plain(op::WRITE),
        "add" => plain(op::INCR),
        "append" => plain(op::APPEND),
        "prepend" => plain(op::PREPEND),
        _ => inside(name, bin, object),
    }
}

/// An argument of an operation on a list or map.
enum Arg {
    /// A member of the operation's object.
    Of(&'static str),
    /// A fixed number.
    Fixed(i64),
}

/// Whether it writes, its code, and its arguments.
type Call = (bool, i64, &'static [Arg]);

fn call(name: &str) -> Option<Call> {
    use Arg::{Fixed, Of};
    Some(match name {
        "list-append" => (true, 1, &[Of("value")]),
        "list-insert" => (true, 3, &[Of("index"), Of("value")]),
        "list-pop" => (true, 5, &[Of("index")]),
        "list-remove" => (true, 7, &[Of("index")]),
        "list-set" => (true, 9, &[Of("index"), Of("value")]),
        "list-clear" => (true, 11, &[]),
        "list-increment" => (true, 12, &[Of("index"), Of("value")]),
        "list-size" => (false, 16, &[]),
        "list-get" => (false, 17, &[Of("index")]),
        "list-range" => (false, 18, &[Of("index"), Of("count")]),
        "map-put" => (true, 67, &[Of("key"), Of("value"), Fixed(0)]),
        "map-increment" => (true, 73, &[Of("key"), Of("value"), Fixed(0)]),
        "map-clear" => (true, 75, &[]),
        "map-remove" => (true, 76, &[Fixed(VALUE), Of("key")]),
        "map-size" => (false, 96, &[]),
        "map-get" => (false, 97, &[Fixed(VALUE), Of("key")]),
        _ => return None,
    })
}

fn inside(name: &str, bin: &str, object: &Map<String, Value>) -> Result<Operation, Problem> {
    let (writes, code, args) =
        call(name).ok_or_else(|| Problem::unprocessable(format!("there is no operation '{name}'")))?;
    let mut value = Vec::new();
    writer::array_head(&mut value, args.len() + 1);
    writer::int(&mut value, code);
    for arg in args {
        match arg {
            Arg::Fixed(number) => writer::int(&mut value, *number),
            Arg::Of(member_name) => json::element(member(object, member_name)?, &mut value)
                .map_err(|error| Problem::unprocessable(format!("'{member_name}': {error}")))?,
        }
    }
    let code = if writes { op::CDT_MODIFY } else { op::CDT_READ };
    Ok(Operation { code, kind: PAYLOAD, bin: bin.to_owned(), value })
}

fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Result<&'o Value, Problem> {
    object.get(name).ok_or_else(|| Problem::unprocessable(format!("the operation lacks '{name}'")))
}

fn text<'o>(object: &'o Map<String, Value>, name: &str) -> Result<&'o str, Problem> {
    let found = member(object, name)?.as_str();
    found.ok_or_else(|| Problem::unprocessable(format!("'{name}' must be text")))
}
