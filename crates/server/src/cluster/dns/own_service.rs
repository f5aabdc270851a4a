//! The other replicas of the service that this container belongs to, without a word from anybody.
//!
//! An engine's own name server tells which container an address belongs to. In Swarm mode that is
//! `SERVICE.SLOT.TASK.NETWORK`, and `tasks.SERVICE` stands for all replicas. Under Compose it is
//! `PROJECT_SERVICE_NUMBER.NETWORK` (version 2: with hyphens), and all replicas answer to `SERVICE`; so may
//! containers of another project on the same network, so each address is asked for its container's name as well, and
//! only `PROJECT_SERVICE_` with another number is a replica. Refuses to guess where no engine's name server is.

use super::exchange::ask_names;
use super::files::parse_conf;
use super::{Resolve as _, ResolveError, Resolver};
use crate::host::interfaces;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A seed of this name stands for the other replicas of this container's service.
pub(crate) const OWN_SERVICE: &str = "own-service";
/// Where an engine's name server listens in every container on a network of its own.
const ENGINE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
/// Names that a service may have, guessed from a container's name.
const GUESSES_MAX: usize = 4;
/// Addresses that are asked for their containers.
const REPLICAS_MAX: usize = 64;

/// What a container's full name says about the service that it is a replica of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Service {
    /// A service of a Swarm.
    Swarm(String),
    /// A numbered container; its name up to the number, and what its service may be called.
    Compose { stem: String, guesses: Vec<String> },
}

/// Reads `prod_db.1.xm3f0kq.prod`, `dev_db_1.dev_default` or `dev-db-1.dev_default`.
fn read(name: &str) -> Option<Service> {
    let (container, _network) = name.rsplit_once('.')?;
    let mut parts = container.split('.');
    if let (Some(service), Some(_slot), Some(_task)) = (parts.next(), parts.next(), parts.next()) {
        return Some(Service::Swarm(service.to_owned()));
    }
    let stem = container.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if stem.len() == container.len() {
        return None;
    }
    let inner = stem.strip_suffix(['_', '-'])?;
    let starts = inner.match_indices(['_', '-']).map(|(place, _)| place + 1);
    let guesses = starts.filter_map(|start| inner.get(start..)).filter(|guess| !guess.is_empty());
    // The shortest ones are the likeliest: names of projects have more separators than names of services.
    let mut guesses: Vec<String> = guesses.map(str::to_owned).collect();
    guesses.reverse();
    guesses.truncate(GUESSES_MAX);
    Some(Service::Compose { stem: stem.to_owned(), guesses })
}

/// Whether a container's full name is the stem with a number, and a network.
fn is_replica(name: &str, stem: &str) -> bool {
    let number = name.strip_prefix(stem).and_then(|rest| rest.split_once('.')).map(|(number, _)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether an engine's own name server is the one that this container asks.
#[must_use]
pub(crate) fn is_engine_near() -> bool {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    parse_conf(&text).servers.contains(&ENGINE)
}

impl Resolver {
    /// The addresses of all replicas, this one's among them.
    pub(super) fn own_service(&self) -> Result<Vec<IpAddr>, ResolveError> {
        let own = interfaces::addresses().map(|(_, ip)| ip);
        let own: Vec<Ipv4Addr> = own.filter_map(only_v4).filter(|ip| !ip.is_loopback()).collect();
        let mut found = BTreeSet::new();
        let mut trouble = ResolveError::NotFound;
        for address in own {
            match self.names_of(address) {
                Ok(names) => {
                    names
                        .iter()
                        .filter_map(|name| read(name))
                        .for_each(|one| found.extend(self.replicas(&one)));
                }
                Err(error) => trouble = error,
            }
        }
        if found.is_empty() { Err(trouble) } else { Ok(found.into_iter().collect()) }
    }

    fn names_of(&self, address: Ipv4Addr) -> Result<Vec<String>, ResolveError> {
        let conf = parse_conf(&std::fs::read_to_string(&self.conf).unwrap_or_default());
        let server = conf.servers.first().copied().unwrap_or(ENGINE);
        ask_names(SocketAddr::new(server, self.port), address, self.patience)
            .map_err(|trouble| ResolveError::Server { server, trouble })
    }

    fn replicas(&self, service: &Service) -> Vec<IpAddr> {
        match service {
            Service::Swarm(name) => self.resolve(&format!("tasks.{name}")).unwrap_or_default(),
            Service::Compose { stem, guesses } => {
                let is_ours = |ip: &IpAddr| {
                    let names = only_v4(*ip).and_then(|ip| self.names_of(ip).ok()).unwrap_or_default();
                    names.iter().any(|name| is_replica(name, stem))
                };
                let all = guesses.iter().map(|guess| {
                    let addresses = self.resolve(guess).unwrap_or_default();
                    addresses.into_iter().take(REPLICAS_MAX).filter(is_ours).collect::<Vec<_>>()
                });
                all.into_iter().find(|replicas| !replicas.is_empty()).unwrap_or_default()
            }
        }
    }
}

fn only_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Service, is_replica, read};

    #[test]
    fn a_container_s_name_tells_its_service() {
        let swarm = read("prod_db.1.xm3f0kqzbf.prod");
        assert_eq!(swarm, Some(Service::Swarm("prod_db".to_owned())));
        let guesses = |name| match read(name) {
            Some(Service::Compose { guesses, .. }) => guesses,
            Some(Service::Swarm(_)) | None => Vec::new(),
        };
        assert_eq!(guesses("dev_db_1.dev_default"), ["db"]);
        assert_eq!(guesses("my-app-db-12.my-app_default"), ["db", "app-db"]);
        assert_eq!(guesses("dev_db_1.bridge.with.dots"), Vec::<String>::new());
        for name in ["db.net", "db1.net", "quirky_hopper.net", "db", "", ".", "1.net"] {
            assert_eq!(read(name), None, "{name}");
        }
    }

    #[test]
    fn replicas_differ_in_their_number_only() {
        assert!(is_replica("dev_db_2.dev_default", "dev_db_"));
        assert!(!is_replica("other_db_2.dev_default", "dev_db_"));
        assert!(!is_replica("dev_db_x.dev_default", "dev_db_"));
        assert!(!is_replica("dev_db_.dev_default", "dev_db_"));
    }
}
