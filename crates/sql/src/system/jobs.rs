//! Statements of all nodes: `sys.jobs` and its kin.

use super::{columns, object, unknown};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::jobs::elsewhere;
use crate::jobs::told::{End, List, Measures, SHARES, Told};
use crate::records::To;
use crate::value::Value;
use serde::de::DeserializeOwned;

type Spec = [(&'static str, Type)];

pub(super) async fn table(sql: &Sql, name: &str) -> Result<RowSet> {
    let running = async || all(sql, List::Running, sql.jobs.told_running()).await;
    let ended = async || all(sql, List::Ended, sql.jobs.told_ended()).await;
    Ok(match name {
        "jobs" => rows(&[&STATEMENT, &PROGRESS], running().await, |told, node| {
            let how_far = progress(told.progress);
            let mut row = statement(told, node);
            row.push(how_far);
            row
        }),
        "jobs_log" => rows(&[&ENDED, &STATEMENT], ended().await, logged),
        "jobs_metrics" => {
            let measures = all(sql, List::Measures, sql.jobs.measures()).await;
            rows(&[&METRICS], measures, |one: Measures, node| metrics(&one, node))
        }
        "operations" => rows(&[&OPERATION, &[("node", Type::Object)]], running().await, |told, node| {
            let mut row = operation(&told);
            row.push(node);
            row
        }),
        "operations_log" => rows(&[&OPERATION, &END], ended().await, |mut told, _| {
            let end = ending(told.end.take());
            let mut row = operation(&told);
            row.extend(end);
            row
        }),
        "sessions" => rows(&[&SESSION], running().await, |told, node| {
            vec![Value::Text(told.session), Value::Text(told.user), Value::Text(told.statement), node]
        }),
        _ => return Err(unknown("sys", name)),
    })
}

/// What all nodes have, by node, this one first.
async fn all<T: DeserializeOwned + Send>(sql: &Sql, list: List, own: Vec<T>) -> Vec<(Value, Vec<T>)> {
    let id = sql.records.info(&To::Own, "node").await.unwrap_or_default();
    let mut all = vec![(id, own)];
    all.extend(elsewhere::told(&sql.records, list).await);
    let named = |(id, rows)| (object(&[("id", Value::text(&id)), ("name", Value::Text(id))]), rows);
    all.into_iter().map(named).collect()
}

fn rows<T>(spec: &[&Spec], all: Vec<(Value, Vec<T>)>, row: impl Fn(T, Value) -> Vec<Value>) -> RowSet {
    let row = &row;
    let of_node = |(node, rows): (Value, Vec<T>)| rows.into_iter().map(move |one| row(one, node.clone()));
    RowSet { columns: columns(&spec.concat()), rows: all.into_iter().flat_map(of_node).collect() }
}

/// Columns that running and ended statements have.
const STATEMENT: [(&str, Type); 6] = [
    ("id", Type::Text),
    ("node", Type::Object),
    ("started", Type::TimestampTz),
    ("stmt", Type::Text),
    ("username", Type::Text),
    ("session_id", Type::Text),
];
const PROGRESS: [(&str, Type); 1] = [("progress", Type::Object)];
const ENDED: [(&str, Type); 3] =
    [("classification", Type::Object), ("ended", Type::TimestampTz), ("error", Type::Text)];

fn statement(told: Told, node: Value) -> Vec<Value> {
    vec![
        Value::Text(told.id),
        node,
        Value::Int(told.started_ms),
        Value::Text(told.statement),
        Value::Text(told.user),
        Value::Text(told.session),
    ]
}

fn logged(mut told: Told, node: Value) -> Vec<Value> {
    let mut row = vec![classification(&told.class)];
    row.extend(ending(told.end.take()));
    row.extend(statement(told, node));
    row
}

fn classification(class: &str) -> Value {
    object(&[("type", Value::text(class)), ("labels", Value::List(Vec::new()))])
}

/// When a statement ended, and what went wrong.
fn ending(end: Option<End>) -> [Value; 2] {
    end.map_or([Value::Null, Value::Null], |end| {
        [Value::Int(end.ended_ms), end.error.map_or(Value::Null, Value::Text)]
    })
}

/// Null for a statement that tells nothing, and for bytes whose number is not known.
fn progress((rows, bytes, bytes_total): (u64, u64, u64)) -> Value {
    if rows == 0 && bytes == 0 && bytes_total == 0 {
        return Value::Null;
    }
    let number = |count| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let total = if bytes_total == 0 { Value::Null } else { number(bytes_total) };
    object(&[("rows", number(rows)), ("bytes", number(bytes)), ("bytes_total", total)])
}

/// Columns of operations. A statement is one operation here, on the node that was asked.
const OPERATION: [(&str, Type); 5] = [
    ("id", Type::Text),
    ("job_id", Type::Text),
    ("name", Type::Text),
    ("started", Type::TimestampTz),
    ("used_bytes", Type::Long),
];
const END: [(&str, Type); 2] = [("ended", Type::TimestampTz), ("error", Type::Text)];

fn operation(told: &Told) -> Vec<Value> {
    vec![
        Value::text(&told.id),
        Value::text(&told.id),
        Value::Text(told.class.to_lowercase()),
        Value::Int(told.started_ms),
        Value::Null,
    ]
}

const SESSION: [(&str, Type); 4] =
    [("id", Type::Text), ("auth_user", Type::Text), ("last_statement", Type::Text), ("node", Type::Object)];

const METRICS: [(&str, Type); 10] = [
    ("classification", Type::Object),
    ("failed_count", Type::Long),
    ("max", Type::Long),
    ("mean", Type::Double),
    ("min", Type::Long),
    ("node", Type::Object),
    ("percentiles", Type::Object),
    ("stdev", Type::Double),
    ("sum_of_durations", Type::Long),
    ("total_count", Type::Long),
];

#[allow(clippy::cast_possible_truncation)]
fn metrics(one: &Measures, node: Value) -> Vec<Value> {
    let whole = |number: f64| Value::Int(number.round() as i64);
    let count = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let percentiles = SHARES.iter().zip(&one.shares).map(|(share, time)| (share.to_string(), whole(*time)));
    vec![
        classification(&one.class),
        count(one.failed),
        whole(one.max),
        Value::Double(one.mean),
        whole(one.min),
        node,
        Value::Map(percentiles.collect()),
        Value::Double(one.deviation),
        whole(one.sum),
        count(one.total),
    ]
}
