//! A live query as it is kept for all who subscribe to it.

use super::board::{Batch, Feed};
use super::edits::Touched;
use super::kept::{Entry, Kept};
use crate::Web;
use crate::command::now_ms;
use crate::problem::Problem;
use crate::select::Standing;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Between two runs of a query, besides twice what the last one took.
const AT_LEAST: Duration = Duration::from_millis(200);
/// A query whose set changes runs again after this time, because not everything is told: what is evicted is not.
const AGAIN: Duration = Duration::from_secs(60);
/// The same for one whose filter asks for the time, for one that has seen records in an odd order, and while partitions
/// move.
const SOON: Duration = Duration::from_secs(5);
/// How often a query is tried before its subscribers are refused.
const FIRST_TRIES: u32 = 10;
/// Records that are known beyond the list.
const SLACK: usize = 16;

/// What subscribers see.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Grows with every change of the list.
    pub(crate) number: u64,
    /// The list.
    pub(crate) list: Vec<Entry>,
    /// Why its records moved.
    pub(crate) touched: Touched,
    /// Why the list is not up to date.
    pub(crate) trouble: Option<Problem>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Beginning,
    Running,
    Refused,
}

/// A live query as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Shared {
    published: watch::Receiver<Arc<Published>>,
    task: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    pub(super) fn start(web: Web, feed: Arc<Feed>, standing: Standing) -> Arc<Shared> {
        let (sender, published) = watch::channel(Arc::default());
        let task = tokio::spawn(async move {
            let batches = feed.listen().await;
            Keeper::new(web, standing, sender).keep(batches).await;
        });
        Arc::new(Shared { published, task: task.abort_handle() })
    }

    pub(super) fn is_refused(&self) -> bool {
        self.published.borrow().state == State::Refused
    }

    /// Waits for the first result.
    pub(super) async fn first(&self) -> Result<watch::Receiver<Arc<Published>>, Problem> {
        let mut published = self.published.clone();
        let refusal = match published.wait_for(|published| published.state != State::Beginning).await {
            Ok(first) => first.trouble.clone().filter(|_| first.state == State::Refused),
            Err(_) => Some(crate::Trouble::Late.into()),
        };
        refusal.map_or_else(|| Ok(self.published.clone()), Err)
    }
}

struct Keeper {
    web: Web,
    standing: Standing,
    sender: watch::Sender<Arc<Published>>,
    kept: Kept,
    touched: Touched,
    number: u64,
    trouble: Option<Problem>,
    /// When the last run began, and how long it took.
    ran: Instant,
    took: Duration,
    /// When it ended: what was read before is perhaps older than the run.
    ended: Instant,
    /// The list may be wrong: it has to run again.
    stale: bool,
    /// When it runs again whatever happens.
    again: Option<Instant>,
}

impl Keeper {
    fn new(web: Web, standing: Standing, sender: watch::Sender<Arc<Published>>) -> Keeper {
        let now = Instant::now();
        Keeper {
            web,
            standing,
            sender,
            kept: Kept::default(),
            touched: Touched::default(),
            number: 0,
            trouble: None,
            ran: now,
            took: Duration::ZERO,
            ended: now,
            stale: false,
            again: None,
        }
    }

    async fn keep(mut self, mut batches: broadcast::Receiver<Arc<Batch>>) {
        let mut tries = FIRST_TRIES;
        while let Err(problem) = self.run().await {
            tries -= 1;
            // What the query itself is refused for stays; while a view changes, it may do a moment later.
            if tries == 0 || problem.status < 500 {
                self.trouble = Some(problem);
                self.publish(State::Refused);
                return;
            }
            tokio::time::sleep(AT_LEAST).await;
        }
        self.publish(State::Running);
        loop {
            let due = self.due();
            let next = tokio::select! {
                next = batches.recv() => Some(next),
                () = sleep_until(due) => None,
            };
            match next {
                Some(Err(broadcast::error::RecvError::Closed)) => return,
                Some(Err(broadcast::error::RecvError::Lagged(_))) => self.stale = true,
                Some(Ok(batch)) => self.take(&batch),
                None => self.look_at_clock(),
            }
            while let Ok(batch) = batches.try_recv() {
                self.take(&batch);
            }
            self.stale |= self.kept.is_short(self.standing.wanted());
            // Until it has run the list is wrong or too short; subscribers keep what they have.
            if !self.stale || self.rerun().await {
                self.publish(State::Running);
            }
        }
    }

    /// Runs when it may; tells whether the list is right.
    async fn rerun(&mut self) -> bool {
        let earliest = self.ended + AT_LEAST + 2 * self.took;
        if Instant::now() < earliest {
            return false;
        }
        match self.run().await {
            Ok(()) => {
                self.trouble = None;
                true
            }
            Err(problem) => {
                self.ended = Instant::now();
                if self.trouble.is_none() {
                    self.trouble = Some(problem);
                    self.send(None);
                }
                false
            }
        }
    }

    /// When something has to be done though nothing comes.
    fn due(&self) -> Option<Instant> {
        let run = self.stale.then(|| self.ended + AT_LEAST + 2 * self.took);
        let expiry = self.kept.next_expiry().map(|at| {
            let wait = Duration::from_millis(at.saturating_sub(now_ms()).min(3_600_000) + 1);
            Instant::now() + wait
        });
        [run, expiry, self.again].into_iter().flatten().min()
    }

    fn look_at_clock(&mut self) {
        for digest in self.kept.expire(now_ms()) {
            self.touched.note(digest, self.number + 1, true);
        }
        if self.again.is_some_and(|again| again <= Instant::now()) {
            self.again = None;
            self.stale = true;
        }
    }

    fn take(&mut self, batch: &Batch) {
        self.stale |= batch.lost;
        if batch.moved {
            // Copies may move for hours: a query that takes long is not to run all the time meanwhile.
            self.run_by(SOON.max(10 * self.took));
        }
        if batch.ended <= self.ran {
            return;
        }
        let most = self.standing.wanted() + slack(self.standing.wanted());
        for image in &batch.images {
            let found = image.found.as_ref();
            if let Some(found) = found
                && self.kept.is_newer(image.digest, &found.view)
            {
                // Of two that were read one after the other the later one counts: clocks may go back.
                self.run_by(SOON);
                if batch.began < self.ended {
                    continue;
                }
            }
            let matching = found.filter(|found| self.standing.matches(*found)).map(|found| &found.view);
            if self.kept.apply(&self.standing, image.digest, matching, most) {
                self.touched.note(image.digest, self.number + 1, found.is_none());
            }
        }
        self.run_by(if self.standing.asks_for_time() { SOON } else { AGAIN });
    }

    /// At the latest after this time.
    fn run_by(&mut self, wait: Duration) {
        let at = Instant::now() + wait;
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    async fn run(&mut self) -> Result<(), Problem> {
        let most = self.standing.wanted() + slack(self.standing.wanted());
        let turn = self.web.board.runs.acquire().await.map_err(|_| Problem::from(crate::Trouble::Late))?;
        let began = Instant::now();
        let found = self.standing.run(&self.web, most).await?;
        drop(turn);
        let entries = found.into_iter().map(|(digest, view)| Entry { digest, view: Arc::new(view) });
        self.kept = Kept::of_run(entries.collect(), most);
        (self.ran, self.ended, self.took) = (began, Instant::now(), began.elapsed());
        (self.stale, self.again) = (false, None);
        if self.standing.asks_for_time() {
            self.run_by(SOON);
        }
        Ok(())
    }

    fn publish(&mut self, state: State) {
        let list = self.kept.window(self.standing.offset(), self.standing.limit());
        let before = Arc::clone(&self.sender.borrow());
        let same =
            before.list.len() == list.len() && before.list.iter().zip(&list).all(|(a, b)| a.is_same(b));
        let told = before.state == state && before.trouble.is_some() == self.trouble.is_some();
        if !(same && told) {
            self.number += 1;
            self.send(Some((list, state)));
        }
    }

    /// Shows a list, or the one that is shown with the trouble that there is.
    fn send(&self, list: Option<(Vec<Entry>, State)>) {
        let (list, state) = list.unwrap_or_else(|| {
            let before = self.sender.borrow();
            (before.list.clone(), before.state)
        });
        let (number, touched, trouble) = (self.number, self.touched.clone(), self.trouble.clone());
        self.sender.send_replace(Arc::new(Published { number, list, touched, trouble, state }));
    }
}

fn slack(wanted: usize) -> usize {
    SLACK.max(wanted / 2)
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
