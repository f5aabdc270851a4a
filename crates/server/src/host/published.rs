//! Under which addresses the engine that runs this container makes a port known outside of its networks.
//!
//! Only where the engine's socket is mounted into the container; only two questions are asked, and nothing is changed.
//! An engine that belongs to a Swarm says under which address other machines reach it. One that does not is taken for
//! a developer's, whose clients are on the same machine; who knows better says so by `ALTERNATE_ACCESS_ADDRESS`.

use serde_json::Value;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// Longer answers are not of an engine.
const ANSWER_MAX: u64 = 4 << 20;
const ID_LENGTH: usize = 64;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// There is no engine to be seen, or this is none of its containers.
    Unseen,
    /// There is one, but it can't be asked (yet).
    Silent(String),
    /// `HOST:PORT`, all of them; empty when the port is not published.
    At(Vec<String>),
}

/// Asks for the addresses of a port of this container.
pub(crate) fn ask(port: u16) -> Published {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = match host.strip_prefix("unix://") {
        Some(path) => PathBuf::from(path),
        None if host.is_empty() => PathBuf::from("/var/run/docker.sock"),
        None => return Published::Unseen,
    };
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let id = container_id(&read("/proc/self/mountinfo")).or_else(|| container_id(&read("/proc/self/cgroup")));
    let Some(id) = id.filter(|_| socket.exists()) else { return Published::Unseen };
    let question = |path: &str| talk(&socket, path).map_err(|error| error.to_string());
    match (question(&format!("/containers/{id}/json")), question("/info")) {
        (Ok(container), Ok(engine)) => Published::At(addresses(&container, &engine, port)),
        (Err(why), _) | (_, Err(why)) => Published::Silent(format!("{}: {why}", socket.display())),
    }
}

/// The id of this container, which stands in the paths of the files that its engine mounts into it.
fn container_id(text: &str) -> Option<String> {
    let hex = |word: &&str| word.len() == ID_LENGTH && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let after = |word: &str| ["containers", "docker"].contains(&word);
    text.lines().find_map(|line| {
        let parts: Vec<&str> = line.split(['/', ' ', '-', '.']).collect();
        let pairs = parts.windows(2).filter_map(|pair| match pair {
            [before, id] if after(before) => Some(*id),
            _ => None,
        });
        pairs.clone().find(|id| hex(id)).map(str::to_owned)
    })
}

/// The addresses from the engine's answers about the container and about itself.
fn addresses(container: &Value, engine: &Value, port: u16) -> Vec<String> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = text(engine.pointer("/Swarm/NodeAddr"));
    let own = if own.is_empty() { "127.0.0.1".to_owned() } else { own };
    let ports = container.pointer("/NetworkSettings/Ports").and_then(|all| all.get(format!("{port}/tcp")));
    let mut found = Vec::new();
    for place in ports.and_then(Value::as_array).into_iter().flatten() {
        let (ip, port) = (text(place.get("HostIp")), text(place.get("HostPort")));
        let any = ip.is_empty() || ip == "0.0.0.0" || ip == "::";
        let ip = if any { own.clone() } else { ip };
        let place = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
        // The same port for both families is one address.
        if port.parse::<u16>().is_ok_and(|port| port > 0) && !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

fn talk(socket: &PathBuf, path: &str) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Version 1.0 of HTTP: the answer ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_whitespace().nth(1) != Some("200") {
        return Err(io::Error::other(head.lines().next().unwrap_or_default().to_owned()));
    }
    serde_json::from_str(body.trim()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::{addresses, container_id};
    use serde_json::json;

    #[test]
    fn a_container_knows_its_id_from_what_is_mounted() {
        let id = "0123456789abcdef".repeat(4);
        let mounts = format!(
            "742 735 254:0 /lib/docker/volumes/x/_data /var/lib/shipload rw - ext4 /dev/vda rw\n\
             743 735 254:0 /srv/e0/data/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(container_id(&mounts), Some(id.clone()));
        assert_eq!(container_id(&format!("12:memory:/docker/{id}\n")), Some(id.clone()));
        assert_eq!(container_id(&format!("0::/system.slice/docker-{id}.scope\n")), Some(id));
        assert_eq!(container_id("25 30 0:23 / /sys rw - sysfs sysfs rw\n"), None);
    }

    #[test]
    fn what_is_bound_everywhere_is_reached_at_the_engine() {
        let container = json!({"NetworkSettings": {"Ports": {
            "3000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}, {"HostIp": "::", "HostPort": "49153"}],
            "3001/tcp": null,
            "4200/tcp": [{"HostIp": "192.0.2.7", "HostPort": "80"}, {"HostIp": "2001:db8::1", "HostPort": "80"}]
        }}});
        let alone = json!({"Swarm": {"NodeAddr": ""}});
        let swarm = json!({"Swarm": {"NodeAddr": "10.0.0.10"}});
        assert_eq!(addresses(&container, &alone, 3000), ["127.0.0.1:49153"]);
        assert_eq!(addresses(&container, &swarm, 3000), ["10.0.0.10:49153"]);
        assert_eq!(addresses(&container, &swarm, 4200), ["192.0.2.7:80", "[2001:db8::1]:80"]);
        assert!(
            addresses(&container, &swarm, 3001).is_empty() && addresses(&container, &swarm, 9).is_empty()
        );
    }
}
