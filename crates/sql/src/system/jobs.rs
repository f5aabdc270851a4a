//! Statements of this node: `sys.jobs` and its kin.

use super::{columns, empty, object, unknown};
use crate::column_type::Type;
use crate::error::Result;
use crate::execute::{RowSet, Sql};
use crate::jobs::{Ended, Job};
use crate::records::To;
use crate::value::Value;
use std::collections::BTreeMap;

pub(super) async fn table(sql: &Sql, name: &str) -> Result<RowSet> {
    let id = sql.records.info(&To::Own, "node").await.unwrap_or_default();
    let node = object(&[("id", Value::text(&id)), ("name", Value::text(&id))]);
    match name {
        "jobs" => Ok(running(sql, &node)),
        "jobs_log" => Ok(log(sql, &node)),
        "jobs_metrics" => Ok(metrics(sql, &node)),
        "operations" | "operations_log" => Ok(empty(&[
            ("id", Type::Text),
            ("job_id", Type::Text),
            ("name", Type::Text),
            ("started", Type::TimestampTz),
            ("used_bytes", Type::Long),
            ("node", Type::Object),
        ])),
        "sessions" => {
            let spec = [
                ("id", Type::Text),
                ("auth_user", Type::Text),
                ("last_statement", Type::Text),
                ("node", Type::Object),
            ];
            let rows = sql.jobs.running().into_iter().map(|job| {
                vec![
                    Value::Text(job.session),
                    Value::Text(job.user),
                    Value::Text(job.statement),
                    node.clone(),
                ]
            });
            Ok(RowSet { columns: columns(&spec), rows: rows.collect() })
        }
        _ => Err(unknown("sys", name)),
    }
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

fn statement(job: Job, node: &Value) -> Vec<Value> {
    vec![
        Value::Text(job.id),
        node.clone(),
        Value::Int(job.started_ms),
        Value::Text(job.statement),
        Value::Text(job.user),
        Value::Text(job.session),
    ]
}

fn running(sql: &Sql, node: &Value) -> RowSet {
    let rows = sql.jobs.running().into_iter().map(|job| statement(job, node));
    RowSet { columns: columns(&STATEMENT), rows: rows.collect() }
}

fn log(sql: &Sql, node: &Value) -> RowSet {
    let own = [("classification", Type::Object), ("ended", Type::TimestampTz), ("error", Type::Text)];
    let rows = sql.jobs.log().into_iter().map(|Ended { job, ended_ms, error, .. }| {
        let mut row = vec![
            object(&[("type", Value::text(job.class)), ("labels", Value::List(Vec::new()))]),
            Value::Int(ended_ms),
            error.map_or(Value::Null, Value::Text),
        ];
        row.extend(statement(job, node));
        row
    });
    RowSet { columns: columns(&[own.as_slice(), &STATEMENT].concat()), rows: rows.collect() }
}

fn metrics(sql: &Sql, node: &Value) -> RowSet {
    let spec = [
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
    let mut classes: BTreeMap<&'static str, Vec<(f64, bool)>> = BTreeMap::new();
    for ended in sql.jobs.log() {
        classes.entry(ended.job.class).or_default().push((ended.took_ms, ended.error.is_some()));
    }
    let rows = classes.into_iter().map(|(class, all)| class_row(class, &all, node));
    RowSet { columns: columns(&spec), rows: rows.collect() }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn class_row(class: &str, all: &[(f64, bool)], node: &Value) -> Vec<Value> {
    let mut times: Vec<f64> = all.iter().map(|(took, _)| *took).collect();
    times.sort_by(f64::total_cmp);
    let count = times.len().max(1) as f64;
    let sum: f64 = times.iter().sum();
    let mean = sum / count;
    let spread = times.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
    let whole = |number: f64| Value::Int(number.round() as i64);
    let at = |share: usize| {
        let place = (times.len().saturating_sub(1)) * share / 100;
        whole(times.get(place).copied().unwrap_or(0.0))
    };
    let percentiles: Vec<(String, Value)> =
        [25, 50, 75, 90, 95, 99].map(|share| (share.to_string(), at(share))).to_vec();
    vec![
        object(&[("type", Value::text(class)), ("labels", Value::List(Vec::new()))]),
        Value::Int(i64::try_from(all.iter().filter(|(_, failed)| *failed).count()).unwrap_or(0)),
        whole(times.last().copied().unwrap_or(0.0)),
        Value::Double(mean),
        whole(times.first().copied().unwrap_or(0.0)),
        node.clone(),
        Value::Map(percentiles),
        Value::Double(spread.sqrt()),
        whole(sum),
        Value::Int(i64::try_from(all.len()).unwrap_or(0)),
    ]
}
