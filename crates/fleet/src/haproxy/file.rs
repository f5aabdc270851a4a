//! The configuration file. Its lines for containers can be told from the rest, the frame: only a change of that needs
//! the process to load it anew.

use super::Usable;
use crate::route::{Backend, Desired};
use std::fmt::Write as _;

/// What does not come from labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where visitors come in, such as `*:80`.
    pub bind: String,
    /// Where visitors with TLS come in; used once there is a certificate.
    pub bind_tls: String,
    /// The socket for commands.
    pub socket: String,
    /// Who may see `/haproxy?stats`: name and password with a colon.
    pub statistics: String,
    /// Connections at the same time.
    pub connections_max: u32,
}

/// How lines for containers begin.
const SERVER: &str = "  server ";

/// The whole file, with those certificates that can be used.
#[must_use]
pub fn render(settings: &Settings, desired: &Desired, certificates: &Usable) -> String {
    let mut text = String::new();
    head(&mut text, settings);
    front(&mut text, settings, desired, certificates);
    for (name, backend) in &desired.backends {
        back(&mut text, name, backend);
    }
    text.push_str("backend shipload_nobody\n  http-request return status 503 content-type text/plain string \"no such host\"\n");
    text
}

/// The file without its containers.
#[must_use]
pub fn frame_of(file: &str) -> String {
    file.lines().filter(|line| !line.starts_with(SERVER)).fold(String::new(), |text, line| text + line + "\n")
}

fn head(text: &mut String, settings: &Settings) {
    let Settings { socket, connections_max, .. } = settings;
    // Writing into a text can't fail.
    let _ = write!(
        text,
        "# Written by shipload watch; changes are lost.\n\
         global\n  maxconn {connections_max}\n  stats socket {socket} mode 600 level admin expose-fd listeners\n  \
         log stdout format raw local0\n\
         defaults\n  mode http\n  log global\n  retries 3\n  option redispatch\n  option forwardfor\n  \
         retry-on conn-failure empty-response\n  \
         timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n  timeout http-request 10s\n"
    );
}

fn front(text: &mut String, settings: &Settings, desired: &Desired, certificates: &Usable) {
    let _ = write!(text, "frontend shipload\n  bind {}\n", settings.bind);
    if !certificates.is_empty() {
        // The numbers change with the files, so that new ones are loaded.
        for (file, content) in certificates {
            let _ = writeln!(text, "  # {file}: {content:016x}");
        }
        let list: Vec<String> = certificates.keys().map(|file| format!("crt {file}")).collect();
        let _ = writeln!(text, "  bind {} ssl {}", settings.bind_tls, list.join(" "));
    }
    let _ = write!(
        text,
        "  monitor-uri /haproxy?monitor\n  stats enable\n  stats realm Stats\n  stats auth {}\n  \
         stats uri /haproxy?stats\n  stats refresh 5s\n  http-request set-header X-Request-Start t=%Ts%ms\n",
        settings.statistics
    );
    // The longest path comes first, and a name before a pattern.
    let mut rules = Vec::new();
    for (name, backend) in &desired.backends {
        let route = &backend.route;
        for host in &route.hosts {
            let length = std::cmp::Reverse(route.path.len());
            rules.push((
                length,
                host.starts_with("*."),
                host.as_str(),
                route.path.as_str(),
                name.as_str(),
                route.https_only,
            ));
        }
    }
    rules.sort();
    for (_, _, host, path, name, https_only) in rules {
        let of_host = host.strip_prefix('*').map_or_else(
            || format!("{{ hdr(host),field(1,:) -i {host} }}"),
            |tail| format!("{{ hdr(host),field(1,:) -i -m end {tail} }}"),
        );
        let of_path = if path.is_empty() {
            String::new()
        } else {
            format!(" {{ path {path} }} || {of_host} {{ path_beg {path}/ }}")
        };
        let condition = format!("{of_host}{of_path}");
        if https_only {
            let _ = writeln!(text, "  http-request redirect scheme https unless {{ ssl_fc }} !{of_host}");
        }
        let _ = writeln!(text, "  use_backend {name} if {condition}");
    }
    text.push_str("  default_backend shipload_nobody\n");
}

fn back(text: &mut String, name: &str, backend: &Backend) {
    let route = &backend.route;
    let _ = write!(text, "backend {name}\n  balance {}\n", route.balance);
    if let Some(check) = &route.check {
        let _ = writeln!(text, "  option httpchk GET {}", if check.is_empty() { "/" } else { check });
    }
    if route.rewrite && !route.path.is_empty() {
        let _ = writeln!(text, "  http-request replace-path {}(/)?(.*) /\\2", route.path);
    }
    for (server, address) in &backend.servers {
        let _ = writeln!(text, "{SERVER}{server} {address} check inter {}", route.check_interval_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, frame_of, render};
    use crate::haproxy::Usable;
    use crate::route::{Container, Owners, desire};
    use std::collections::BTreeSet;
    use std::io::Write as _;

    fn file(labels: &[(&str, &str)], ip: &str) -> String {
        let container = Container {
            name: "web.1".to_owned(),
            running: true,
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            networks: [("n".to_owned(), ip.parse().expect("an address"))].into(),
            ports: BTreeSet::from([80]),
            ..Container::default()
        };
        let settings = Settings {
            bind: "*:80".to_owned(),
            bind_tls: "*:443".to_owned(),
            socket: "/run/s".to_owned(),
            statistics: "stats:interlock".to_owned(),
            connections_max: 2048,
        };
        let desired = desire(&[container], &BTreeSet::new(), &mut Owners::new());
        render(&settings, &desired, &Usable::new())
    }

    #[test]
    fn only_containers_differ_between_files_of_one_frame() {
        let host = ("shipload.host", "a.example");
        let (one, two) = (file(&[host], "10.0.0.1"), file(&[host], "10.0.0.2"));
        assert_ne!(one, two);
        assert_eq!(frame_of(&one), frame_of(&two));
        let check = file(&[host, ("shipload.check", "/ready")], "10.0.0.1");
        assert_ne!(frame_of(&one), frame_of(&check));
        assert!(check.contains("option httpchk GET /ready"));
        assert!(one.contains("use_backend web.1 if { hdr(host),field(1,:) -i a.example }"), "{one}");
        assert!(
            one.contains("stats auth stats:interlock")
                && one.contains("  server web.1 10.0.0.1:80 check inter 1000")
        );
    }

    #[test]
    fn haproxy_takes_the_file() {
        let Ok(version) = std::process::Command::new("haproxy").arg("-v").output() else {
            // Not by `eprintln!`, which a test that succeeds keeps to itself.
            let why =
                "haproxy_takes_the_file: LEFT OUT, the program haproxy is not here (apt-get install haproxy)";
            writeln!(std::io::stderr(), "{why}").expect("written");
            return;
        };
        assert!(version.status.success());
        let labels = [
            ("shipload.host", "a.example,*.b.example"),
            ("shipload.path", "/shop"),
            ("shipload.path.rewrite", "true"),
            ("shipload.check", "/ready"),
            ("shipload.https-only", "true"),
        ];
        let mut path = std::env::temp_dir();
        path.push(format!("shipload-haproxy-{}.cfg", std::process::id()));
        std::fs::write(&path, file(&labels, "10.0.0.1")).expect("written");
        let checked =
            std::process::Command::new("haproxy").arg("-c").arg("-f").arg(&path).output().expect("it runs");
        std::fs::remove_file(&path).expect("removed");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
