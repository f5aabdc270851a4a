//! From what is wanted and what a load balancer holds to the next actions.
//!
//! Containers come and go by commands at run time; the process is loaded anew only when what is written around them
//! changes: host names, paths, certificates, checks. A container that goes is first drained, then taken out.

use super::desired::Desired;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// How long a container may still answer what it was asked before it is taken out, in milliseconds.
const DRAIN_MS: u64 = 3000;

/// A container in a running load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it gets new visitors (if its checks succeed).
    pub enabled: bool,
    /// Visitors that it serves now.
    pub sessions: u64,
}

/// What a running load balancer holds: for each backend its containers.
pub type Proxy = BTreeMap<String, BTreeMap<String, Server>>;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Load the written file.
    Reload,
    /// Take a container in.
    Add {
        /// Backend and container.
        place: (String, String),
        /// Where it is.
        address: SocketAddr,
        /// Milliseconds between health checks.
        check_interval_ms: u32,
    },
    /// Send no new visitors there.
    Drain {
        /// Backend and container.
        place: (String, String),
    },
    /// Send visitors there again.
    Enable {
        /// Backend and container.
        place: (String, String),
    },
    /// Take it out.
    Remove {
        /// Backend and container.
        place: (String, String),
    },
}

/// Remembers what it was about.
#[derive(Debug, Default)]
pub struct Planner {
    /// What is written around the containers in the file that was loaded last.
    loaded: Option<String>,
    /// Since when containers are drained, in milliseconds.
    leaving: BTreeMap<(String, String), u64>,
}

impl Planner {
    /// What to do next. `frame` is the file without its containers.
    #[must_use]
    pub fn plan(&mut self, desired: &Desired, frame: &str, proxy: &Proxy, now_ms: u64) -> Vec<Action> {
        let missing = desired.backends.keys().any(|name| !proxy.contains_key(name));
        if missing || self.loaded.as_deref() != Some(frame) {
            return vec![Action::Reload];
        }
        let mut actions = Vec::new();
        for (backend, wanted) in &desired.backends {
            let held = proxy.get(backend);
            for (name, address) in &wanted.servers {
                let place = (backend.clone(), name.clone());
                match held.and_then(|servers| servers.get(name)) {
                    None => actions.push(Action::Add {
                        place,
                        address: *address,
                        check_interval_ms: wanted.route.check_interval_ms,
                    }),
                    // It came back elsewhere: what is there is nobody any more.
                    Some(server) if server.address != *address => actions.push(Action::Remove { place }),
                    Some(server) if !server.enabled => {
                        self.leaving.remove(&place);
                        actions.push(Action::Enable { place });
                    }
                    Some(_) => {
                        self.leaving.remove(&place);
                    }
                }
            }
        }
        for (backend, servers) in proxy {
            for (name, server) in servers {
                let wanted = desired.backends.get(backend).is_some_and(|one| one.servers.contains_key(name));
                if !wanted {
                    actions.extend(self.leave((backend.clone(), name.clone()), server, now_ms));
                }
            }
        }
        actions
    }

    fn leave(&mut self, place: (String, String), server: &Server, now_ms: u64) -> Option<Action> {
        match self.leaving.get(&place) {
            None => {
                self.leaving.insert(place.clone(), now_ms);
                Some(Action::Drain { place })
            }
            Some(since) if server.sessions == 0 || now_ms.saturating_sub(*since) >= DRAIN_MS => {
                self.leaving.remove(&place);
                Some(Action::Remove { place })
            }
            Some(_) => None,
        }
    }

    /// A file with this frame is loaded now.
    pub fn loaded(&mut self, frame: &str) {
        self.loaded = Some(frame.to_owned());
        self.leaving.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Planner, Proxy, Server};
    use crate::route::{Container, Desired, Owners, desire};
    use std::collections::{BTreeMap, BTreeSet};

    fn wanted(replicas: &[(&str, &str)]) -> Desired {
        let labels = [("shipload.host", "a"), ("com.docker.swarm.service.name", "web")];
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let list: Vec<Container> = replicas
            .iter()
            .map(|(name, ip)| Container {
                name: (*name).to_owned(),
                running: true,
                labels: labels.clone(),
                networks: [("n".to_owned(), ip.parse().expect("an address"))].into(),
                ports: BTreeSet::from([80]),
                ..Container::default()
            })
            .collect();
        desire(&list, &BTreeSet::new(), &mut Owners::new())
    }

    /// Does what is planned until nothing is left to do; how often it was loaded.
    fn settle(
        planner: &mut Planner,
        desired: &Desired,
        proxy: &mut Proxy,
        frame: &str,
        now_ms: &mut u64,
    ) -> usize {
        let mut loads = 0;
        for _ in 0..20 {
            *now_ms += 1000;
            for action in planner.plan(desired, frame, proxy, *now_ms) {
                match action {
                    Action::Reload => {
                        loads += 1;
                        *proxy =
                            desired.backends.keys().map(|name| (name.clone(), BTreeMap::new())).collect();
                        for (name, backend) in &desired.backends {
                            for (server, address) in &backend.servers {
                                let server_now = Server { address: *address, enabled: true, sessions: 0 };
                                proxy.get_mut(name).expect("made").insert(server.clone(), server_now);
                            }
                        }
                        planner.loaded(frame);
                    }
                    Action::Add { place, address, .. } => {
                        let server = Server { address, enabled: true, sessions: 1 };
                        proxy.get_mut(&place.0).expect("there").insert(place.1, server);
                    }
                    Action::Drain { place } => {
                        proxy.get_mut(&place.0).expect("there").get_mut(&place.1).expect("there").enabled =
                            false;
                    }
                    Action::Enable { place } => {
                        proxy.get_mut(&place.0).expect("there").get_mut(&place.1).expect("there").enabled =
                            true;
                    }
                    Action::Remove { place } => {
                        proxy.get_mut(&place.0).expect("there").remove(&place.1);
                    }
                }
            }
        }
        loads
    }

    #[test]
    fn members_come_and_go_without_loading() {
        let (mut planner, mut proxy, mut now) = (Planner::default(), Proxy::new(), 0);
        let two = wanted(&[("w1", "10.0.0.1"), ("w2", "10.0.0.2")]);
        assert_eq!(settle(&mut planner, &two, &mut proxy, "f", &mut now), 1, "the first time");
        let three = wanted(&[("w1", "10.0.0.7"), ("w3", "10.0.0.3")]);
        assert_eq!(settle(&mut planner, &three, &mut proxy, "f", &mut now), 0);
        let held: Vec<String> =
            proxy["web"].iter().map(|(name, one)| format!("{name} {}", one.address)).collect();
        assert_eq!(held, ["w1 10.0.0.7:80", "w3 10.0.0.3:80"]);
        assert!(planner.plan(&three, "f", &proxy, now).is_empty(), "nothing is left to do");
        assert_eq!(planner.plan(&three, "g", &proxy, now), [Action::Reload]);
    }

    #[test]
    fn who_goes_is_drained_first_and_may_come_back() {
        let (mut planner, mut proxy, mut now) = (Planner::default(), Proxy::new(), 0);
        let one = wanted(&[("w1", "10.0.0.1")]);
        settle(&mut planner, &one, &mut proxy, "f", &mut now);
        proxy.get_mut("web").expect("there").get_mut("w1").expect("there").sessions = 4;
        let none = Desired {
            backends: one
                .backends
                .iter()
                .map(|(name, backend)| {
                    let mut backend = backend.clone();
                    backend.servers.clear();
                    (name.clone(), backend)
                })
                .collect(),
            ..Desired::default()
        };
        let place = ("web".to_owned(), "w1".to_owned());
        assert_eq!(planner.plan(&none, "f", &proxy, now), [Action::Drain { place: place.clone() }]);
        assert_eq!(planner.plan(&none, "f", &proxy, now + 100), []);
        proxy.get_mut("web").expect("there").get_mut("w1").expect("there").enabled = false;
        assert_eq!(planner.plan(&one, "f", &proxy, now + 200), [Action::Enable { place: place.clone() }]);
        let _ = planner.plan(&none, "f", &proxy, now + 300);
        assert_eq!(planner.plan(&none, "f", &proxy, now + 4000), [Action::Remove { place }]);
    }
}
