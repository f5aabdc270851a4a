//! The table of tracked queries: what `query-show` lists and `query-abort` stops.
//!
//! A job is one shared entry of atomics: the thread that runs the query writes progress into it, and looks at
//! its status before each slice, so that an abort takes effect within one slice. Finished jobs stay listed up to
//! `query-max-done`.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What a tracked query does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// A foreground query.
    Basic,
    /// Write operations applied to every matching record.
    BackgroundOps,
    /// A UDF applied to every matching record.
    BackgroundUdf,
    /// A foreground aggregation.
    Aggregation,
}

impl JobKind {
    /// The text after `job-type=`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Basic => "basic",
            JobKind::BackgroundOps => "background-ops",
            JobKind::BackgroundUdf => "background-udf",
            JobKind::Aggregation => "aggregation",
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum JobStatus {
    /// It runs.
    Active = 0,
    /// It ran to its end.
    DoneOk = 1,
    /// Somebody stopped it by `query-abort`.
    UserAborted = 2,
    /// Its connection went away.
    ConnectionLost = 3,
    /// It stopped because of an error of the node.
    Failed = 4,
}

impl JobStatus {
    /// The text after `status=`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobStatus::Active => "active(ok)",
            JobStatus::DoneOk => "done(ok)",
            JobStatus::UserAborted => "done(user-aborted)",
            JobStatus::ConnectionLost => "done(abandoned-response-error)",
            JobStatus::Failed => "done(abandoned-unknown)",
        }
    }
}

/// What is known when a job starts.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Task id that the client chose (or that the node made up).
    pub trid: u64,
    /// Name of the namespace.
    pub namespace: String,
    /// Name of the set; empty when all sets are meant.
    pub set: String,
    /// Name of the secondary index that it reads; empty without one.
    pub sindex_name: String,
    /// What it does.
    pub kind: JobKind,
    /// Names of the module and the function that it runs.
    pub udf: Option<(String, String)>,
    /// Address of the client, as `host+port`.
    pub from: String,
    /// Records a second it may read; 0 means as fast as it can.
    pub rps: u32,
    /// Milliseconds that the server waits when it can't write; 0 for the default.
    pub socket_timeout_ms: u32,
    /// Whole partitions asked for.
    pub n_pids_requested: u32,
    /// Partitions to resume after a digest.
    pub n_keyds_requested: u32,
    /// When it started, monotonic nanoseconds.
    pub started_mono_ns: u64,
}

/// One tracked query.
#[derive(Debug)]
pub struct Job {
    /// What was known at the start.
    pub spec: JobSpec,
    /// Records that were answered or changed.
    pub recs_succeeded: AtomicU64,
    /// Records on which the operation failed.
    pub recs_failed: AtomicU64,
    /// Records that the filter left out by metadata alone.
    pub recs_filtered_meta: AtomicU64,
    /// Records that the filter left out after reading bins.
    pub recs_filtered_bins: AtomicU64,
    /// Records that counted against `rps`.
    pub recs_throttled: AtomicU64,
    /// Bytes sent to the client.
    pub net_io_bytes: AtomicU64,
    /// Partitions finished.
    pub partitions_done: AtomicU64,
    /// Partitions to do in all.
    pub partitions_total: AtomicU64,
    /// Monotonic nanoseconds of the end; 0 while active.
    pub finished_mono_ns: AtomicU64,
    status: AtomicU8,
    abort: AtomicBool,
}

impl Job {
    fn new(spec: JobSpec) -> Job {
        let total = u64::from(spec.n_pids_requested) + u64::from(spec.n_keyds_requested);
        Job {
            spec,
            recs_succeeded: AtomicU64::new(0),
            recs_failed: AtomicU64::new(0),
            recs_filtered_meta: AtomicU64::new(0),
            recs_filtered_bins: AtomicU64::new(0),
            recs_throttled: AtomicU64::new(0),
            net_io_bytes: AtomicU64::new(0),
            partitions_done: AtomicU64::new(0),
            partitions_total: AtomicU64::new(total),
            finished_mono_ns: AtomicU64::new(0),
            status: AtomicU8::new(JobStatus::Active as u8),
            abort: AtomicBool::new(false),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        match self.status.load(Ordering::Acquire) {
            0 => JobStatus::Active,
            1 => JobStatus::DoneOk,
            2 => JobStatus::UserAborted,
            3 => JobStatus::ConnectionLost,
            _ => JobStatus::Failed,
        }
    }

    /// Whether somebody asked it to stop.
    #[must_use]
    pub fn abort_wanted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    /// Ends the job once; later calls change nothing.
    pub fn finish(&self, status: JobStatus, mono_ns: u64) {
        let active = JobStatus::Active as u8;
        if self.status.compare_exchange(active, status as u8, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.finished_mono_ns.store(mono_ns.max(1), Ordering::Relaxed);
        }
    }

    /// Percent of the partitions that are done, 100.0 once finished.
    #[must_use]
    pub fn progress_pct(&self) -> f64 {
        if self.status() == JobStatus::DoneOk {
            return 100.0;
        }
        let total = self.partitions_total.load(Ordering::Relaxed).max(1);
        let done = self.partitions_done.load(Ordering::Relaxed).min(total);
        #[allow(clippy::cast_precision_loss, reason = "at most 4096 partitions")]
        let pct = done as f64 * 100.0 / total as f64;
        pct
    }

    /// Milliseconds that it has run (until its end when it has one).
    #[must_use]
    pub fn run_time_ms(&self, mono_ns: u64) -> u64 {
        let finished = self.finished_mono_ns.load(Ordering::Relaxed);
        let end = if finished == 0 { mono_ns } else { finished };
        end.saturating_sub(self.spec.started_mono_ns) / 1_000_000
    }

    /// Milliseconds since its end; 0 while active.
    #[must_use]
    pub fn time_since_done_ms(&self, mono_ns: u64) -> u64 {
        match self.finished_mono_ns.load(Ordering::Relaxed) {
            0 => 0,
            finished => mono_ns.saturating_sub(finished) / 1_000_000,
        }
    }
}

/// Why a job was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplicateTask;

/// All tracked queries of the node, active ones and the latest finished ones, newest first.
#[derive(Debug, Default)]
pub struct JobTable {
    jobs: Mutex<VecDeque<Arc<Job>>>,
}

impl JobTable {
    /// Takes in a new job and forgets the oldest finished ones above `max_done`.
    ///
    /// # Errors
    /// When a listed job, running or finished, has the same task id.
    pub fn start(&self, spec: JobSpec, max_done: usize) -> Result<Arc<Job>, DuplicateTask> {
        let mut jobs = self.jobs.lock();
        if jobs.iter().any(|job| job.spec.trid == spec.trid) {
            return Err(DuplicateTask);
        }
        let job = Arc::new(Job::new(spec));
        jobs.push_front(Arc::clone(&job));
        let mut done = 0;
        jobs.retain(|job| {
            done += usize::from(job.status() != JobStatus::Active);
            job.status() == JobStatus::Active || done <= max_done
        });
        Ok(job)
    }

    /// All listed jobs, newest first; finished ones above `max_done` are forgotten.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Job>> {
        self.jobs.lock().iter().cloned().collect()
    }

    /// The job with this task id.
    #[must_use]
    pub fn find(&self, trid: u64) -> Option<Arc<Job>> {
        self.jobs.lock().iter().find(|job| job.spec.trid == trid).cloned()
    }

    /// Asks an active job to stop; false when there is none with this id.
    pub fn abort(&self, trid: u64) -> bool {
        match self.find(trid) {
            Some(job) if job.status() == JobStatus::Active => {
                job.abort.store(true, Ordering::Relaxed);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Asks all active jobs to stop; how many there were.
    pub fn abort_all(&self) -> usize {
        let active = self.list().into_iter().filter(|job| job.status() == JobStatus::Active);
        active.inspect(|job| job.abort.store(true, Ordering::Relaxed)).count()
    }

    /// How many jobs run.
    #[must_use]
    pub fn active(&self) -> usize {
        self.jobs.lock().iter().filter(|job| job.status() == JobStatus::Active).count()
    }
}
