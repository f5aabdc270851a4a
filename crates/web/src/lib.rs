//! The web door: REST over records, listings and queries, figures of the cluster, and the console's pages.
//!
//! Guarantees: what is read and written here goes through the record door ([`records::Records`]), so its rules hold
//! here as well; what strangers can make the process hold is bounded; answers are JSON without loss ([`json`]); every
//! refusal is `application/problem+json` with a code that does not change. Refuses to know sockets of other nodes,
//! threads of the record door, or how a node is configured: that is the shell's business.

pub mod batch;
pub mod catalog;
pub mod changes;
pub mod cluster;
pub mod command;
pub mod cross_origin;
pub mod etag;
pub mod extract;
pub mod filter;
pub mod history;
pub mod hosts;
pub mod hub;
pub mod info;
pub mod jobs;
pub mod json;
pub mod key;
pub mod lease;
pub mod live;
pub mod openapi;
pub mod operate;
pub mod pages;
pub mod partitions;
pub mod percent;
pub mod problem;
pub mod record;
pub mod records;
pub mod router;
pub mod schema;
pub mod select;
pub mod serve;
pub mod sketch;
pub mod slow;
pub mod socket;
pub mod ttl;

pub use records::{Frames, Later, Member, NodeId, Partitions, Records, Trouble};

use history::History;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a user may say about this door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Origins (`https://shop.example`) whose pages may use this door; `*` is every one.
    pub cors_origins: Vec<String>,
    /// Names under which only a tenant's data are.
    pub hosts: hosts::HostMap,
    /// Connections at the same time, on all addresses together.
    pub connections_max: usize,
    /// Requests that are answered at the same time.
    pub requests_max: usize,
    /// Streams that are open at the same time.
    pub streams_max: usize,
    /// Bytes of a body, at most.
    pub body_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            cors_origins: Vec::new(),
            hosts: hosts::HostMap::default(),
            connections_max: 4096,
            requests_max: 256,
            streams_max: 4096,
            body_max: 16 << 20,
        }
    }
}

/// Paths of another room that are served beside these, such as those for SQL.
#[derive(Clone)]
pub struct More {
    /// The paths. Pages of other origins are kept from them as they are from ours.
    pub routes: axum::Router,
    /// What every request of one connection carries; asked once for each connection.
    pub greet: fn() -> axum::http::Extensions,
}

/// What all handlers share; copies are cheap.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

/// What is behind a [`Web`].
pub struct Shared {
    /// The node.
    pub records: Arc<dyn Records>,
    /// What the user said.
    pub settings: Settings,
    /// Past figures of the cluster.
    pub history: History,
    /// What nodes say of changes.
    pub hub: hub::Hub,
    /// Live queries.
    pub board: live::board::Board,
    /// Requests that took long.
    pub slow: slow::SlowLog,
    /// Paths of another room.
    pub more: Option<More>,
    /// Masters that others have told of.
    pub leaders: lease::Leaders,
    /// The last cache sketches.
    pub sketches: sketch::Sketches,
    /// Requests that may be answered now.
    places: Semaphore,
    /// Streams that may be open.
    streams: Arc<Semaphore>,
}

impl std::ops::Deref for Web {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Web {
    /// The door of this node, with the paths of another room beside it.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, settings: Settings, more: Option<More>) -> Web {
        let places = Semaphore::new(settings.requests_max);
        let streams = Arc::new(Semaphore::new(settings.streams_max));
        Web(Arc::new(Shared {
            records,
            settings,
            history: History::default(),
            hub: hub::Hub::default(),
            board: live::board::Board::default(),
            leaders: lease::Leaders::default(),
            sketches: sketch::Sketches::default(),
            slow: slow::SlowLog::default(),
            more,
            places,
            streams,
        }))
    }
}
