//! What a load balancer should hold, from the list of all containers.

use super::labels::{Reading, Route, read};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// A container as an engine lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address on each of its networks.
    pub networks: BTreeMap<String, IpAddr>,
    /// TCP ports that it exposes.
    pub ports: BTreeSet<u16>,
}

impl Container {
    /// The service that it is a replica of; itself when it is of none.
    #[must_use]
    pub fn service(&self) -> String {
        let label = |name: &str| self.labels.get(name).cloned();
        let compose = label("com.docker.compose.project").zip(label("com.docker.compose.service"));
        label("shipload.service")
            .or_else(|| label("com.docker.swarm.service.name"))
            .or_else(|| compose.map(|(project, service)| format!("{project}_{service}")))
            .unwrap_or_else(|| self.name.clone())
    }
}

/// The containers behind one service's host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// What its labels want.
    pub route: Route,
    /// Names and addresses of the containers.
    pub servers: BTreeMap<String, SocketAddr>,
}

/// A container that is passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its name.
    pub container: String,
    /// Why.
    pub why: String,
}

/// All that should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// By name, which is the service's.
    pub backends: BTreeMap<String, Backend>,
    /// Who is left out.
    pub skipped: Vec<Skipped>,
    /// What is doubtful but followed.
    pub notes: Vec<Skipped>,
}

/// Which service has which host name with which path.
pub type Owners = BTreeMap<(String, String), String>;

/// What should be there for these containers. `proxy` are the networks that the load balancer is on (all when empty);
/// `owners` says who has which name already, and is brought up to date.
#[must_use]
pub fn desire(containers: &[Container], proxy: &BTreeSet<String>, owners: &mut Owners) -> Desired {
    let mut desired = Desired::default();
    let mut claims: BTreeMap<String, Backend> = BTreeMap::new();
    let mut sorted: Vec<&Container> = containers.iter().filter(|one| one.running).collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    for container in sorted {
        let skip = |why: String| Skipped { container: container.name.clone(), why };
        match read(&container.labels) {
            Reading::NotMeant => {}
            Reading::Wrong(why) => desired.skipped.push(skip(why)),
            Reading::Wanted(route, notes) => {
                desired.notes.extend(notes.into_iter().map(skip));
                match claim(container, &route, proxy, &mut claims) {
                    Ok(()) => {}
                    Err(why) => desired.skipped.push(skip(why)),
                }
            }
        }
    }
    settle(claims, owners, &mut desired);
    desired.skipped.sort();
    desired
}

fn claim(
    container: &Container,
    route: &Route,
    proxy: &BTreeSet<String>,
    claims: &mut BTreeMap<String, Backend>,
) -> Result<(), String> {
    let address = address(container, route, proxy)?;
    let service = plain(&container.service());
    let backend = claims
        .entry(service.clone())
        .or_insert_with(|| Backend { route: route.clone(), servers: BTreeMap::new() });
    if backend.route != *route {
        return Err(format!("its labels differ from those of the other replicas of {service}"));
    }
    backend.servers.insert(plain(&container.name), address);
    Ok(())
}

/// Host names go to who had them; else to the first by name. Who loses one is told.
fn settle(claims: BTreeMap<String, Backend>, owners: &mut Owners, desired: &mut Desired) {
    let mut wanted: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (service, backend) in &claims {
        for host in &backend.route.hosts {
            wanted.entry((host.clone(), backend.route.path.clone())).or_default().insert(service.clone());
        }
    }
    owners.retain(|place, owner| wanted.get(place).is_some_and(|claimants| claimants.contains(owner)));
    for (place, claimants) in &wanted {
        if let Some(first) = claimants.first() {
            owners.entry(place.clone()).or_insert_with(|| first.clone());
        }
    }
    for (service, mut backend) in claims {
        let path = backend.route.path.clone();
        let lost: Vec<String> = backend
            .route
            .hosts
            .iter()
            .filter(|host| owners.get(&((*host).clone(), path.clone())) != Some(&service))
            .cloned()
            .collect();
        for host in lost {
            let owner = owners.get(&(host.clone(), path.clone())).cloned().unwrap_or_default();
            let why = format!("{host}{path} belongs to {owner} already; {service} does not get it");
            desired.skipped.extend(
                backend.servers.keys().map(|name| Skipped { container: name.clone(), why: why.clone() }),
            );
            backend.route.hosts.remove(&host);
        }
        if !backend.route.hosts.is_empty() {
            desired.backends.insert(service, backend);
        }
    }
}

fn address(container: &Container, route: &Route, proxy: &BTreeSet<String>) -> Result<SocketAddr, String> {
    let list = |names: &[&str]| names.join(", ");
    let reachable: BTreeMap<&str, IpAddr> = container
        .networks
        .iter()
        .filter(|(name, _)| name.as_str() != "ingress" && (proxy.is_empty() || proxy.contains(*name)))
        .map(|(name, ip)| (name.as_str(), *ip))
        .collect();
    let names: Vec<&str> = reachable.keys().copied().collect();
    let ip = match (&route.network, names.as_slice()) {
        (Some(network), _) => *reachable.get(network.as_str()).ok_or_else(|| {
            format!(
                "it is not on network {network}, or the load balancer is not; its networks: {}",
                list(&names)
            )
        })?,
        (None, [only]) => *reachable.get(only).ok_or("it has no address")?,
        (None, []) => return Err("it shares no network with the load balancer".to_owned()),
        (None, several) => {
            return Err(format!(
                "it is on several networks ({}); label shipload.network chooses one",
                list(several)
            ));
        }
    };
    let port = match (route.port, container.ports.iter().collect::<Vec<_>>().as_slice()) {
        (Some(port), _) => port,
        (None, [only]) => **only,
        (None, []) => return Err("it exposes no port; label shipload.port names one".to_owned()),
        (None, several) => {
            return Err(format!("it exposes {} ports; label shipload.port chooses one", several.len()));
        }
    };
    Ok(SocketAddr::new(ip, port))
}

/// A name as the load balancer takes it.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Container, Owners, desire};
    use std::collections::BTreeSet;

    fn container(name: &str, ip: &str, labels: &[(&str, &str)]) -> Container {
        Container {
            id: name.to_owned(),
            name: name.to_owned(),
            running: true,
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            networks: [("prod".to_owned(), ip.parse().expect("an address"))].into(),
            ports: BTreeSet::from([5000]),
        }
    }

    const WEB: [(&str, &str); 2] = [("com.docker.swarm.service.name", "web"), ("shipload.host", "a.example")];

    #[test]
    fn replicas_are_one_backend_in_any_order() {
        let mut list = vec![container("web.2", "10.0.0.2", &WEB), container("web.1", "10.0.0.1", &WEB)];
        let one = desire(&list, &BTreeSet::new(), &mut Owners::new());
        list.reverse();
        assert_eq!(one, desire(&list, &BTreeSet::new(), &mut Owners::new()));
        let web = &one.backends["web"];
        assert_eq!(web.servers["web.1"].to_string(), "10.0.0.1:5000");
        assert_eq!((web.servers.len(), one.skipped.len()), (2, 0));
        list[0].running = false;
        assert_eq!(desire(&list, &BTreeSet::new(), &mut Owners::new()).backends["web"].servers.len(), 1);
    }

    #[test]
    fn who_has_a_name_keeps_it() {
        let other = [("com.docker.swarm.service.name", "app"), ("shipload.host", "a.example")];
        let mut owners = Owners::new();
        let web = container("web.1", "10.0.0.1", &WEB);
        let _ = desire(std::slice::from_ref(&web), &BTreeSet::new(), &mut owners);
        let app = container("app.1", "10.0.0.9", &other);
        let both = desire(&[web, app.clone()], &BTreeSet::new(), &mut owners);
        assert_eq!(both.backends.keys().collect::<Vec<_>>(), ["web"]);
        assert_eq!(both.skipped[0].container, "app.1");
        assert!(both.skipped[0].why.contains("belongs to web already"), "{:?}", both.skipped);
        let alone = desire(&[app], &BTreeSet::new(), &mut owners);
        assert_eq!(alone.backends.keys().collect::<Vec<_>>(), ["app"]);
    }

    #[test]
    fn why_somebody_is_passed_over_is_said() {
        let why = |one: Container, proxy: &[&str]| {
            let proxy = proxy.iter().map(|name| (*name).to_owned()).collect();
            desire(&[one], &proxy, &mut Owners::new())
                .skipped
                .pop()
                .map(|skipped| skipped.why)
                .unwrap_or_default()
        };
        let mut two = container("web.1", "10.0.0.1", &WEB);
        two.networks.insert("other".to_owned(), [10, 1, 0, 1].into());
        assert!(why(two.clone(), &[]).contains("several networks (other, prod)"));
        assert_eq!(why(two.clone(), &["prod"]), "");
        assert!(why(two.clone(), &["third"]).contains("shares no network"));
        two.networks.remove("other");
        two.ports.clear();
        assert!(why(two.clone(), &[]).contains("exposes no port"));
        two.networks = [("ingress".to_owned(), [10, 0, 0, 3].into())].into();
        assert!(why(two, &[]).contains("shares no network"));
    }
}
