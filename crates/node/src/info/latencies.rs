//! Latencies and distributions: `latencies:`, `histogram:`.

use super::answer::{Answer, InfoError};
use super::ask::Ask;
use crate::config::ServiceKey;

pub(super) fn latencies(ask: &Ask<'_>) -> Answer {
    let microseconds = ask.node.config().service.flag(ServiceKey::MicrosecondHistograms);
    let all = ask.node.latency_window(microseconds, ask.now);
    let wanted = ask.param(&["hist"]);
    let shown: Vec<String> = all
        .into_iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    if shown.is_empty() {
        return Err(InfoError::parameter("bad hist name"));
    }
    Ok(shown.join(";"))
}

/// Distributions of lives and sizes. They are filled by sweeps that count, which there are none of yet; an empty
/// answer is what tools expect before the first sweep.
pub(super) fn histogram(ask: &Ask<'_>) -> Answer {
    let namespace = ask.namespace(&["namespace"])?;
    let kind = ask.present("type")?;
    if !["ttl", "object-size", "object-size-linear"].contains(&kind) {
        return Err(InfoError::parameter("unknown hist name"));
    }
    match ask.param(&["set"]) {
        None => Ok(String::new()),
        Some(set) if super::inventory::has_set(namespace, set) => Ok("hist-unavailable".to_owned()),
        Some(_) => Err(InfoError::parameter("unknown set name")),
    }
}
