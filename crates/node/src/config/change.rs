//! Reading and changing values by name while the node runs: what `get-config` and `set-config` do.

use super::Config;
use super::aliases::{Old, Place, look_up};
use super::error::ConfigError;
use super::key::{Standing, TableKey};
use super::scope::Scope;
use super::values::Values;

impl Config {
    /// The value of a key as text. Network keys are dotted (`service.port`) with [`Scope::Network`].
    ///
    /// # Errors
    /// No such namespace or key.
    pub fn get(&self, scope: &Scope, name: &str) -> Result<String, ConfigError> {
        let pairs = self.pairs(scope)?;
        let unknown = || unknown(scope, name);
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value).ok_or_else(unknown)
    }

    /// All keys of a context with their values, in the order in which `get-config` shows them.
    ///
    /// # Errors
    /// No such namespace.
    pub fn pairs(&self, scope: &Scope) -> Result<Vec<(String, String)>, ConfigError> {
        let mut pairs = match scope {
            Scope::Service => all(&self.service),
            Scope::ModLua => all(&self.mod_lua),
            Scope::Network => return Ok(all(&self.network)),
            Scope::NetworkPart(part) => {
                let prefix = format!("{}.", part.name());
                all(&self.network).into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect()
            }
            Scope::Namespace(name) => all(&self.known_namespace(name)?.keys),
            Scope::Inner { namespace, prefix } => {
                let every = all(&self.known_namespace(namespace)?.keys);
                every.into_iter().filter(|(name, _)| name.starts_with(prefix)).collect()
            }
            Scope::Set { namespace, set } => {
                let config = self.known_namespace(namespace)?.set(set);
                config.map_or_else(|| all(&super::SetConfig::default()), |config| all(&config))
            }
            Scope::Root | Scope::Logging | Scope::Sink(_) | Scope::Skipped => Vec::new(),
        };
        pairs.sort();
        Ok(pairs)
    }

    /// Changes a value while the node runs.
    ///
    /// In a namespace the keys of the storage engine may be given with or without their prefix. A list
    /// is replaced, not extended.
    ///
    /// # Errors
    /// No such namespace or key, a value that the key cannot have, or a key that only a restart changes.
    pub fn set(&self, scope: &Scope, name: &str, value: &str) -> Result<(), ConfigError> {
        match scope {
            Scope::Service => self.change(&self.service, Place::Service, scope, name, value),
            Scope::Network | Scope::NetworkPart(_) => {
                self.change(&self.network, Place::Network, scope, name, value)
            }
            Scope::ModLua => self.change(&self.mod_lua, Place::Service, scope, name, value),
            Scope::Namespace(namespace) | Scope::Inner { namespace, .. } => {
                let keys = &self.known_namespace(namespace)?.keys;
                let inner = format!("storage-engine.{name}");
                let known = Values::<super::NamespaceKey>::find(&inner).is_some();
                let name = if known { inner.as_str() } else { name };
                self.change(keys, Place::Namespace, scope, name, value)
            }
            Scope::Set { namespace, set } => {
                let namespace = self.known_namespace(namespace)?;
                // The name is looked up first, so that a mistyped key leaves no set behind.
                if Values::<super::SetKey>::find(name).is_none() && look_up(Place::Set, name) == Old::Unknown
                {
                    return Err(unknown(scope, name));
                }
                let keys = namespace.set_or_default(set)?;
                self.change(&keys, Place::Set, scope, name, value)
            }
            Scope::Root | Scope::Logging | Scope::Sink(_) | Scope::Skipped => Err(unknown(scope, name)),
        }
    }

    fn change<K: TableKey>(
        &self,
        values: &Values<K>,
        place: Place,
        scope: &Scope,
        name: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        let found = Values::<K>::find(name).or_else(|| match look_up(place, name) {
            Old::Renamed(now) => {
                self.note_deprecated();
                Values::<K>::find(now)
            }
            Old::Gone | Old::Refused(_) | Old::Unknown => None,
        });
        let (index, key) = found.ok_or_else(|| unknown(scope, name))?;
        match key.standing {
            Standing::Static => Err(ConfigError::Static { name: key.name.to_owned() }),
            Standing::Dynamic | Standing::Inert => values.put_at(index, value, false),
        }
    }
}

fn all<K: TableKey>(values: &Values<K>) -> Vec<(String, String)> {
    values.iter().map(|(key, value)| (key.name.to_owned(), value)).collect()
}

fn unknown(scope: &Scope, name: &str) -> ConfigError {
    ConfigError::UnknownKey { context: scope.to_string(), name: name.to_owned(), hint: String::new() }
}
