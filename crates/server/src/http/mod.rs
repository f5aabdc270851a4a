//! The HTTP port: the web door over this node's records, with health and metrics for supervisors and Prometheus.
//!
//! It has threads and a runtime of its own, so that nothing here ever delays a record: what it wants of records it asks
//! for on connections of the record door ([`lanes`]).

mod encode;
mod glance;
mod lanes;
mod metrics;
mod records;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "sql_absent.rs"]
mod sql;
mod wire;

pub(crate) use sql::Sql;

use crate::service::{Crew, Shared};
use records::Node;
use shipload_node::config::NetworkKey;
use shipload_web::hosts::HostMap;
use shipload_web::{More, Settings, Web};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Threads that answer HTTP.
const THREADS: usize = 2;

/// Serves on these listeners until `stop` is sent or dropped. Blocks; runs on a thread of its own.
pub(crate) fn run(
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    more: Option<More>,
    listeners: Vec<TcpListener>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("web")
        .enable_all()
        .build()?;
    let network = &shared.node.config().network;
    let number = |key| usize::try_from(network.number(key)).unwrap_or(usize::MAX);
    let settings = Settings {
        cors_origins: network.list(NetworkKey::HttpCorsOrigin),
        hosts: HostMap::of(&network.list(NetworkKey::HttpHostMap)),
        connections_max: number(NetworkKey::HttpMaxConnections),
        streams_max: number(NetworkKey::HttpMaxStreams),
        ..Settings::default()
    };
    let web = Web::new(Arc::new(Node::new(shared, crew)), settings, more);
    runtime.block_on(async move {
        let (sender, receiver) = watch::channel(false);
        let serving = shipload_web::serve::serve(web, listeners, receiver);
        let stopping = async move {
            let _ = stop.await;
            let _ = sender.send(true);
            // The channel stays open until everybody has seen it.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = serving => served,
            () = stopping => Ok(()),
        }
    })
}
