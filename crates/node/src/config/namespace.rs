//! The configuration of one namespace and of the sets inside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::error::ConfigError;
use super::keys_namespace::NamespaceKey;
use super::keys_set::SetKey;
use super::values::Values;
use super::{NAMESPACE_NAME_MAX, SET_NAME_MAX};

/// The configuration of one set.
pub type SetConfig = Values<SetKey>;

/// The configuration of one namespace.
#[derive(Debug)]
pub struct NamespaceConfig {
    name: String,
    /// The values of its keys.
    pub keys: Values<NamespaceKey>,
    sets: RwLock<BTreeMap<String, Arc<SetConfig>>>,
    sets_generation: AtomicU64,
}

impl NamespaceConfig {
    /// A namespace with defaults.
    ///
    /// # Errors
    /// The name cannot be used.
    pub fn new(name: &str) -> Result<NamespaceConfig, ConfigError> {
        if !is_plain(name, NAMESPACE_NAME_MAX) {
            let allowed = "a namespace has 1 to 31 bytes, none of them a blank or one of ; : , = /";
            return Err(ConfigError::BadName { name: name.to_owned(), allowed });
        }
        Ok(NamespaceConfig {
            name: name.to_owned(),
            keys: Values::default(),
            sets: RwLock::default(),
            sets_generation: AtomicU64::new(0),
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number behind a key; see [`Values::number`].
    #[must_use]
    pub fn number(&self, key: NamespaceKey) -> u64 {
        self.keys.number(key)
    }

    /// Whether a flag is on.
    #[must_use]
    pub fn flag(&self, key: NamespaceKey) -> bool {
        self.keys.flag(key)
    }

    /// The configuration of a set, if it has one of its own.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<Arc<SetConfig>> {
        self.sets.read().get(name).map(Arc::clone)
    }

    /// The configuration of the longest name with `*` at its end that this set's name begins with, and that name.
    #[must_use]
    pub fn prefixed(&self, name: &str) -> Option<(String, Arc<SetConfig>)> {
        let sets = self.sets.read();
        let fits = |known: &str| known.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix));
        let longest = sets.iter().filter(|(known, _)| fits(known)).max_by_key(|(known, _)| known.len());
        longest.map(|(known, config)| (known.clone(), Arc::clone(config)))
    }

    /// Moves when a set gets its first configuration of its own. Values inside a [`SetConfig`] change in
    /// place, so who keeps the `Arc` needs to look again only when this number has moved.
    #[must_use]
    pub fn sets_generation(&self) -> u64 {
        self.sets_generation.load(Ordering::Acquire)
    }

    /// The configuration of a set, made with defaults when there is none.
    ///
    /// # Errors
    /// The name cannot be used.
    pub fn set_or_default(&self, name: &str) -> Result<Arc<SetConfig>, ConfigError> {
        if let Some(known) = self.set(name) {
            return Ok(known);
        }
        if !is_plain(name, SET_NAME_MAX) {
            let allowed = "a set has 1 to 63 bytes, none of them a blank or one of ; : , = /";
            return Err(ConfigError::BadName { name: name.to_owned(), allowed });
        }
        let config = Arc::clone(self.sets.write().entry(name.to_owned()).or_default());
        self.sets_generation.fetch_add(1, Ordering::Release);
        Ok(config)
    }

    /// The sets that have a configuration of their own, by name.
    #[must_use]
    pub fn sets(&self) -> Vec<(String, Arc<SetConfig>)> {
        self.sets.read().iter().map(|(name, config)| (name.clone(), Arc::clone(config))).collect()
    }
}

/// Whether a name can stand in info answers, whose separators it must not contain.
fn is_plain(name: &str, max: usize) -> bool {
    let separates = |symbol: char| symbol.is_control() || symbol.is_whitespace() || ";:,=/".contains(symbol);
    !name.is_empty() && name.len() <= max && !name.contains(separates)
}
