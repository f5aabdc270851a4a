//! What `/etc/resolv.conf` and `/etc/hosts` say. Lines that can't be read are passed over.

use std::net::{IpAddr, Ipv4Addr};

/// As many name servers are asked at most, as everywhere.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 16;
const DOTS_MAX: usize = 15;

/// How to ask for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conf {
    /// Whom to ask, in order; never empty.
    pub(super) servers: Vec<IpAddr>,
    search: Vec<String>,
    /// Names with so many dots are first tried as they are.
    dots: usize,
}

/// Reads `/etc/resolv.conf`.
pub(super) fn parse_conf(text: &str) -> Conf {
    let mut conf = Conf { servers: Vec::new(), search: Vec::new(), dots: 1 };
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") if conf.servers.len() < SERVERS_MAX => {
                conf.servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()));
            }
            // The last one wins.
            Some("search" | "domain") => conf.search = words.take(SEARCH_MAX).map(str::to_owned).collect(),
            Some("options") => {
                let dots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok());
                let dots = dots.reduce(|_, later| later);
                conf.dots = dots.unwrap_or(conf.dots).min(DOTS_MAX);
            }
            Some(_) | None => {}
        }
    }
    if conf.servers.is_empty() {
        conf.servers.push(Ipv4Addr::LOCALHOST.into());
    }
    conf
}

impl Conf {
    /// The full names that `host` may stand for, in the order in which they are tried.
    pub(super) fn names(&self, host: &str) -> Vec<String> {
        let plain = host.to_owned();
        if host.ends_with('.') {
            return vec![plain];
        }
        let domains = self.search.iter().map(|domain| domain.trim_matches('.'));
        let domains = domains.filter(|domain| !domain.is_empty());
        let longer: Vec<String> = domains.map(|domain| format!("{host}.{domain}")).collect();
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        if dots >= self.dots {
            std::iter::once(plain).chain(longer).collect()
        } else {
            longer.into_iter().chain([plain]).collect()
        }
    }
}

/// The addresses that `/etc/hosts` has for a name.
pub(in crate::cluster) fn parse_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let found = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(host)).then_some(address)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::{parse_conf, parse_hosts};

    #[test]
    fn servers_and_names_in_their_order() {
        let text = "# made by an engine\nnameserver 127.0.0.11\nnameserver fe80::1%eth0\nnameserver ::1 ; two\n\
                    domain old\nsearch a.example b.example.\noptions edns0 ndots:2 trust-ad\n";
        let conf = parse_conf(text);
        assert_eq!(conf.servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.11", "::1"]);
        assert_eq!(conf.names("db"), ["db.a.example", "db.b.example", "db"]);
        assert_eq!(conf.names("x.tasks.db"), ["x.tasks.db", "x.tasks.db.a.example", "x.tasks.db.b.example"]);
        assert_eq!(conf.names("db."), ["db."]);
        assert_eq!(parse_conf("options ndots:0\nsearch .").names("db"), ["db"]);
        assert_eq!(parse_conf("nonsense").servers, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    }

    #[test]
    fn hosts_have_several_names_and_names_several_hosts() {
        let text =
            "127.0.0.1 localhost\n10.0.0.1\tdb.example db # 10.9.9.9 db\nnonsense db\n::5 DB\n10.0.0.2 dbx";
        let found = |name| parse_hosts(text, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("db"), ["10.0.0.1", "::5"]);
        assert_eq!(found("db.example."), ["10.0.0.1"]);
        assert!(found("10.0.0.1").is_empty());
    }
}
