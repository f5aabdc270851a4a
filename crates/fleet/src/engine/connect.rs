//! Where an engine is, and how its trouble is told.

use super::Engine;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::path::PathBuf;
use thiserror::Error;

const TIMEOUT_S: u64 = 20;
/// Where an engine is when nobody says so.
const DEFAULT: &str = "unix:///var/run/docker.sock";

/// Why an engine did not do what was wanted.
#[derive(Debug, Error)]
pub enum EngineError {
    /// It can't be talked to.
    #[error("no engine at {host}: {why}; {advice}")]
    Unreachable {
        /// Where it was sought.
        host: String,
        /// What happened.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// It refused.
    #[error("the engine at {host} refused: {why}")]
    Refused {
        /// Which one.
        host: String,
        /// In its words.
        why: String,
    },
    /// Nothing of that name is there.
    #[error("there is no {kind} '{name}'; there are: {known}")]
    Missing {
        /// What was sought.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What there is instead.
        known: String,
    },
    /// It is not part of a Swarm, or manages none.
    #[error("the engine at {0} manages no Swarm; name a manager, or `docker swarm init` one")]
    NoManager(String),
}

/// Files for an engine that listens with TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The authority that signed the engine's certificate.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Engine {
    /// Connects to `unix:///path`, `tcp://host:port` (with or without TLS), or the usual socket when `host` is empty.
    ///
    /// # Errors
    /// When nobody answers there, with what to do about it.
    pub async fn connect(host: &str, tls: Option<&Tls>) -> Result<Engine, EngineError> {
        let host = if host.is_empty() { DEFAULT } else { host };
        let connected = match tls {
            Some(Tls { authority, certificate, key }) => {
                Docker::connect_with_ssl(host, key, certificate, authority, TIMEOUT_S, API_DEFAULT_VERSION)
            }
            None if host.starts_with("unix://") || host.starts_with('/') => {
                Docker::connect_with_unix(host, TIMEOUT_S, API_DEFAULT_VERSION)
            }
            None => Docker::connect_with_http(host, TIMEOUT_S, API_DEFAULT_VERSION),
        };
        let unreachable = |error: bollard::errors::Error| {
            let why = deepest(&error);
            EngineError::Unreachable { host: host.to_owned(), advice: advice(host, &why), why }
        };
        let docker = connected.map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        Ok(Engine { docker, tls: tls.is_some(), host: host.to_owned() })
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(super) fn trouble(&self, error: &bollard::errors::Error) -> EngineError {
        if let bollard::errors::Error::DockerResponseServerError { status_code, message } = error {
            return match status_code {
                406 | 503 => EngineError::NoManager(self.host.clone()),
                _ => EngineError::Refused { host: self.host.clone(), why: message.clone() },
            };
        }
        let why = deepest(error);
        EngineError::Unreachable { host: self.host.clone(), advice: advice(&self.host, &why), why }
    }
}

/// What happened underneath, in one line.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn advice(host: &str, why: &str) -> &'static str {
    let why = why.to_ascii_lowercase();
    if why.contains("certificate") || why.contains("unknownissuer") || why.contains("tls") {
        "the certificates do not fit: check --tls-ca, --tls-cert and --tls-key, and the name in the address"
    } else if why.contains("permission denied") {
        "this user may not use the socket: join the group of the socket, or run as root"
    } else if host.starts_with("unix://") || host.starts_with('/') {
        "is the engine running? another socket is named with --engine unix:///PATH or DOCKER_HOST"
    } else {
        "is the engine running and does it listen there? one with TLS needs --tls-ca, --tls-cert and --tls-key"
    }
}

#[cfg(test)]
mod tests {
    use super::{Engine, advice};

    #[test]
    fn advice_fits_the_trouble() {
        assert!(advice("tcp://x:2376", "invalid peer certificate: UnknownIssuer").contains("--tls-ca"));
        assert!(advice("unix:///x", "Permission denied (os error 13)").contains("group"));
        assert!(advice("unix:///x", "No such file").contains("DOCKER_HOST"));
    }

    #[test]
    fn an_engine_that_is_not_there_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let error =
            runtime.block_on(Engine::connect("unix:///no/such.sock", None)).expect_err("nobody is there");
        let text = error.to_string();
        assert!(text.starts_with("no engine at unix:///no/such.sock: "), "{text}");
        assert!(text.contains("is the engine running?"), "{text}");
    }
}
