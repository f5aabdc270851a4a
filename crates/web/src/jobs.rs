//! Queries that run or ran on all nodes, and ending them.

use crate::Web;
use crate::extract::{Content, Name};
use crate::info::{self, pairs};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A query on one node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its task id; the same on all nodes for a client's query.
    id: String,
    /// The node that runs it.
    node: String,
    /// Whether it runs.
    active: bool,
    /// Its state in the protocol's words.
    status: String,
    /// What it does: `basic`, `aggregation`, `background-ops`, `background-udf`.
    kind: String,
    /// The namespace's name.
    namespace: String,
    /// The set's name; empty for all.
    set: String,
    /// How far it is, in percent.
    progress_pct: f64,
    /// How long it ran or runs.
    run_time_ms: u64,
    /// Milliseconds since its end.
    done_since_ms: u64,
    /// Records that it answered or changed.
    succeeded: u64,
    /// Records on which it failed.
    failed: u64,
    /// Who asked.
    from: String,
}

/// The jobs of all nodes, running ones first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobsView {
    jobs: Vec<JobView>,
}

/// Queries that run, and the latest that ended.
#[utoipa::path(get, path = "/v1/jobs", tag = "cluster", responses((status = 200, body = JobsView),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn jobs(State(web): State<Web>) -> Json<JobsView> {
    let answers = info::everywhere(&web, &["query-show".to_owned()]).await;
    let mut jobs = Vec::new();
    for (member, texts) in answers {
        let texts = texts.unwrap_or_default();
        let rows = texts.iter().flat_map(|text| text.split(';')).filter(|row| !row.is_empty());
        jobs.extend(rows.filter_map(|row| job(&member.id.to_string(), row)));
    }
    jobs.sort_by_key(|job| (!job.active, job.done_since_ms));
    Json(JobsView { jobs })
}

fn job(node: &str, row: &str) -> Option<JobView> {
    let of = |key: &str| pairs(row, ':').find(|(name, _)| *name == key).map_or("", |(_, value)| value);
    let number = |key: &str| of(key).parse().unwrap_or(0);
    let status = of("status");
    Some(JobView {
        id: Some(of("trid")).filter(|id| !id.is_empty())?.to_owned(),
        node: node.to_owned(),
        active: status.starts_with("active"),
        status: status.to_owned(),
        kind: of("job-type").to_owned(),
        namespace: of("ns").to_owned(),
        set: of("set").to_owned(),
        progress_pct: of("job-progress").parse().unwrap_or(0.0),
        run_time_ms: number("run-time"),
        done_since_ms: number("time-since-done"),
        succeeded: number("recs-succeeded"),
        failed: number("recs-failed"),
        from: of("from").to_owned(),
    })
}

/// Ends a query on all nodes that run it. The body is `{}`.
#[utoipa::path(post, path = "/v1/jobs/{id}/abort", tag = "cluster", params(("id" = String, Path)),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, description = "it is told to end", body = Value),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn abort(State(web): State<Web>, Name(id): Name, content: Content) -> Result<Json<Value>, Problem> {
    content.object()?;
    let id: u64 = id.parse().map_err(|_| Problem::not_found("there is no such job"))?;
    let answers = info::everywhere(&web, &[format!("query-abort:id={id}")]).await;
    let told = |texts: &Vec<String>| texts.iter().any(|text| text == "ok");
    let nodes = answers.iter().filter(|(_, texts)| texts.as_ref().is_ok_and(told)).count();
    if nodes == 0 {
        return Err(Problem::not_found("no node runs this job"));
    }
    Ok(Json(serde_json::json!({ "nodes": nodes })))
}
