//! How a cluster gets over the loss of a node, by the word of those that are left.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::cluster::{self, Said};
use crate::info::Link;

/// How often the nodes are asked.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Times since something happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    /// The first node says that the cluster has its new size.
    pub(super) detected: Duration,
    /// All say so, and agree on everything.
    pub(super) agreed: Duration,
    /// All copies are in place.
    pub(super) whole: Duration,
}

/// Asks until these nodes are a whole cluster of their number.
pub(super) fn until_whole(
    mut links: Vec<Link>,
    size: usize,
    since: Instant,
    patience: Duration,
) -> Result<Timeline> {
    let (mut detected, mut agreed) = (None, None);
    loop {
        let said: Vec<Said> = links.iter_mut().filter_map(ask).collect();
        let now = since.elapsed();
        if said.iter().any(|one| one.number("cluster_size") == size as u64) {
            detected.get_or_insert(now);
        }
        if said.len() == links.len() && cluster::is_agreed(&said, size) {
            let agreed = *agreed.get_or_insert(now);
            if cluster::is_whole(&said, size) {
                return Ok(Timeline { detected: detected.unwrap_or(agreed), agreed, whole: now });
            }
        }
        if now > patience {
            bail!("after {patience:?} the copies are not whole: detected {detected:?}, agreed {agreed:?}");
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// What a node says; a connection that failed is opened again for the next time.
fn ask(link: &mut Link) -> Option<Said> {
    let said = cluster::ask(link).ok();
    if said.is_none() {
        let (ip, port) = (link.address.ip().to_string(), link.address.port());
        if let Ok(fresh) = Link::connect(&ip, port, Duration::from_millis(200)) {
            *link = fresh;
        }
    }
    said
}
