//! The configuration of one node as a plain value.
//!
//! One table of keys (`SERVICE`, `NETWORK`, `NAMESPACE`, `SET`, `MOD_LUA`) says for each key its name
//! in `aerospike.conf`, its kind, its default, and whether it may change while the node runs. The
//! reader of configuration files, `get-config`, `set-config` and the reference in
//! `docs/configuration.md` all go through that table, so they cannot disagree.
//!
//! Numbers, flags and choices are atomics: reading one on the fast path costs one relaxed load.
//!
//! This module opens no file. The shell reads `aerospike.conf` and hands over stanzas ([`Config::open`])
//! and lines ([`Config::load`]) together with the line numbers that it wants to see in messages.

mod aliases;
mod change;
mod error;
mod key;
mod keys_namespace;
mod keys_network;
mod keys_service;
mod keys_set;
mod logging;
mod namespace;
mod reference;
mod scope;
mod suggest;
mod value;
mod values;

#[cfg(test)]
mod config_tests;

pub use error::ConfigError;
pub use key::{Key, Kind, Standing, TableKey};
pub use keys_namespace::{NAMESPACE, NamespaceKey};
pub use keys_network::{NETWORK, NetworkKey};
pub use keys_service::{SERVICE, ServiceKey};
pub use keys_set::{MOD_LUA, ModLuaKey, SET, SetKey};
pub use logging::{LOG_CONTEXTS, Logging, Severity, Sink, SinkTarget};
pub use namespace::{NamespaceConfig, SetConfig};
pub use reference::reference_markdown;
pub use scope::{NetworkPart, Opened, Scope};
pub use values::Values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest namespace name, in bytes.
pub const NAMESPACE_NAME_MAX: usize = 31;
/// The longest set name, in bytes.
pub const SET_NAME_MAX: usize = 63;

/// Everything that can be configured on one node.
#[derive(Debug, Default)]
pub struct Config {
    /// The `service` stanza: the node as a whole.
    pub service: Values<ServiceKey>,
    /// The `network` stanza with all its parts, under dotted names such as `service.port`.
    pub network: Values<NetworkKey>,
    /// The `mod-lua` stanza.
    pub mod_lua: Values<ModLuaKey>,
    /// The `logging` stanza: where lines go and how much of them.
    pub logging: Logging,
    namespaces: Vec<Arc<NamespaceConfig>>,
    deprecated: AtomicU64,
}

impl Config {
    /// A configuration in which every key has its default and there is no namespace yet.
    #[must_use]
    pub fn new() -> Config {
        Config::default()
    }

    /// The namespaces in the order in which they were configured.
    #[must_use]
    pub fn namespaces(&self) -> &[Arc<NamespaceConfig>] {
        &self.namespaces
    }

    /// The namespace of that name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Arc<NamespaceConfig>> {
        self.namespaces.iter().find(|namespace| namespace.name() == name)
    }

    /// Adds a namespace with defaults, or gives the one that is there already.
    ///
    /// # Errors
    /// The name is empty, too long, or has characters that the info protocol uses itself.
    pub fn add_namespace(&mut self, name: &str) -> Result<Arc<NamespaceConfig>, ConfigError> {
        if let Some(known) = self.namespace(name) {
            return Ok(Arc::clone(known));
        }
        let added = Arc::new(NamespaceConfig::new(name)?);
        self.namespaces.push(Arc::clone(&added));
        Ok(added)
    }

    /// How often an old spelling was used since the node started.
    #[must_use]
    pub fn deprecated_requests(&self) -> u64 {
        self.deprecated.load(Ordering::Relaxed)
    }

    /// Counts one use of an old spelling.
    pub(crate) fn note_deprecated(&self) {
        self.deprecated.fetch_add(1, Ordering::Relaxed);
    }
}
