//! What each service thread owns: scratch memory that is reused, and counters that only it raises.

use crate::cluster::{Outgoing, Requester, Waiting};
use crate::command::draft::Draft;
use crate::counters::{NamespaceCounters, NodeCounters};
use crate::functions::Functions;
use crate::latency::Histograms;
use crate::namespace::Namespace;
use shipload_store::{KeyRef, RecordRef, SetId, SetTable};
use std::sync::Arc;

/// The part of a worker that others may read at any time.
#[derive(Debug)]
pub struct WorkerShared {
    /// One set per namespace, in the node's order.
    pub namespaces: Vec<NamespaceCounters>,
    /// Counters of the node.
    pub node: NodeCounters,
    /// Latency histograms of what this worker did.
    pub latency: Histograms,
}

impl WorkerShared {
    pub(crate) fn new(namespaces: usize) -> WorkerShared {
        WorkerShared {
            namespaces: (0..namespaces).map(|_| NamespaceCounters::default()).collect(),
            node: NodeCounters::default(),
            latency: Histograms::new(namespaces),
        }
    }
}

/// One service thread's scratch memory and counters. Made by [`crate::Node::worker`].
#[derive(Debug)]
pub struct Worker {
    pub(crate) shared: Arc<WorkerShared>,
    pub(crate) scratch: Scratch,
    /// Instructions that functions have taken on this worker.
    pub(crate) instructions: u64,
    /// It is that of a thread that is kept for functions.
    pub(crate) is_for_functions: bool,
    /// The request under way may be handed over to such a thread.
    pub(crate) may_hand_over: bool,
    /// It is to be handed over: nothing was done, and [`shipload_wire::code::ResultCode::Unavailable`] stands for that.
    pub(crate) hands_over: bool,
    /// Writes were made that must be on stable storage before their replies leave.
    pub(crate) uncommitted: bool,
    /// What the request under way wants of other nodes.
    pub(crate) waiting: Waiting,
    /// What is to be sent for the requests and messages that this worker executed.
    pub outgoing: Outgoing,
    /// A request that waited already waits no longer than until then, monotonic nanoseconds.
    pub(crate) deferred_until: Option<u64>,
    /// For each namespace the stripes to whose senders acknowledgements are owed.
    pub(crate) touched: Vec<u64>,
    /// Memory for unpacked requests.
    pub(crate) inflated: Vec<u8>,
    /// Copies of the namespaces' set tables, renewed when the originals have grown.
    sets: Vec<SetTable>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<WorkerShared>) -> Worker {
        let sets: Vec<_> = shared.namespaces.iter().map(|_| SetTable::new()).collect();
        Worker {
            touched: vec![0; sets.len()],
            shared,
            scratch: Scratch::default(),
            instructions: 0,
            is_for_functions: false,
            may_hand_over: false,
            hands_over: false,
            uncommitted: false,
            waiting: Waiting::default(),
            outgoing: Outgoing::default(),
            deferred_until: None,
            inflated: Vec::new(),
            sets,
        }
    }

    /// Whom the next requests are from: their answers may come later.
    pub fn set_requester(&mut self, requester: Requester) {
        self.waiting.requester = requester;
    }

    /// Whether [`crate::Node::commit`] must be called before the replies since the last question leave.
    pub fn take_uncommitted(&mut self) -> bool {
        std::mem::take(&mut self.uncommitted)
    }

    /// Whether functions of the request that begins may be handed over, if somebody wants its answer later and somebody
    /// else runs functions.
    pub(crate) fn allow_hand_over(&mut self, functions: &Functions) {
        self.may_hand_over = !self.is_for_functions && self.waiting.may_wait() && functions.has_threads();
    }

    /// The counters of one namespace.
    pub(crate) fn counters(&self, namespace: &Namespace) -> &NamespaceCounters {
        &self.shared.namespaces[namespace.index]
    }

    /// The counters of the node.
    pub(crate) fn node_counters(&self) -> &NodeCounters {
        &self.shared.node
    }

    /// The number of a set for a record that is about to be written. None when there are too many sets.
    pub(crate) fn set_for_write(&mut self, namespace: &Namespace, name: &[u8]) -> Option<SetId> {
        self.find_set(namespace, name).or_else(|| namespace.add_set(name))
    }

    /// The number of a set that exists.
    pub(crate) fn find_set(&mut self, namespace: &Namespace, name: &[u8]) -> Option<SetId> {
        self.known_sets(namespace, |sets| sets.find(name))
    }

    /// Puts the name of a set into `out`.
    pub(crate) fn set_name(&mut self, namespace: &Namespace, set: SetId) -> &[u8] {
        self.known_sets(namespace, |sets| (set.index() <= sets.len()).then_some(()));
        self.sets[namespace.index].name(set)
    }

    fn known_sets<T>(&mut self, namespace: &Namespace, look: impl Fn(&SetTable) -> Option<T>) -> Option<T> {
        let mine = &mut self.sets[namespace.index];
        look(mine).or_else(|| {
            if mine.len() == namespace.sets_len() {
                return None;
            }
            mine.clone_from(&namespace.sets());
            look(mine)
        })
    }

    /// Gives back memory that one large command has taken.
    pub(crate) fn tidy(&mut self) {
        self.scratch.draft.clear();
    }
}

/// The working record of the command under way.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) draft: Draft,
    key_kind: Option<u8>,
    key: Vec<u8>,
}

impl Scratch {
    /// Begins work on a record that does not exist.
    pub(crate) fn begin(&mut self) {
        self.draft.clear();
        self.key_kind = None;
    }

    /// Takes over key and bins of a stored record.
    pub(crate) fn load(&mut self, record: &RecordRef<'_>) {
        self.load_key(record);
        self.draft.load(record.bins());
    }

    /// Takes over the key of a stored record, and begins without bins.
    pub(crate) fn load_key(&mut self, record: &RecordRef<'_>) {
        self.begin();
        if let Some(key) = record.key() {
            self.key_kind = Some(key.kind);
            self.key.clear();
            self.key.extend_from_slice(key.bytes);
        }
    }

    /// Forgets the stored key.
    pub(crate) fn drop_key(&mut self) {
        self.key_kind = None;
    }

    /// The stored key of the record under work.
    pub(crate) fn key(&self) -> Option<KeyRef<'_>> {
        self.key_kind.map(|kind| KeyRef { kind, bytes: &self.key })
    }

    /// Bins to change and the stored key to look at.
    pub(crate) fn parts(&mut self) -> (&mut Draft, Option<KeyRef<'_>>) {
        (&mut self.draft, self.key_kind.map(|kind| KeyRef { kind, bytes: &self.key }))
    }
}
