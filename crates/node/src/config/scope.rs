//! Filling a configuration from the stanzas and lines of a file.
//!
//! The file reader keeps a stack of [`Scope`]s. For `NAME [ARGUMENT] {` it calls [`Config::open`], for
//! `NAME VALUE` it calls [`Config::load`]. Errors for which [`ConfigError::is_warning`] is true do not
//! stop it. At the end [`Config::check`] looks at the file as a whole.

use std::sync::Arc;

use super::Config;
use super::aliases::{Old, Place, look_up};
use super::error::ConfigError;
use super::key::TableKey;
use super::keys_namespace::NamespaceKey;
use super::logging::SinkTarget;
use super::suggest;
use super::values::Values;

/// The stanzas inside `network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkPart {
    /// Clients.
    Service,
    /// A second port for tools.
    Admin,
    /// Between nodes: membership.
    Heartbeat,
    /// Between nodes: data.
    Fabric,
    /// Info commands as text lines.
    Info,
    /// HTTP, which only Shipload has.
    Http,
    /// PostgreSQL's clients, which only Shipload has.
    Pg,
}

impl NetworkPart {
    /// The name of the stanza.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NetworkPart::Service => "service",
            NetworkPart::Admin => "admin",
            NetworkPart::Heartbeat => "heartbeat",
            NetworkPart::Fabric => "fabric",
            NetworkPart::Info => "info",
            NetworkPart::Http => "http",
            NetworkPart::Pg => "pg",
        }
    }

    fn parse(name: &str) -> Option<NetworkPart> {
        use NetworkPart::{Admin, Fabric, Heartbeat, Http, Info, Pg, Service};
        [Service, Admin, Heartbeat, Fabric, Info, Http, Pg].into_iter().find(|part| part.name() == name)
    }
}

/// Which stanza a line stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Outside of all stanzas.
    Root,
    /// `service`.
    Service,
    /// `network` itself, which holds no keys.
    Network,
    /// A stanza inside `network`.
    NetworkPart(NetworkPart),
    /// `namespace NAME`.
    Namespace(String),
    /// A stanza inside a namespace whose keys have its name as a prefix.
    Inner {
        /// The namespace.
        namespace: String,
        /// `storage-engine.` or `geo2dsphere-within.`.
        prefix: &'static str,
    },
    /// `set NAME` inside a namespace.
    Set {
        /// The namespace.
        namespace: String,
        /// The set.
        set: String,
    },
    /// `logging`.
    Logging,
    /// A sink inside `logging`, by its id.
    Sink(usize),
    /// `mod-lua`.
    ModLua,
    /// A stanza that is read past.
    Skipped,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Root => out.write_str("the file"),
            Scope::Service => out.write_str("service"),
            Scope::Network => out.write_str("network"),
            Scope::NetworkPart(part) => write!(out, "network {}", part.name()),
            Scope::Namespace(name) => write!(out, "namespace {name}"),
            Scope::Inner { namespace, prefix } => {
                write!(out, "namespace {namespace} {}", prefix.trim_end_matches('.'))
            }
            Scope::Set { namespace, set } => write!(out, "namespace {namespace} set {set}"),
            Scope::Logging | Scope::Sink(_) => out.write_str("logging"),
            Scope::ModLua => out.write_str("mod-lua"),
            Scope::Skipped => out.write_str("a stanza that is skipped"),
        }
    }
}

/// A stanza that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where its lines belong.
    pub scope: Scope,
    /// Something to tell the user.
    pub warning: Option<String>,
}

impl Opened {
    fn plain(scope: Scope) -> Opened {
        Opened { scope, warning: None }
    }

    fn skipped(warning: &str) -> Opened {
        Opened { scope: Scope::Skipped, warning: Some(warning.to_owned()) }
    }
}

const STORAGE: &str = "storage-engine.";
const GEO: &str = "geo2dsphere-within.";

impl Config {
    /// Enters a stanza.
    ///
    /// # Errors
    /// The stanza is unknown ([`ConfigError::is_warning`]: skip it), refused, or lacks its argument.
    pub fn open(
        &mut self,
        within: &Scope,
        name: &str,
        argument: Option<&str>,
    ) -> Result<Opened, ConfigError> {
        match within {
            Scope::Root => self.open_top(name, argument),
            Scope::Network => open_network(name),
            Scope::Namespace(namespace) => self.open_in_namespace(namespace, name, argument),
            Scope::Logging => self.open_sink(name, argument),
            Scope::Skipped => Ok(Opened::plain(Scope::Skipped)),
            Scope::Service
            | Scope::NetworkPart(_)
            | Scope::Inner { .. }
            | Scope::Set { .. }
            | Scope::Sink(_)
            | Scope::ModLua => Err(unknown_stanza(within, name)),
        }
    }

    fn open_top(&mut self, name: &str, argument: Option<&str>) -> Result<Opened, ConfigError> {
        match name {
            "service" => Ok(Opened::plain(Scope::Service)),
            "network" => Ok(Opened::plain(Scope::Network)),
            "logging" => Ok(Opened::plain(Scope::Logging)),
            "mod-lua" => Ok(Opened::plain(Scope::ModLua)),
            "namespace" => {
                let namespace = argument.unwrap_or("");
                self.add_namespace(namespace)?;
                Ok(Opened::plain(Scope::Namespace(namespace.to_owned())))
            }
            "xdr" => {
                Ok(Opened::skipped("nothing is shipped to other clusters in this version: xdr is skipped"))
            }
            "cluster" => Ok(Opened::skipped("the stanza 'cluster' means nothing any more and is skipped")),
            "security" => Err(ConfigError::Refused {
                name: "security".to_owned(),
                why: "users and access control are not there yet, and without them the node would be \
                     open although the file asks for a lock; remove the stanza",
            }),
            _ => Err(unknown_stanza(&Scope::Root, name)),
        }
    }

    fn open_in_namespace(
        &mut self,
        namespace: &str,
        name: &str,
        argument: Option<&str>,
    ) -> Result<Opened, ConfigError> {
        let within = Scope::Namespace(namespace.to_owned());
        match name {
            "set" => {
                let set = argument.unwrap_or("").to_owned();
                self.known_namespace(namespace)?.set_or_default(&set)?;
                Ok(Opened::plain(Scope::Set { namespace: namespace.to_owned(), set }))
            }
            "storage-engine" => {
                self.load(&within, name, argument.unwrap_or("memory"))?;
                Ok(Opened::plain(Scope::Inner { namespace: namespace.to_owned(), prefix: STORAGE }))
            }
            "geo2dsphere-within" => {
                Ok(Opened::plain(Scope::Inner { namespace: namespace.to_owned(), prefix: GEO }))
            }
            "index-type" | "sindex-type" => {
                self.load(&within, name, argument.unwrap_or("shmem"))?;
                Ok(Opened::plain(Scope::Skipped))
            }
            _ => Err(unknown_stanza(&within, name)),
        }
    }

    fn open_sink(&mut self, name: &str, argument: Option<&str>) -> Result<Opened, ConfigError> {
        let target = match (name, argument) {
            ("console", _) => SinkTarget::Console,
            ("file", Some(path)) => SinkTarget::File(path.to_owned()),
            ("syslog", path) => SinkTarget::Syslog(path.map(str::to_owned)),
            _ => return Err(unknown_stanza(&Scope::Logging, name)),
        };
        Ok(Opened::plain(Scope::Sink(self.logging.add(target))))
    }

    /// Takes one line of a stanza. `value` is the rest of the line without comment. A list keeps what
    /// earlier lines gave it. The answer may be a warning to show.
    ///
    /// # Errors
    /// The key is unknown ([`ConfigError::is_warning`]), refused, or cannot have that value.
    pub fn load(&self, scope: &Scope, name: &str, value: &str) -> Result<Option<String>, ConfigError> {
        match scope {
            Scope::Service => load_key(&self.service, Place::Service, scope, name, value),
            Scope::NetworkPart(part) => {
                let dotted = format!("{}.{name}", part.name());
                load_key(&self.network, Place::Network, scope, &dotted, &joined_seed(name, value))
            }
            Scope::Namespace(namespace) => {
                let keys = &self.known_namespace(namespace)?.keys;
                let warning = load_key(keys, Place::Namespace, scope, name, value)?;
                refuse_missing_parts(keys)?;
                Ok(warning)
            }
            Scope::Inner { namespace, prefix } => {
                let keys = &self.known_namespace(namespace)?.keys;
                load_key(keys, Place::Namespace, scope, &format!("{prefix}{name}"), value)
            }
            Scope::Set { namespace, set } => {
                let keys = self.known_namespace(namespace)?.set_or_default(set)?;
                load_key(&keys, Place::Set, scope, name, value)
            }
            Scope::Sink(id) => {
                let mut words = value.split_whitespace();
                let (context, severity) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                self.logging.set_level(*id, context, severity).map(|()| None)
            }
            Scope::ModLua => load_key(&self.mod_lua, Place::Service, scope, name, value),
            Scope::Skipped => Ok(None),
            Scope::Root | Scope::Network | Scope::Logging => Err(unknown_key::<NamespaceKey>(scope, name)),
        }
    }

    pub(super) fn known_namespace(&self, name: &str) -> Result<&Arc<super::NamespaceConfig>, ConfigError> {
        self.namespace(name).ok_or_else(|| ConfigError::UnknownNamespace { name: name.to_owned() })
    }

    /// Looks at the configuration as a whole, after all files and flags. The answers are warnings.
    ///
    /// # Errors
    /// It cannot work as it is.
    pub fn check(&self) -> Result<Vec<String>, ConfigError> {
        if self.namespaces().is_empty() {
            return Err(ConfigError::Incomplete("there is no namespace: at least one is needed".to_owned()));
        }
        let mut warnings = Vec::new();
        for namespace in self.namespaces() {
            let keys = &namespace.keys;
            let expires = keys.number(NamespaceKey::DefaultTtl) > 0;
            let stays = keys.number(NamespaceKey::NsupPeriod) == 0;
            if expires && stays && !keys.flag(NamespaceKey::AllowTtlWithoutNsup) {
                keys.put_number(NamespaceKey::NsupPeriod, 120);
                let name = namespace.name();
                warnings.push(format!(
                    "namespace {name}: default-ttl without nsup-period, so nsup-period 120 is used"
                ));
            }
        }
        Ok(warnings)
    }
}

fn open_network(name: &str) -> Result<Opened, ConfigError> {
    if name == "tls" {
        return Ok(Opened::skipped("TLS is not there yet: the stanza is skipped"));
    }
    let part = NetworkPart::parse(name).ok_or_else(|| unknown_stanza(&Scope::Network, name))?;
    Ok(Opened::plain(Scope::NetworkPart(part)))
}

/// `HOST PORT` of a mesh seed becomes `HOST:PORT`, as `get-config` shows it; IPv6 addresses get brackets.
fn joined_seed(name: &str, value: &str) -> String {
    match (name, value.split_once(char::is_whitespace)) {
        ("mesh-seed-address-port", Some((host, port))) if host.contains(':') && !host.starts_with('[') => {
            format!("[{host}]:{}", port.trim())
        }
        ("mesh-seed-address-port", Some((host, port))) => format!("{host}:{}", port.trim()),
        _ => value.to_owned(),
    }
}

/// Choices that exist as words but not as parts of this version.
fn refuse_missing_parts(keys: &Values<NamespaceKey>) -> Result<(), ConfigError> {
    let refused = |name: &str, why| Err(ConfigError::Refused { name: name.to_owned(), why });
    if keys.flag(NamespaceKey::StrongConsistency) {
        let why = "consistent namespaces are not there yet, and an available one must not pass for one; \
             use 'strong-consistency false'";
        return refused("strong-consistency true", why);
    }
    if keys.text(NamespaceKey::StorageEngine) == "pmem" {
        let why = "persistent memory is not there; use 'storage-engine memory' or 'storage-engine device'";
        return refused("storage-engine", why);
    }
    if keys.number(NamespaceKey::IndexType) != 0 || keys.number(NamespaceKey::SindexType) != 0 {
        return refused("index-type", "indexes live in memory only; use 'shmem' or remove the line");
    }
    Ok(())
}

fn load_key<K: TableKey>(
    values: &Values<K>,
    place: Place,
    scope: &Scope,
    name: &str,
    value: &str,
) -> Result<Option<String>, ConfigError> {
    if let Some((index, _)) = Values::<K>::find(name) {
        return values.put_at(index, value, true).map(|()| None);
    }
    match look_up(place, name) {
        Old::Renamed(now) => {
            let (index, _) = Values::<K>::find(now).ok_or_else(|| unknown_key::<K>(scope, name))?;
            values.put_at(index, value, true)?;
            Ok(Some(format!("'{name}' is now called '{now}'")))
        }
        Old::Gone => Ok(Some(format!("'{name}' means nothing any more and is ignored"))),
        Old::Refused(why) => Err(ConfigError::Refused { name: name.to_owned(), why }),
        Old::Unknown => Err(unknown_key::<K>(scope, name)),
    }
}

fn unknown_key<K: TableKey>(scope: &Scope, name: &str) -> ConfigError {
    let hint = suggest::hint(name, K::TABLE.iter().map(|key| key.name));
    ConfigError::UnknownKey { context: scope.to_string(), name: name.to_owned(), hint }
}

fn unknown_stanza(scope: &Scope, name: &str) -> ConfigError {
    ConfigError::UnknownStanza { context: scope.to_string(), name: name.to_owned() }
}
