//! Tells clients outside of this container's networks where they reach it, as soon as the engine has said so.

use crate::host::published::{Published, ask};
use crate::service::Shared;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;

/// An engine answers about a container only once its start is through.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Finds out in the background under which addresses the service port is published.
pub(super) fn find(shared: &Arc<Shared>, port: u16) -> io::Result<()> {
    let shared = Arc::downgrade(shared);
    Builder::new().name("published".to_owned()).spawn(move || look(&shared, port)).map(|_| ())
}

fn look(shared: &Weak<Shared>, port: u16) {
    let mut last = String::new();
    for _ in 0..TRIES {
        match ask(port) {
            Published::Unseen => return,
            Published::At(found) => {
                if let (Some(shared), false) = (shared.upgrade(), found.is_empty()) {
                    tracing::info!(
                        "clients outside reach this node at {}, its alternate address",
                        found.join(", ")
                    );
                    shared.node.facts.listen.write().alternate = found;
                }
                return;
            }
            Published::Silent(why) => last = why,
        }
        std::thread::sleep(PAUSE);
        if shared.strong_count() == 0 {
            return;
        }
    }
    tracing::warn!("which ports are published is not known: {last}; ALTERNATE_ACCESS_ADDRESS can say it");
}
