//! Labels of three families that say the same: `shipload.*`, `interlock.*` and `com.docker.lb.*`.
//!
//! A value that would change the meaning of the load balancer's file is refused, not quoted.

use std::collections::{BTreeMap, BTreeSet};

/// What a container's labels want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Host names, in lower case; `*.` may stand in front of one.
    pub hosts: BTreeSet<String>,
    /// The container's port; none where the only exposed one is meant.
    pub port: Option<u16>,
    /// The network on which the load balancer reaches it; none where there is only one.
    pub network: Option<String>,
    /// The path below which it answers, without a slash at the end; empty for all.
    pub path: String,
    /// Whether the path is taken off before the container sees it.
    pub rewrite: bool,
    /// How visitors are spread.
    pub balance: String,
    /// The path that a health check asks for; none for a mere connection.
    pub check: Option<String>,
    /// Milliseconds between health checks.
    pub check_interval_ms: u32,
    /// Whether visitors without TLS are sent to the address with it.
    pub https_only: bool,
    /// A file with certificate and key, as the load balancer sees it.
    pub certificate: Option<String>,
}

/// What labels were understood as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// No label is meant for a load balancer.
    NotMeant,
    /// Some are, but they can't be followed; why.
    Wrong(String),
    /// What they want, and what was passed over.
    Wanted(Box<Route>, Vec<String>),
}

/// What a label is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Host names with commas.
    Hosts,
    /// A host name without its domain, of Interlock.
    Hostname,
    /// One more host name.
    Alias,
    /// See [`Route::port`].
    Port,
    /// See [`Route::network`].
    Network,
    /// See [`Route::path`].
    Path,
    /// See [`Route::rewrite`].
    Rewrite,
    /// See [`Route::balance`].
    Balance,
    /// See [`Route::check`].
    Check,
    /// See [`Route::check_interval_ms`].
    CheckInterval,
    /// See [`Route::https_only`].
    HttpsOnly,
    /// See [`Route::certificate`].
    Certificate,
}

const FAMILIES: [&str; 3] = ["shipload.", "interlock.", "com.docker.lb."];
const BALANCES: [&str; 6] = ["roundrobin", "static-rr", "leastconn", "first", "source", "random"];

fn label(name: &str) -> Option<Label> {
    // `alias_domain.0`, `alias_domain.1` and so on.
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches('.');
    Some(match name {
        "host" | "hosts" | "domain" => Label::Hosts,
        "hostname" => Label::Hostname,
        "alias" | "alias_domain" => Label::Alias,
        "port" => Label::Port,
        "network" => Label::Network,
        "path" | "context_root" => Label::Path,
        "path.rewrite" | "context_root_rewrite" => Label::Rewrite,
        "balance" | "balance_algorithm" => Label::Balance,
        "check" | "health_check" => Label::Check,
        "check.interval-ms" | "health_check_interval" => Label::CheckInterval,
        "https-only" | "ssl_only" => Label::HttpsOnly,
        "certificate" | "ssl_cert" => Label::Certificate,
        _ => return None,
    })
}

/// Labels that belong to other parts of the fleet.
fn is_of_others(name: &str) -> bool {
    ["role", "service", "ext.name"].contains(&name)
        || name.starts_with("autoscale.")
        || name.starts_with("scale.")
}

/// Reads all labels of a container.
#[must_use]
pub fn read(labels: &BTreeMap<String, String>) -> Reading {
    let mut said: BTreeMap<Label, BTreeSet<&str>> = BTreeMap::new();
    let mut notes = Vec::new();
    for (name, value) in labels {
        let Some(rest) = FAMILIES.iter().find_map(|family| name.strip_prefix(family)) else { continue };
        match label(rest) {
            Some(label) => {
                said.entry(label).or_default().insert(value.trim());
            }
            None if is_of_others(rest) => {}
            None => notes.push(format!("label {name} is not known")),
        }
    }
    let names = [Label::Hosts, Label::Hostname, Label::Alias];
    if !names.iter().any(|label| said.contains_key(label)) {
        if said.is_empty() {
            return Reading::NotMeant;
        }
        return Reading::Wrong("it has labels for a load balancer, but none with a host name".to_owned());
    }
    match route(&said) {
        Ok(route) => Reading::Wanted(Box::new(route), notes),
        Err(why) => Reading::Wrong(why),
    }
}

type Said<'a> = BTreeMap<Label, BTreeSet<&'a str>>;

fn route(said: &Said<'_>) -> Result<Route, String> {
    let check_interval =
        one(said, Label::CheckInterval)?.map(|text| number(text, "check interval")).transpose()?;
    let check = one(said, Label::Check)?.map(check_path).transpose()?;
    Ok(Route {
        hosts: hosts(said)?,
        port: one(said, Label::Port)?.map(|text| number(text, "port")).transpose()?,
        network: one(said, Label::Network)?.map(|text| word(text, "network")).transpose()?,
        path: one(said, Label::Path)?.map_or(Ok(String::new()), |text| path(text.trim_end_matches('/')))?,
        rewrite: one(said, Label::Rewrite)?.map_or(Ok(false), truth)?,
        balance: one(said, Label::Balance)?.map_or(Ok("roundrobin".to_owned()), balance)?,
        check,
        check_interval_ms: check_interval.unwrap_or(1000).max(100),
        https_only: one(said, Label::HttpsOnly)?.map_or(Ok(false), truth)?,
        certificate: one(said, Label::Certificate)?.map(path).transpose()?,
    })
}

/// The one value that all families agree on.
fn one<'a>(said: &Said<'a>, label: Label) -> Result<Option<&'a str>, String> {
    let Some(values) = said.get(&label) else { return Ok(None) };
    let mut values = values.iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first.copied()),
        (first, Some(other)) => Err(format!(
            "its labels contradict each other: {label:?} is '{}' and '{other}'",
            first.copied().unwrap_or_default()
        )),
    }
}

fn hosts(said: &Said<'_>) -> Result<BTreeSet<String>, String> {
    let many = |label| said.get(&label).into_iter().flatten().flat_map(|text| text.split(','));
    let mut found = BTreeSet::new();
    let hostname = one(said, Label::Hostname)?;
    for text in many(Label::Hosts) {
        // Of Interlock: the host's name and its domain stand in two labels.
        let text = text.trim();
        let whole = hostname.map_or_else(|| text.to_owned(), |name| format!("{name}.{text}"));
        found.insert(host(&whole)?);
    }
    if let (Some(name), true) = (hostname, found.is_empty()) {
        found.insert(host(name)?);
    }
    for text in many(Label::Alias) {
        found.insert(host(text.trim())?);
    }
    Ok(found)
}

fn host(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    let bare = text.strip_prefix("*.").unwrap_or(&text);
    let fine = !bare.is_empty()
        && bare.len() <= 253
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fine { Ok(text) } else { Err(format!("'{text}' is no host name")) }
}

fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no {what}"))
}

fn word(text: &str, what: &str) -> Result<String, String> {
    let fine =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fine { Ok(text.to_owned()) } else { Err(format!("'{text}' is no {what}")) }
}

fn path(text: &str) -> Result<String, String> {
    let fine = text.is_empty()
        || (text.starts_with('/')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)));
    if fine { Ok(text.to_owned()) } else { Err(format!("'{text}' is no path")) }
}

/// `/healthz`, or as Interlock has it: `httpchk GET /healthz`.
fn check_path(text: &str) -> Result<String, String> {
    let last = text.split_whitespace().last().unwrap_or_default();
    path(if last.starts_with('/') { last } else { "/" })
}

fn balance(text: &str) -> Result<String, String> {
    if BALANCES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' is no way to balance; allowed: {}", BALANCES.join(", ")))
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, Route, read};
    use std::collections::BTreeMap;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn wanted(pairs: &[(&str, &str)]) -> Route {
        match read(&labels(pairs)) {
            Reading::Wanted(route, _) => *route,
            Reading::NotMeant | Reading::Wrong(_) => unreachable!("these labels are fine"),
        }
    }

    fn wrong(pairs: &[(&str, &str)]) -> String {
        match read(&labels(pairs)) {
            Reading::Wrong(why) => why,
            Reading::NotMeant | Reading::Wanted(..) => String::new(),
        }
    }

    #[test]
    fn three_families_say_the_same() {
        let ours = wanted(&[("shipload.host", "a.example, B.example"), ("shipload.port", "5000")]);
        assert_eq!(ours.hosts.iter().map(String::as_str).collect::<Vec<_>>(), ["a.example", "b.example"]);
        let interlock = wanted(&[
            ("interlock.domain", "example"),
            ("interlock.hostname", "a"),
            ("interlock.alias_domain.0", "b.example"),
            ("interlock.port", "5000"),
        ]);
        assert_eq!(ours, interlock);
        assert_eq!(
            ours,
            wanted(&[("com.docker.lb.hosts", "a.example,b.example"), ("com.docker.lb.port", "5000")])
        );
        assert_eq!(read(&labels(&[("maintainer", "me")])), Reading::NotMeant);
        assert_eq!(read(&labels(&[("shipload.role", "database")])), Reading::NotMeant);
    }

    #[test]
    fn what_contradicts_or_would_change_the_file_is_refused() {
        let host = ("shipload.host", "a.example");
        assert!(wrong(&[host, ("shipload.port", "1"), ("interlock.port", "2")]).contains("contradict"));
        assert!(wrong(&[("shipload.port", "80")]).contains("none with a host name"));
        assert!(wrong(&[("shipload.host", "a\nserver x")]).contains("no host name"));
        assert!(wrong(&[host, ("shipload.path", "/a b")]).contains("no path"));
        assert!(wrong(&[host, ("shipload.balance", "uri\nx")]).contains("no way to balance"));
        assert!(wrong(&[host, ("shipload.port", "70000")]).contains("no port"));
        assert!(wrong(&[host, ("shipload.certificate", "x\ny")]).contains("no path"));
    }

    #[test]
    fn checks_are_paths() {
        let with = |text| wanted(&[("shipload.host", "a"), ("interlock.health_check", text)]).check;
        assert_eq!(with("httpchk GET /ready").as_deref(), Some("/ready"));
        assert_eq!(with("httpchk").as_deref(), Some("/"));
    }
}
