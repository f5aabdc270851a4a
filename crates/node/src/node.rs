//! The node as a plain value, shared by all service threads.

use crate::cluster::{Cluster, Status};
use crate::config::{Config, ConfigError};
use crate::execute;
use crate::facts::Facts;
use crate::functions::Functions;
use crate::jobs::JobTable;
use crate::latency::Slices;
use crate::maintain::Maintenance;
use crate::namespace::Namespace;
use crate::now::Now;
use crate::peer::{Executed, Peer};
use crate::query::BackgroundJob;
use crate::worker::{Worker, WorkerShared};
use parking_lot::Mutex;
use shipload_cluster::NodeId;
use shipload_lua::LogLevel;
use shipload_wire::frame::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who this node is; chosen by the shell, since the engine has no randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node's id, shown as upper-case hexadecimal digits.
    pub node_id: u64,
    /// The cluster's key, shown as upper-case hexadecimal digits.
    pub cluster_key: u64,
}

/// One node: its namespaces, configuration, jobs and statistics.
#[derive(Debug)]
pub struct Node {
    /// Who it is.
    pub identity: Identity,
    /// What only the shell knows.
    pub facts: Facts,
    /// Tracked queries.
    pub jobs: JobTable,
    /// The other nodes, and what is done with them.
    pub cluster: Cluster,
    /// Registered modules and what runs their functions.
    pub functions: Functions,
    /// Past moments for `latencies:`.
    pub(crate) latency_slices: Slices,
    config: Config,
    namespaces: Vec<Namespace>,
    workers: Mutex<Vec<Arc<WorkerShared>>>,
    maintenance: Mutex<Maintenance>,
    background: Mutex<Vec<BackgroundJob>>,
    task_ids: AtomicU64,
}

/// When to try again while another thread does maintenance.
const BUSY_NS: u64 = 10_000_000;

/// What the shell should log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A namespace refuses writes now, with the reason.
    StopWrites {
        /// Name of the namespace.
        namespace: String,
        /// What limit was passed.
        reason: String,
    },
    /// A namespace takes writes again.
    StopWritesOver {
        /// Name of the namespace.
        namespace: String,
    },
    /// A high-water mark is passed: records are being evicted.
    Evicting {
        /// Name of the namespace.
        namespace: String,
        /// What limit was passed.
        reason: String,
    },
    /// Something on the devices is damaged.
    Damage {
        /// Name of the namespace.
        namespace: String,
        /// Where, and what that means.
        text: String,
    },
    /// An expiry pass ended.
    NsupDone {
        /// Name of the namespace.
        namespace: String,
        /// Records that had expired.
        expired: u64,
        /// Records that were evicted.
        evicted: u64,
        /// How long the pass took, in milliseconds.
        took_ms: u64,
    },
    /// A truncate's sweep ended.
    TruncateDone {
        /// Name of the namespace.
        namespace: String,
        /// Name of the set; empty for the whole namespace.
        set: String,
        /// Records removed.
        removed: u64,
    },
    /// A new secondary index holds all records.
    IndexDone {
        /// Name of the namespace.
        namespace: String,
        /// Name of the index.
        index: String,
        /// Entries that it has.
        entries: u64,
    },
    /// A function of a module logged a line.
    FunctionLog {
        /// Name of the module.
        module: String,
        /// How important the function finds it.
        level: LogLevel,
        /// The line.
        text: String,
    },
    /// A background query ended.
    QueryDone {
        /// Its task id.
        trid: u64,
        /// Records it changed.
        succeeded: u64,
        /// Records on which it failed.
        failed: u64,
    },
}

/// What one slice of maintenance did.
#[derive(Debug, Default)]
pub struct Maintained {
    /// When [`Node::maintain`] wants to be called again, monotonic nanoseconds.
    pub next_mono_ns: u64,
    /// What to log.
    pub notices: Vec<Notice>,
}

impl Node {
    /// A node with empty namespaces, as configured.
    ///
    /// # Errors
    /// When there is no namespace.
    pub fn new(config: Config, identity: Identity) -> Result<Node, ConfigError> {
        if config.namespaces().is_empty() {
            return Err(ConfigError::Incomplete("no namespace is configured".to_owned()));
        }
        let configured = config.namespaces().iter().enumerate();
        let namespaces: Vec<_> =
            configured.map(|(index, config)| Namespace::new(Arc::clone(config), index)).collect();
        let shared = Arc::new(WorkerShared::new(namespaces.len()));
        let maintenance = Maintenance::new(Worker::new(Arc::clone(&shared)), namespaces.len());
        let ticker = Arc::new(WorkerShared::new(namespaces.len()));
        let alone = Status::alone(identity.node_id, identity.cluster_key);
        let cluster = Cluster::new(Worker::new(Arc::clone(&ticker)), NodeId(identity.node_id), alone);
        Ok(Node {
            cluster,
            identity,
            facts: Facts::default(),
            jobs: JobTable::default(),
            functions: Functions::default(),
            latency_slices: Slices::default(),
            config,
            namespaces,
            workers: Mutex::new(vec![shared, ticker]),
            maintenance: Mutex::new(maintenance),
            background: Mutex::default(),
            task_ids: AtomicU64::new(1),
        })
    }

    /// Scratch and counters for one more service thread.
    #[must_use]
    pub fn worker(&self) -> Worker {
        let shared = Arc::new(WorkerShared::new(self.namespaces.len()));
        self.workers.lock().push(Arc::clone(&shared));
        Worker::new(shared)
    }

    /// The shared parts of all workers, for summing statistics.
    #[must_use]
    pub fn workers(&self) -> Vec<Arc<WorkerShared>> {
        self.workers.lock().clone()
    }

    /// The namespaces, in the order of the configuration.
    #[must_use]
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// The namespace with this name.
    #[must_use]
    pub fn namespace(&self, name: &[u8]) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.name.as_bytes() == name)
    }

    /// The present configuration; its values are atomics and change under running commands.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Executes one frame: appends its answer to `out` as complete frames.
    pub fn execute(
        &self,
        worker: &mut Worker,
        frame: &Frame<'_>,
        peer: &Peer,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Executed {
        let start = out.len();
        let executed = execute::execute(self, worker, frame, peer, now, out);
        self.end_request(worker, executed, start, now, out)
    }

    /// One slice of the node's own work: expiry, eviction, truncate sweeps, defragmentation and background
    /// queries. Takes about `budget_ns` at most; call again at [`Maintained::next_mono_ns`].
    pub fn maintain(&self, now: Now, budget_ns: u64) -> Maintained {
        self.advance_latency_slices(now);
        match self.maintenance.try_lock() {
            Some(mut maintenance) => maintenance.run(self, now, budget_ns),
            // Another thread is at it.
            None => Maintained { next_mono_ns: now.mono_ns.saturating_add(BUSY_NS), notices: Vec::new() },
        }
    }

    /// Hands a background query to maintenance.
    pub(crate) fn take_background(&self, job: BackgroundJob) {
        self.background.lock().push(job);
    }

    /// The background queries that were handed over since the last call.
    pub(crate) fn new_background(&self) -> Vec<BackgroundJob> {
        std::mem::take(&mut *self.background.lock())
    }

    /// A task id for a query that came without one.
    pub(crate) fn next_task_id(&self) -> u64 {
        self.task_ids.fetch_add(1, Ordering::Relaxed)
    }
}
