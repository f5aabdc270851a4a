//! Many records in one request: gets, puts, patches and deletes, each answered on its own.

use crate::Trouble;
use crate::Web;
use crate::command::{self, Projection, Record, TIMEOUT_MS, projection_ops};
use crate::extract::{Content, Name};
use crate::key::{RecordKey, set_name};
use crate::problem::Problem;
use crate::record::{projection, put_op};
use crate::schema::RecordView;
use crate::ttl;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use shipload_wire::bits::{batch, info2, info3};
use shipload_wire::message::Header;
use shipload_wire::request::{self, BatchRow, Key};
use shipload_wire::{Op, Response, ResultCode, response};
use utoipa::ToSchema;

/// Rows of one request, at most.
const ROWS_MAX: usize = 5000;

/// One row's answer: `record` of a get, or `generation` of a write, or `problem`.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct RowAnswer {
    /// As a request of its own would be answered.
    status: u16,
    /// The record that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordView>,
    /// How often the record was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// An answer for each row, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    rows: Vec<RowAnswer>,
}

/// The rows of a request.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes a body that is read by hand")]
pub struct BatchBody {
    /// `{"method": "get", "set": "demo", "key": "a"}`; `put` and `patch` have `bins` and perhaps `ttl` as well.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Put,
    Patch,
    Delete,
}

struct Row {
    method: Method,
    key: RecordKey,
    projection: Projection,
    ops: Vec<command::Operation>,
    ttl: u32,
}

/// Reads and writes many records of a namespace.
#[utoipa::path(post, path = "/v1/batch/{namespace}", tag = "records", params(("namespace" = String, Path)),
    request_body = BatchBody,
    responses((status = 200, body = BatchAnswer),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn run(
    State(web): State<Web>,
    Name(namespace): Name,
    content: Content,
) -> Result<Json<BatchAnswer>, Problem> {
    let body = content.object()?;
    let rows = body.get("rows").and_then(Value::as_array).filter(|rows| (1..=ROWS_MAX).contains(&rows.len()));
    let rows =
        rows.ok_or_else(|| Problem::unprocessable(format!("'rows' must hold 1 to {ROWS_MAX} rows")))?;
    let rows: Result<Vec<Row>, Problem> = rows.iter().map(|row| Row::of(&namespace, row)).collect();
    let rows = rows?;
    let frame = encode(&rows);
    let mut bodies = web.records.query(web.records.id(), frame).await?;
    let mut answers: Vec<RowAnswer> = rows.iter().map(|_| RowAnswer::default()).collect();
    let mut end = ResultCode::Ok;
    while let Some(body) = bodies.recv().await {
        for message in response::messages(&body?) {
            let message = message.map_err(|_| Trouble::Garbled)?;
            if message.is_last() {
                end = message.result().ok_or(Trouble::Garbled)?;
                continue;
            }
            let place = usize::try_from(message.header.transaction_ttl).unwrap_or(usize::MAX);
            if let (Some(row), Some(answer)) = (rows.get(place), answers.get_mut(place)) {
                *answer = row.answer(&message)?;
            }
        }
    }
    if answers.iter().any(|answer| answer.status == 0) {
        return Err(if end == ResultCode::Ok { Trouble::Garbled.into() } else { end.into() });
    }
    Ok(Json(BatchAnswer { rows: answers }))
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let ops: Vec<Vec<Op<'_>>> = rows.iter().map(Row::ops).collect();
    let rows: Vec<BatchRow<'_>> = rows.iter().zip(&ops).map(|(row, ops)| row.encoded(ops)).collect();
    let mut frame = Vec::new();
    request::batch(&mut frame, batch::RESPOND_ALL_KEYS, &rows, TIMEOUT_MS);
    frame
}

impl Row {
    fn of(namespace: &str, value: &Value) -> Result<Row, Problem> {
        let wrong = || Problem::unprocessable("a row must be an object with 'method', 'set' and 'key'");
        let object = value.as_object().ok_or_else(wrong)?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let key = RecordKey::parse(
            namespace,
            set_name(text("set").unwrap_or_default()),
            text("key").ok_or_else(wrong)?,
        )
        .map_err(|error| Problem::unprocessable(error.to_string()))?;
        let method = match text("method").unwrap_or("get") {
            "get" => Method::Get,
            "put" => Method::Put,
            "patch" => Method::Patch,
            "delete" => Method::Delete,
            other => return Err(Problem::unprocessable(format!("there is no method '{other}' in a batch"))),
        };
        let empty = Map::new();
        let bins = object.get("bins").and_then(Value::as_object).unwrap_or(&empty);
        let writes = matches!(method, Method::Put | Method::Patch);
        let kept = bins.iter().filter(|(_, value)| method == Method::Patch || !value.is_null());
        let ops: Result<Vec<_>, Problem> =
            kept.filter(|_| writes).map(|(name, value)| put_op(name, value)).collect();
        let ops = ops?;
        if writes && ops.is_empty() {
            return Err(Problem::unprocessable("a row that writes needs 'bins'"));
        }
        let otherwise = if method == Method::Patch { ttl::KEEP } else { ttl::DEFAULT };
        let ttl = ttl::of_body(object.get("ttl"), otherwise)?;
        let names = object.get("bins").and_then(Value::as_array).filter(|_| method == Method::Get);
        let names = names.map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        Ok(Row { method, key, projection: projection(names.as_deref())?, ops, ttl })
    }

    fn ops(&self) -> Vec<Op<'_>> {
        match self.method {
            Method::Get => projection_ops(&self.projection).1,
            Method::Put | Method::Patch | Method::Delete => {
                let op = |op: &command::Operation| (op.code, op.kind);
                let named = self.ops.iter().map(|one| (op(one), one.bin.as_bytes(), one.value.as_slice()));
                named.map(|((code, kind), name, value)| Op { code, kind, name, value }).collect()
            }
        }
    }

    fn encoded<'r>(&'r self, ops: &'r [Op<'r>]) -> BatchRow<'r> {
        let mut header = Header { record_ttl: self.ttl, ..Header::default() };
        match self.method {
            Method::Get => {
                header.info1 = projection_ops(&self.projection).0;
                header.record_ttl = 0;
            }
            Method::Put => (header.info2, header.info3) = (info2::WRITE, info3::CREATE_OR_REPLACE),
            Method::Patch => (header.info2, header.info3) = (info2::WRITE, info3::UPDATE_ONLY),
            Method::Delete => (header.info2, header.record_ttl) = (info2::WRITE | info2::DELETE, 0),
        }
        let user_key = self.key.user_key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
        let key = Key { user_key, ..Key::new(&self.key.namespace, &self.key.set, &self.key.digest.0) };
        BatchRow { key, header, ops, repeat: false }
    }

    fn answer(&self, message: &Response<'_>) -> Result<RowAnswer, Problem> {
        let code = message.result().ok_or(Trouble::Garbled)?;
        Ok(match (self.method, code) {
            (Method::Get, ResultCode::Ok) => {
                let record = RecordView::of(&self.key, Record::of(message)?);
                RowAnswer { status: 200, record: Some(record), ..RowAnswer::default() }
            }
            (Method::Delete, ResultCode::Ok | ResultCode::NotFound) => {
                RowAnswer { status: 204, ..RowAnswer::default() }
            }
            (Method::Put | Method::Patch, ResultCode::Ok) => {
                RowAnswer { status: 200, generation: Some(message.header.generation), ..RowAnswer::default() }
            }
            (Method::Get | Method::Put | Method::Patch | Method::Delete, code) => {
                let problem = Problem::from(code);
                RowAnswer { status: problem.status, problem: Some(problem), ..RowAnswer::default() }
            }
        })
    }
}
