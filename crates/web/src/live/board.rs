//! Who looks at what: one feed for each set, one task for each distinct query, whoever many subscribe.
//!
//! ```text
//!  change streams ──► feed of a set: records as they are now ──► each query: does it match? ──► its list ──► subscribers
//! ```
//!
//! A query runs at its begin, when changes may have been missed, and when its slack is used up; everything else is decided
//! by looking at changed records one by one, with the very filter program that the nodes use.

use super::image::{self, Image};
use super::shared::{Published, Shared};
use crate::Web;
use crate::changes::{Change, Follower};
use crate::problem::Problem;
use crate::select::Standing;
use parking_lot::Mutex;
use shipload_value::Digest;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Records of one batch.
const AT_ONCE: usize = 64;
/// Batches that may wait for a query; one that comes to lie further behind runs again.
const AHEAD: usize = 64;
/// How often queries are told that partitions move.
const MOVED: Duration = Duration::from_secs(1);
/// Queries that run at a time.
const RUNS: usize = 8;

/// Records of a set that have changed, as they are now.
#[derive(Debug)]
pub(crate) struct Batch {
    /// When reading began and ended.
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) images: Vec<Image>,
    /// Changes may be missing.
    pub(crate) lost: bool,
    /// Partitions have moved: what was read lately came perhaps from a copy that lagged.
    pub(crate) moved: bool,
}

impl Batch {
    /// Word about the records, without any of them.
    fn word(lost: bool, moved: bool) -> Arc<Batch> {
        let now = Instant::now();
        Arc::new(Batch { began: now, ended: now, images: Vec::new(), lost, moved })
    }
}

/// What tells queries apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) namespace: String,
    pub(crate) set: String,
    pub(crate) filter: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

type Feeds = HashMap<(String, String), Weak<Feed>>;

/// The live queries of this node.
#[derive(Debug)]
pub struct Board {
    feeds: Mutex<Feeds>,
    queries: Mutex<HashMap<Spec, Weak<Shared>>>,
    pub(super) runs: Semaphore,
}

impl Default for Board {
    fn default() -> Board {
        Board { feeds: Mutex::default(), queries: Mutex::default(), runs: Semaphore::new(RUNS) }
    }
}

impl Board {
    /// The query with its first result, its own or that of others who ask the same.
    ///
    /// # Errors
    /// What the first run answers.
    pub(crate) async fn query(
        &self,
        web: &Web,
        spec: Spec,
    ) -> Result<(Arc<Shared>, watch::Receiver<Arc<Published>>), Problem> {
        let (namespace, set) = (spec.namespace.clone(), spec.set.clone());
        let standing = Standing::new(&spec)?;
        let shared = {
            let mut queries = self.queries.lock();
            let known = queries.get(&spec).and_then(Weak::upgrade).filter(|shared| !shared.is_refused());
            if let Some(shared) = known {
                shared
            } else {
                queries.retain(|_, shared| shared.strong_count() > 0);
                let feed = self.feed(web, namespace, set)?;
                let shared = Shared::start(web.clone(), feed, standing);
                queries.insert(spec, Arc::downgrade(&shared));
                shared
            }
        };
        let published = shared.first().await?;
        Ok((shared, published))
    }

    fn feed(&self, web: &Web, namespace: String, set: String) -> Result<Arc<Feed>, Problem> {
        let mut feeds = self.feeds.lock();
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let place = (namespace, set);
        if let Some(feed) = feeds.get(&place).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        let follower = Follower::new(&place.0, &place.1, None)?;
        let feed = Feed::start(web.clone(), follower);
        feeds.insert(place, Arc::downgrade(&feed));
        Ok(feed)
    }
}

/// Reads what changes in a set as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Feed {
    batches: broadcast::Sender<Arc<Batch>>,
    listening: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feed {
    fn start(web: Web, follower: Follower) -> Arc<Feed> {
        let (batches, _) = broadcast::channel(AHEAD);
        let (begun, listening) = watch::channel(false);
        let task = tokio::spawn(follow(web, follower, batches.clone(), begun)).abort_handle();
        Arc::new(Feed { batches, listening, task })
    }

    /// What comes from now on; a run that begins after this misses nothing.
    pub(super) async fn listen(&self) -> broadcast::Receiver<Arc<Batch>> {
        let _ = self.listening.clone().wait_for(|listening| *listening).await;
        self.batches.subscribe()
    }
}

async fn follow(
    web: Web,
    mut follower: Follower,
    sender: broadcast::Sender<Arc<Batch>>,
    begun: watch::Sender<bool>,
) {
    follower.step(&web).await;
    let _ = begun.send(true);
    let (mut moved, mut told) = (false, Instant::now());
    loop {
        tokio::time::sleep(follower.pace()).await;
        let step = follower.step(&web).await;
        moved |= step.moved;
        let mut lost = step.missed.is_some();
        for part in distinct(&step.changes).chunks(AT_ONCE) {
            let began = Instant::now();
            match image::read(&web, part).await {
                // Nobody listening is no error: then this ends soon.
                Ok(images) => {
                    let ended = Instant::now();
                    let _ = sender.send(Arc::new(Batch { began, ended, images, lost: false, moved: false }));
                }
                Err(_) => lost = true,
            }
        }
        let moved_now = moved && told.elapsed() >= MOVED;
        if lost || moved_now {
            let _ = sender.send(Batch::word(lost, moved_now));
        }
        if moved_now {
            (moved, told) = (false, Instant::now());
        }
    }
}

/// Each record once.
fn distinct(changes: &[Change]) -> Vec<&Change> {
    let mut seen: HashSet<Digest> = HashSet::new();
    changes.iter().filter(|change| seen.insert(change.key.digest)).collect()
}
