//! Statements that run, and those that ran a moment ago.

pub(crate) mod elsewhere;
pub(crate) mod told;

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

pub use told::List;

/// Finished statements that are remembered.
const LOG_MAX: usize = 10_000;
/// Bytes of a statement's text, and of its error's, that are kept.
const TEXT_MAX: usize = 8 << 10;

/// A statement under way.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub user: String,
    /// The session that asked.
    pub session: String,
    /// Its text; the beginning of a long one.
    pub statement: String,
    /// The word by which it is counted.
    pub class: &'static str,
    /// When it began, milliseconds since 1970.
    pub started_ms: i64,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Its place among all that began here.
    place: u64,
    begun: Instant,
    killed: Arc<Notify>,
}

/// How far a statement is that moves rows; all zero for those that tell nothing.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
}

impl Progress {
    /// So many more rows are done.
    pub fn add_rows(&self, count: usize) {
        self.rows.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// So many more bytes have been read or written.
    pub fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// So many more bytes are there to be read.
    pub fn expect_bytes(&self, count: u64) {
        self.bytes_total.fetch_add(count, Ordering::Relaxed);
    }

    /// Rows done, bytes done, and all bytes as far as they are known (0 when not).
    #[must_use]
    pub fn told(&self) -> (u64, u64, u64) {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        (load(&self.rows), load(&self.bytes), load(&self.bytes_total))
    }
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
    /// Its place among all that ended here.
    place: u64,
}

/// All statements of this node.
#[derive(Debug, Default)]
pub struct Jobs {
    /// By place.
    running: Mutex<BTreeMap<u64, Job>>,
    log: Mutex<VecDeque<Ended>>,
    begun: AtomicU64,
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The beginning of a text that is too long to be kept.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        text.push_str("...");
        text.shrink_to_fit();
    }
    text
}

impl Jobs {
    /// A statement begins.
    pub fn begin(&self, user: &str, session: &str, statement: &str, class: &'static str) -> Job {
        let job = Job {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.to_owned(),
            session: session.to_owned(),
            statement: cut(crate::network::without_keys(statement)),
            class,
            started_ms: now_ms(),
            progress: Arc::default(),
            place: self.begun.fetch_add(1, Ordering::Relaxed),
            begun: Instant::now(),
            killed: Arc::default(),
        };
        self.running.lock().insert(job.place, job.clone());
        job
    }

    /// A statement has ended.
    pub fn end(&self, job: &Job, error: Option<String>) {
        if self.running.lock().remove(&job.place).is_none() {
            return;
        }
        let took_ms = job.begun.elapsed().as_secs_f64() * 1000.0;
        let mut log = self.log.lock();
        if log.len() >= LOG_MAX {
            log.pop_front();
        }
        let place = log.back().map_or(0, |last| last.place + 1);
        log.push_back(Ended { job: job.clone(), ended_ms: now_ms(), took_ms, error: error.map(cut), place });
    }

    /// A statement was only looked at: it leaves no trace.
    pub fn forget(&self, job: &Job) {
        self.running.lock().remove(&job.place);
    }

    /// Ends statements of this node: one by its id, or all but the one that asks. Gives their number.
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
