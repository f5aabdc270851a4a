//! What an engine says of itself, judged.

use super::Engine;
use crate::doctor::{Finding, Verdict, clock, version};
use bollard::query_parameters::ListNetworksOptions;
use std::time::{SystemTime, UNIX_EPOCH};

impl Engine {
    /// Looks at the engine, its clock, its Swarm and its networks.
    pub async fn examine(&self) -> Vec<Finding> {
        let fine = |what, text: String| Finding { what, verdict: Verdict::Fine, text };
        let limited = |what, text: String| Finding { what, verdict: Verdict::Limited, text };
        let mut found = Vec::new();
        match self.docker().version().await {
            Ok(said) => {
                found.push(version(&said.version.unwrap_or_default(), &said.api_version.unwrap_or_default()));
            }
            Err(error) => found.push(Finding {
                what: "engine",
                verdict: Verdict::Broken,
                text: self.trouble(&error).to_string(),
            }),
        }
        if let Ok(info) = self.docker().info().await {
            if let Some(theirs) = info.system_time.as_deref().and_then(seconds_of_day) {
                found.push(clock(theirs.abs_diff(own_seconds_of_day()).min(86_400) * 1000));
            }
            let state =
                info.swarm.as_ref().and_then(|swarm| swarm.local_node_state).map(|state| state.to_string());
            match state.as_deref() {
                Some("active") => {
                    let address = info.swarm.and_then(|swarm| swarm.node_addr).unwrap_or_default();
                    if address.starts_with("127.") {
                        found.push(Finding {
                            what: "swarm",
                            verdict: Verdict::Broken,
                            text: format!("advertises {address}, which no other engine reaches; leave it and init with --advertise-addr"),
                        });
                    } else {
                        found.push(fine("swarm", format!("active at {address}")));
                    }
                }
                Some(_) | None => found.push(limited(
                    "swarm",
                    "not part of one: Compose works, several hosts need `docker swarm init`".to_owned(),
                )),
            }
            if info.memory_limit == Some(false) {
                found.push(limited("memory limits", "this engine can't enforce them".to_owned()));
            }
        }
        let networks = self.docker().list_networks(None::<ListNetworksOptions>).await.unwrap_or_default();
        for network in networks
            .into_iter()
            .filter(|one| one.driver.as_deref() == Some("overlay") && one.ingress != Some(true))
        {
            let name = network.name.unwrap_or_default();
            let encrypted = network.options.unwrap_or_default().contains_key("encrypted");
            let text = match (network.attachable, encrypted) {
                (_, true) => format!("{name} is encrypted: it carries nothing where the kernel has no ESP"),
                (Some(false) | None, false) => {
                    format!("{name} is not attachable: tools can't join it; make it with --attachable")
                }
                (Some(true), false) => {
                    found.push(fine(
                        "network",
                        format!("{name}: attachable; packets of at most 1450 bytes, no multicast"),
                    ));
                    continue;
                }
            };
            found.push(limited("network", text));
        }
        found
    }
}

/// The seconds since midnight of `2026-11-21T18:12:47.58Z`.
fn seconds_of_day(text: &str) -> Option<u64> {
    let time = text.split_once('T')?.1;
    let mut parts = time.split([':', '.', 'Z', '+']).map(|part| part.parse::<u64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}

fn own_seconds_of_day() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400
}

#[cfg(test)]
mod tests {
    use super::seconds_of_day;

    #[test]
    fn an_engine_s_time_is_read() {
        assert_eq!(seconds_of_day("2026-11-21T18:12:47.586056948Z"), Some(18 * 3600 + 12 * 60 + 47));
        assert_eq!(seconds_of_day("nonsense"), None);
    }
}
