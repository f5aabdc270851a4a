//! Real Aerospike images: nodes that can't find each other are introduced, and those that are gone are forgotten.
//!
//! Guarantees: pure; also containers that ran before the watcher are introduced; one node that accepts an introduction
//! is enough, the rest hear of it from that one; a container that goes is taken out of the seeds and the alumni of
//! every survivor. An introduction is repeated until it is accepted, sooner at first, later every few seconds.

use crate::route::Container;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The label whose value names a cluster.
pub const LABEL: &str = "com.aerospike.cluster";
const SERVICE_PORT: u16 = 3000;
const RETRY_MIN_MS: u64 = 250;
const RETRY_MAX_MS: u64 = 5000;

/// Whom this is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The value of the label; all clusters, each for itself, when empty.
    pub cluster: String,
    /// The network on which the nodes reach each other.
    pub network: String,
    /// Their port for heartbeats.
    pub mesh_port: u16,
}

/// An info command to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its service port.
    pub to: SocketAddr,
    /// The command.
    pub command: String,
    /// The container that it is about.
    pub about: String,
}

/// Cluster and address of each node that runs now, by name.
type Seen = BTreeMap<String, (String, IpAddr)>;

#[derive(Debug)]
struct Member {
    cluster: String,
    ip: IpAddr,
    introduced: bool,
    due_ms: u64,
    pause_ms: u64,
}

/// All nodes that were seen.
#[derive(Debug)]
pub struct Introducer {
    settings: Settings,
    members: BTreeMap<String, Member>,
}

impl Introducer {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(settings: Settings) -> Introducer {
        Introducer { settings, members: BTreeMap::new() }
    }

    /// The calls to make now, for the containers that run now; and why containers with the label are passed over.
    pub fn step(&mut self, containers: &[Container], now_ms: u64) -> (Vec<Call>, Vec<(String, String)>) {
        let (seen, skipped) = self.sift(containers);
        let mut calls = self.forget(&seen);
        for (name, (cluster, ip)) in seen {
            self.members.entry(name).or_insert(Member {
                cluster,
                ip,
                introduced: false,
                due_ms: now_ms,
                pause_ms: RETRY_MIN_MS,
            });
        }
        calls.extend(self.introduce(now_ms));
        (calls, skipped)
    }

    /// Whether a call was accepted.
    pub fn answered(&mut self, call: &Call, accepted: bool) {
        if accepted
            && call.command.starts_with("tip:")
            && let Some(member) = self.members.get_mut(&call.about)
        {
            member.introduced = true;
        }
    }

    /// The service ports to ask for the size of their cluster, with the size that it should have.
    #[must_use]
    pub fn expected(&self) -> Vec<(String, SocketAddr, usize)> {
        let size = |cluster: &str| self.members.values().filter(|one| one.cluster == cluster).count();
        let of = |(name, one): (&String, &Member)| {
            (name.clone(), SocketAddr::new(one.ip, SERVICE_PORT), size(&one.cluster))
        };
        self.members.iter().map(of).collect()
    }

    /// A node does not see all others: it was restarted in its container, or never heard. It is introduced again.
    pub fn doubt(&mut self, name: &str, now_ms: u64) {
        let Some(member) = self.members.get_mut(name) else { return };
        if member.introduced {
            (member.introduced, member.pause_ms) = (false, RETRY_MIN_MS);
            member.due_ms = now_ms;
        }
    }

    fn sift(&self, containers: &[Container]) -> (Seen, Vec<(String, String)>) {
        let Settings { cluster, network, .. } = &self.settings;
        let mut skipped = Vec::new();
        let mut seen = BTreeMap::new();
        for one in containers.iter().filter(|one| one.running) {
            let Some(named) = one.labels.get(LABEL) else { continue };
            if !cluster.is_empty() && cluster != named {
                skipped.push((one.name.clone(), format!("it belongs to cluster {named}, not to {cluster}")));
            } else if let Some(ip) = one.networks.get(network) {
                seen.insert(one.name.clone(), (named.clone(), *ip));
            } else {
                skipped.push((one.name.clone(), format!("it is not on network {network}")));
            }
        }
        (seen, skipped)
    }

    /// Who is gone, or came back with another address, is told to all that stay.
    fn forget(&mut self, seen: &Seen) -> Vec<Call> {
        let stays = |name: &str, member: &Member| {
            seen.get(name).is_some_and(|(cluster, ip)| *ip == member.ip && *cluster == member.cluster)
        };
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(name, member)| !stays(name, member))
            .map(|(name, _)| name.clone())
            .collect();
        let mut calls = Vec::new();
        for name in gone {
            let Some(left) = self.members.remove(&name) else { continue };
            for survivor in self.members.values().filter(|one| one.cluster == left.cluster) {
                let to = SocketAddr::new(survivor.ip, SERVICE_PORT);
                let clear = format!("tip-clear:host-port-list={}:{}", left.ip, self.settings.mesh_port);
                calls.push(Call { to, command: clear, about: name.clone() });
                calls.push(Call { to, command: "services-alumni-reset".to_owned(), about: name.clone() });
            }
        }
        calls
    }

    fn introduce(&mut self, now_ms: u64) -> Vec<Call> {
        let mut calls = Vec::new();
        let clusters: std::collections::BTreeSet<String> =
            self.members.values().map(|member| member.cluster.clone()).collect();
        for cluster in clusters {
            // Whoever is in already is whom the others are introduced to; where nobody is, the first one founds.
            let mut all = self.members.values_mut().filter(|member| member.cluster == cluster);
            let host = match all.find(|member| member.introduced) {
                Some(host) => host.ip,
                None => match self.members.values_mut().find(|member| member.cluster == cluster) {
                    Some(founder) => {
                        founder.introduced = true;
                        founder.ip
                    }
                    None => continue,
                },
            };
            for (name, member) in &mut self.members {
                if member.cluster != cluster || member.introduced || member.due_ms > now_ms {
                    continue;
                }
                member.due_ms = now_ms + member.pause_ms;
                member.pause_ms = (member.pause_ms * 2).min(RETRY_MAX_MS);
                let command = format!("tip:host={};port={}", member.ip, self.settings.mesh_port);
                calls.push(Call { to: SocketAddr::new(host, SERVICE_PORT), command, about: name.clone() });
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::{Introducer, Settings};
    use crate::route::Container;

    fn node(name: &str, ip: &str, cluster: &str) -> Container {
        Container {
            name: name.to_owned(),
            running: true,
            labels: [("com.aerospike.cluster".to_owned(), cluster.to_owned())].into(),
            networks: [("prod".to_owned(), ip.parse().expect("an address"))].into(),
            ..Container::default()
        }
    }

    fn introducer() -> Introducer {
        Introducer::new(Settings { cluster: String::new(), network: "prod".to_owned(), mesh_port: 3002 })
    }

    fn texts(calls: &[super::Call]) -> Vec<String> {
        calls.iter().map(|call| format!("{} {}", call.to, call.command)).collect()
    }

    #[test]
    fn each_newcomer_is_introduced_once_and_again_until_it_is_accepted() {
        let mut machine = introducer();
        let mut list = vec![node("a", "10.0.0.1", "x")];
        assert!(machine.step(&list, 0).0.is_empty(), "nobody to introduce to");
        list.push(node("b", "10.0.0.2", "x"));
        list.push(node("z", "10.0.0.9", "y"));
        let calls = machine.step(&list, 10).0;
        assert_eq!(texts(&calls), ["10.0.0.1:3000 tip:host=10.0.0.2;port=3002"]);
        machine.answered(&calls[0], false);
        assert!(machine.step(&list, 100).0.is_empty(), "not so soon");
        let calls = machine.step(&list, 300).0;
        assert_eq!(calls.len(), 1);
        machine.answered(&calls[0], true);
        assert!(machine.step(&list, 100_000).0.is_empty());
    }

    #[test]
    fn who_is_gone_is_forgotten_by_all_and_a_new_address_is_a_newcomer() {
        let mut machine = introducer();
        let mut list =
            vec![node("a", "10.0.0.1", "x"), node("b", "10.0.0.2", "x"), node("c", "10.0.0.3", "x")];
        for call in machine.step(&list, 0).0 {
            machine.answered(&call, true);
        }
        list[2] = node("c", "10.0.0.7", "x");
        assert_eq!(
            texts(&machine.step(&list, 10).0),
            [
                "10.0.0.1:3000 tip-clear:host-port-list=10.0.0.3:3002",
                "10.0.0.1:3000 services-alumni-reset",
                "10.0.0.2:3000 tip-clear:host-port-list=10.0.0.3:3002",
                "10.0.0.2:3000 services-alumni-reset",
                "10.0.0.1:3000 tip:host=10.0.0.7;port=3002",
            ]
        );
    }

    #[test]
    fn the_first_one_that_comes_back_is_introduced_like_any_other() {
        let mut machine = introducer();
        let mut list = vec![node("a", "10.0.0.1", "x"), node("b", "10.0.0.2", "x")];
        for call in machine.step(&list, 0).0 {
            machine.answered(&call, true);
        }
        list[0] = node("a", "10.0.0.5", "x");
        let calls = texts(&machine.step(&list, 10).0);
        assert_eq!(calls.last().map(String::as_str), Some("10.0.0.2:3000 tip:host=10.0.0.5;port=3002"));
        assert_eq!(machine.expected().len(), 2);
        machine.doubt("b", 5000);
        assert_eq!(texts(&machine.step(&list, 5000).0), ["10.0.0.5:3000 tip:host=10.0.0.2;port=3002"]);
    }

    #[test]
    fn why_a_node_is_passed_over_is_said() {
        let mut machine = Introducer::new(Settings {
            cluster: "x".to_owned(),
            network: "blog".to_owned(),
            mesh_port: 3002,
        });
        let (_, skipped) = machine.step(&[node("a", "10.0.0.1", "x"), node("b", "10.0.0.2", "y")], 0);
        assert!(
            skipped[0].1.contains("not on network blog") && skipped[1].1.contains("cluster y"),
            "{skipped:?}"
        );
    }
}
