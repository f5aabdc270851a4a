//! Statements that run, and those that ran a moment ago.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Finished statements that are remembered.
const LOG_MAX: usize = 10_000;

/// A statement under way.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub user: String,
    /// The session that asked.
    pub session: String,
    /// Its text.
    pub statement: String,
    /// The word by which it is counted.
    pub class: &'static str,
    /// When it began, milliseconds since 1970.
    pub started_ms: i64,
    begun: Instant,
    killed: Arc<Notify>,
}

/// A statement that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The statement.
    pub job: Job,
    /// When it ended, milliseconds since 1970.
    pub ended_ms: i64,
    /// How long it took, milliseconds.
    pub took_ms: f64,
    /// What went wrong.
    pub error: Option<String>,
}

/// All statements of this node.
#[derive(Debug, Default)]
pub struct Jobs {
    running: Mutex<BTreeMap<String, Job>>,
    log: Mutex<VecDeque<Ended>>,
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Jobs {
    /// A statement begins.
    pub fn begin(&self, user: &str, session: &str, statement: &str, class: &'static str) -> Job {
        let job = Job {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.to_owned(),
            session: session.to_owned(),
            statement: statement.to_owned(),
            class,
            started_ms: now_ms(),
            begun: Instant::now(),
            killed: Arc::default(),
        };
        self.running.lock().insert(job.id.clone(), job.clone());
        job
    }

    /// A statement has ended.
    pub fn end(&self, job: &Job, error: Option<String>) {
        if self.running.lock().remove(&job.id).is_none() {
            return;
        }
        let took_ms = job.begun.elapsed().as_secs_f64() * 1000.0;
        let mut log = self.log.lock();
        if log.len() >= LOG_MAX {
            log.pop_front();
        }
        log.push_back(Ended { job: job.clone(), ended_ms: now_ms(), took_ms, error });
    }

    /// A statement was only looked at: it leaves no trace.
    pub fn forget(&self, job: &Job) {
        self.running.lock().remove(&job.id);
    }

    /// Ends statements: one by its id, or all but the one that asks. Gives their number.
    pub fn kill(&self, id: Option<&str>, asking: &str) -> usize {
        let running = self.running.lock();
        let chosen = running.values().filter(|job| match id {
            Some(id) => job.id == id,
            None => job.id != asking,
        });
        // One permit is kept for a statement that does not wait at this moment.
        chosen.map(|job| job.killed.notify_one()).count()
    }

    /// Statements under way.
    #[must_use]
    pub fn running(&self) -> Vec<Job> {
        self.running.lock().values().cloned().collect()
    }

    /// Statements that have ended, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Ended> {
        self.log.lock().iter().cloned().collect()
    }
}

impl Job {
    /// Waits until somebody ends the statement.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }
}

/// Ends a job that nobody ends otherwise: its connection is gone.
pub struct Running<'a> {
    jobs: &'a Jobs,
    /// The statement.
    pub job: Job,
}

impl<'a> Running<'a> {
    /// Looks after a statement that has begun.
    #[must_use]
    pub fn new(jobs: &'a Jobs, job: Job) -> Running<'a> {
        Running { jobs, job }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.jobs.end(&self.job, Some("the client has gone".to_owned()));
    }
}
