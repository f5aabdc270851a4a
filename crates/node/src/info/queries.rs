//! Tracked queries: `query-show`, `query-abort`, `query-abort-all`.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use crate::config::ServiceKey;
use crate::jobs::{Job, JobKind, JobStatus};
use crate::now::Now;
use core::fmt::Write as _;
use core::sync::atomic::Ordering::Relaxed;
use shipload_wire::ResultCode;
use std::sync::Arc;

/// `trid` is how clients before 8.1 say `id`.
const ID: [&str; 2] = ["id", "trid"];

pub(super) fn show(ask: &Ask<'_>) -> Answer {
    if ask.param(&ID).is_none() {
        let all = listed(ask);
        return Ok(all.iter().map(|job| entry(job, ask.now)).collect::<Vec<_>>().join(";"));
    }
    let job = ask.node.jobs.find(task_id(ask)?);
    let job = job.ok_or_else(|| InfoError::new(ResultCode::NotFound, "job not found"))?;
    Ok(entry(&job, ask.now))
}

/// Active jobs and the latest finished ones, of which there may be fewer now than when they were started.
fn listed(ask: &Ask<'_>) -> Vec<Arc<Job>> {
    let mut room = ask.node.config().service.number(ServiceKey::QueryMaxDone);
    let mut jobs = ask.node.jobs.list();
    jobs.retain(|job| {
        let active = job.status() == JobStatus::Active;
        let shown = active || room > 0;
        room = room.saturating_sub(u64::from(!active));
        shown
    });
    jobs
}

pub(super) fn abort(ask: &Ask<'_>) -> Answer {
    if ask.node.jobs.abort(task_id(ask)?) {
        Ok("ok".to_owned())
    } else {
        Err(InfoError::new(ResultCode::NotFound, "id not active"))
    }
}

pub(super) fn abort_all(ask: &Ask<'_>) -> Answer {
    Ok(format!("number-of-queries-killed:{}", ask.node.jobs.abort_all()))
}

fn task_id(ask: &Ask<'_>) -> Result<u64, InfoError> {
    let text = ask.param(&ID).ok_or_else(|| InfoError::parameter("missing 'id'"))?;
    text.parse().map_err(|_| InfoError::parameter("bad 'id'"))
}

/// One job as `key=value` pairs joined with `:`. Clients read `status`, `job-progress` and `recs-succeeded`.
fn entry(job: &Job, now: Now) -> String {
    let spec = &job.spec;
    let mut text = format!("trid={}:ns={}", spec.trid, spec.namespace);
    let mut pair = |key: &str, value: &dyn core::fmt::Display| {
        // Writing into a String cannot fail.
        let _ = write!(text, ":{key}={value}");
    };
    if !spec.set.is_empty() {
        pair("set", &spec.set);
    }
    if !spec.sindex_name.is_empty() {
        pair("sindex-name", &spec.sindex_name);
    }
    let background = matches!(spec.kind, JobKind::BackgroundOps | JobKind::BackgroundUdf);
    if !background {
        pair("n-pids-requested", &spec.n_pids_requested);
        pair("n-keyds-requested", &spec.n_keyds_requested);
    }
    pair("rps", &spec.rps);
    pair("active-threads", &u8::from(job.status() == JobStatus::Active));
    pair("status", &job.status().name());
    pair("job-progress", &format_args!("{:.2}", job.progress_pct()));
    pair("run-time", &job.run_time_ms(now.mono_ns));
    pair("time-since-done", &job.time_since_done_ms(now.mono_ns));
    pair("recs-throttled", &job.recs_throttled.load(Relaxed));
    pair("recs-filtered-meta", &job.recs_filtered_meta.load(Relaxed));
    pair("recs-filtered-bins", &job.recs_filtered_bins.load(Relaxed));
    pair("recs-succeeded", &job.recs_succeeded.load(Relaxed));
    pair("recs-failed", &job.recs_failed.load(Relaxed));
    pair("from", &spec.from);
    pair("job-type", &spec.kind.name());
    pair("net-io-bytes", &job.net_io_bytes.load(Relaxed));
    pair("socket-timeout", &spec.socket_timeout_ms);
    if let Some((module, function)) = &spec.udf {
        pair("udf-filename", module);
        pair("udf-function", function);
    }
    if spec.kind == JobKind::BackgroundUdf {
        pair("udf-active", &u8::from(job.status() == JobStatus::Active));
    }
    if spec.kind == JobKind::BackgroundOps {
        pair("ops-active", &u8::from(job.status() == JobStatus::Active));
    }
    text
}
