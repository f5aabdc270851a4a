//! What can be wrong with a piece of configuration. Each text says what would be right.

/// A configuration line or a `set-config` request that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No key of that name exists in that context. The file reader turns this into a warning.
    #[error("unknown key '{name}' in {context}{hint}")]
    UnknownKey {
        /// Where the key was looked up, as it reads in a file: `namespace test`, `network.service`.
        context: String,
        /// The name as it was given.
        name: String,
        /// Empty, or a sentence that names the closest known key.
        hint: String,
    },
    /// No stanza of that name exists there. The file reader warns and skips the stanza.
    #[error("unknown stanza '{name}' in {context}")]
    UnknownStanza {
        /// The stanza around it.
        context: String,
        /// The name as it was given.
        name: String,
    },
    /// The value is not one that the key can have.
    #[error("'{value}' is no value for '{name}': allowed {} {allowed}", if allowed.contains(',') { "are" } else { "is" })]
    BadValue {
        /// The key.
        name: String,
        /// The value as it was given.
        value: String,
        /// What would have been accepted.
        allowed: String,
    },
    /// The key exists, but only a restart can change it.
    #[error("'{name}' cannot be changed while the node runs: set it in the configuration file")]
    Static {
        /// The key.
        name: String,
    },
    /// The setting asks for something that this node does not do and must not pretend to do.
    #[error("'{name}' is refused: {why}")]
    Refused {
        /// The key or stanza.
        name: String,
        /// Why, and what to do instead.
        why: &'static str,
    },
    /// The namespace does not exist.
    #[error("no namespace '{name}'")]
    UnknownNamespace {
        /// The name as it was given.
        name: String,
    },
    /// A name of a namespace or set that cannot be used.
    #[error("bad name '{name}': {allowed}")]
    BadName {
        /// The name as it was given.
        name: String,
        /// What a name must look like.
        allowed: &'static str,
    },
    /// The file as a whole does not make sense.
    #[error("{0}")]
    Incomplete(String),
}

impl ConfigError {
    /// Whether a configuration file with this mistake may still be used, after a warning.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            ConfigError::UnknownKey { .. } | ConfigError::UnknownStanza { .. } => true,
            ConfigError::BadValue { .. }
            | ConfigError::Static { .. }
            | ConfigError::Refused { .. }
            | ConfigError::UnknownNamespace { .. }
            | ConfigError::BadName { .. }
            | ConfigError::Incomplete(_) => false,
        }
    }
}
