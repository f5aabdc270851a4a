//! What a client gets.

use super::request::{Request, Wishes};
use crate::error::{Kind, SqlError};
use crate::execute::{BulkOutcome, Outcome, RowSet, Sql};
use crate::session::Session;
use crate::value::json::to_json_as;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use std::time::Instant;

/// So many failed rows of a bulk request tell why.
const TOLD_MAX: usize = 10;

/// Runs a request and writes its answer.
pub(super) async fn run(sql: &Sql, session: &mut Session, request: &Request, wishes: Wishes) -> Response {
    let begun = Instant::now();
    let answer = match request.bulk.as_deref().filter(|lists| !lists.is_empty()) {
        Some(lists) => sql.run_bulk(session, &request.statement, lists).await.map(|outcomes| bulk(&outcomes)),
        None => {
            sql.run(session, &request.statement, &request.args).await.map(|outcome| single(&outcome, wishes))
        }
    };
    match answer {
        Ok(mut answer) => {
            if let Json::Object(members) = &mut answer {
                members.insert("duration".to_owned(), json!(begun.elapsed().as_secs_f64() * 1000.0));
            }
            respond(StatusCode::OK, &answer)
        }
        Err(wrong) => error(&wrong, wishes),
    }
}

fn single(outcome: &Outcome, wishes: Wishes) -> Json {
    match outcome {
        Outcome::Rows(rows) => row_set(rows, wishes),
        Outcome::Count(count) if wishes.types => {
            json!({"cols": [], "col_types": [], "rows": [[]], "rowcount": count})
        }
        Outcome::Count(count) => json!({"cols": [], "rows": [[]], "rowcount": count}),
    }
}

fn row_set(set: &RowSet, wishes: Wishes) -> Json {
    let cols: Vec<&str> = set.columns.iter().map(|(name, _)| name.as_str()).collect();
    let row = |row: &Vec<crate::Value>| {
        Json::Array(row.iter().zip(&set.columns).map(|(value, (_, ty))| to_json_as(value, ty)).collect())
    };
    let rows: Vec<Json> = set.rows.iter().map(row).collect();
    if !wishes.types {
        return json!({"cols": cols, "rows": rows, "rowcount": set.rows.len()});
    }
    let types: Vec<Json> = set.columns.iter().map(|(_, ty)| ty.id()).collect();
    json!({"cols": cols, "col_types": types, "rows": rows, "rowcount": set.rows.len()})
}

fn bulk(outcomes: &[BulkOutcome]) -> Json {
    let mut told = 0;
    let one = |outcome: &BulkOutcome| match outcome {
        Ok(count) => json!({"rowcount": count}),
        Err(_) if told >= TOLD_MAX => json!({"rowcount": -2}),
        Err(wrong) => {
            told += 1;
            json!({"rowcount": -2, "error": {"code": wrong.kind.code(), "message": wrong.to_string()}})
        }
    };
    let results: Vec<Json> = outcomes.iter().map(one).collect();
    json!({"cols": [], "results": results})
}

/// The answer for an error.
pub(super) fn error(wrong: &SqlError, wishes: Wishes) -> Response {
    let status = StatusCode::from_u16(wrong.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!({"error": {"message": wrong.to_string(), "code": wrong.kind.code()}});
    if wishes.trace
        && let Json::Object(members) = &mut body
    {
        members.insert("error_trace".to_owned(), json!(format!("{:?}: {}", wrong.kind, wrong.message)));
    }
    if wrong.kind == Kind::Unauthorized {
        return (status, [(header::WWW_AUTHENTICATE, "Basic realm=\"Shipload\"")], wrong.to_string())
            .into_response();
    }
    respond(status, &body)
}

fn respond(status: StatusCode, body: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body.to_string()).into_response()
}
