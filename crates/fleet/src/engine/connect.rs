//! Where an engine is, and how its trouble is told.

use super::Engine;
use super::tls::{Secure, Tls};
use bollard::{API_DEFAULT_VERSION, Docker};
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

impl Engine {
    /// Connects to `unix:///path`, `tcp://host:port` (with or without TLS), or the usual socket when `host` is empty.
    ///
    /// # Errors
    /// When nobody answers there, with what to do about it.
    pub async fn connect(host: &str, tls: Option<&Tls>) -> Result<Engine, EngineError> {
        let host = if host.is_empty() { DEFAULT } else { host };
        let unreachable = |error: &dyn std::error::Error| {
            let why = deepest(error);
            EngineError::Unreachable { host: host.to_owned(), advice: advice(host, &why), why }
        };
        let local = host.starts_with("unix://") || host.starts_with('/');
        // A socket of this machine needs no proof, whatever the environment says; Docker's own client sees it so too.
        let secure = tls.filter(|_| !local).map(|tls| Secure::new(host, tls)).transpose();
        let secure = secure.map_err(|error| unreachable(&error))?;
        let connected = match secure.clone() {
            Some(secure) => Docker::connect_with_custom_transport(
                move |request| secure.clone().send(request),
                Some("https://engine"),
                TIMEOUT_S,
                API_DEFAULT_VERSION,
            ),
            None if local => Docker::connect_with_unix(host, TIMEOUT_S, API_DEFAULT_VERSION),
            None => Docker::connect_with_http(host, TIMEOUT_S, API_DEFAULT_VERSION),
        };
        let docker = connected.map_err(|error| unreachable(&error))?;
        let docker = docker.negotiate_version().await.map_err(|error| unreachable(&error))?;
        Ok(Engine { docker, secure, host: host.to_owned() })
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
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["can't be read", "pem form", "is no key", "wrong form"]) {
        "the files are ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH, or --tls-ca, --tls-cert and --tls-key"
    } else if has(&["unknownissuer", "badsignature"]) {
        "the engine's certificate is not signed by the authority that you named: check --tls-ca, or ca.pem in DOCKER_CERT_PATH"
    } else if has(&["not valid for name", "notvalidforname"]) {
        "the engine's certificate is made out for another name: use a name that is in it"
    } else if has(&["expired", "not valid yet"]) {
        "the certificate's time is over or has not begun: make a new one, and check both clocks"
    } else if has(&["fatal alert"]) {
        "the engine does not accept our certificate: check --tls-cert, or cert.pem in DOCKER_CERT_PATH"
    } else if has(&["corrupt message", "invalidcontenttype"]) {
        "it does not speak TLS there: leave DOCKER_TLS_VERIFY and the certificates out, or use its port with TLS"
    } else if has(&["https server"]) {
        "it speaks TLS there: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or --tls-ca, --tls-cert and --tls-key"
    } else if has(&["certificate", "tls"]) {
        "the certificates do not fit: check --tls-ca, --tls-cert and --tls-key, and the name in the address"
    } else if has(&["permission denied"]) {
        "this user may not use the socket: join the group of the socket, or run as root"
    } else if host.starts_with("unix://") || host.starts_with('/') {
        "is the engine running? another socket is named with --engine unix:///PATH or DOCKER_HOST"
    } else {
        "is the engine running and does it listen there? one with TLS needs DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
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
