//! Engines that listen with TLS: each proves itself to the other by one authority, and the machine's own list of
//! authorities counts for nothing. A connection carries one request.

use bollard::BollardRequest;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection that has failed knows why at once.
const CAUSE_PATIENCE: Duration = Duration::from_secs(1);

/// Files for an engine that listens with TLS, in the form that Docker's own client takes (PEM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the engine's certificate.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Tls {
    /// The files of Docker's own client in a folder: `ca.pem`, `cert.pem`, `key.pem`.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Tls {
        let file = |name: &str| folder.join(name);
        Tls { authority: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem") }
    }
}

/// Why no connection with TLS can even be tried.
#[derive(Debug, Error)]
pub(super) enum TlsError {
    #[error("{} can't be read: {why}", path.display())]
    NoFile { path: PathBuf, why: io::Error },
    #[error("{} holds no {what} in PEM form", path.display())]
    Nothing { path: PathBuf, what: &'static str },
    #[error("{} is no key of the certificate {}: {why}", key.display(), certificate.display())]
    Misfit { key: PathBuf, certificate: PathBuf, why: String },
    #[error("'{0}' has the wrong form; allowed: tcp://HOST:PORT")]
    Address(String),
}

/// A way to an engine.
#[derive(Clone)]
pub(super) struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
    address: String,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Secure").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Secure {
    /// Reads the files; nothing is sent yet.
    pub(super) fn new(host: &str, tls: &Tls) -> Result<Secure, TlsError> {
        let wrong = || TlsError::Address(host.to_owned());
        let address =
            host.strip_prefix("tcp://").or_else(|| host.strip_prefix("https://")).ok_or_else(wrong)?;
        let address = address.trim_end_matches('/');
        let (name, _) = address.rsplit_once(':').ok_or_else(wrong)?;
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| wrong())?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.authority)? {
            let trusted = roots.add(certificate);
            trusted.map_err(|_| TlsError::Nothing { path: tls.authority.clone(), what: "authority" })?;
        }
        let own = certificates(&tls.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&tls.key)?);
        let key = key.map_err(|_| TlsError::Nothing { path: tls.key.clone(), what: "key" })?;
        let misfit = |error: tokio_rustls::rustls::Error| TlsError::Misfit {
            key: tls.key.clone(),
            certificate: tls.certificate.clone(),
            why: error.to_string(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(own, key))
            .map_err(misfit)?;
        Ok(Secure { connector: TlsConnector::from(Arc::new(config)), name, address: address.to_owned() })
    }

    /// Connects.
    pub(super) async fn stream(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        self.connector.connect(self.name.clone(), stream).await
    }

    /// Sends one request over a connection of its own.
    pub(super) async fn send(
        self,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, bollard::errors::Error> {
        let stream = self.stream().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer; with an answer that becomes a stream of its own, as programs in containers do,
        // when that ends.
        let driver = tokio::spawn(connection.with_upgrades());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>()?;
        let host = HeaderValue::from_str(&self.address).unwrap_or(HeaderValue::from_static("engine"));
        request.headers_mut().insert(HOST, host);
        match sender.send_request(request).await {
            Ok(response) => Ok(response),
            // An engine that does not accept our certificate says so once the handshake is through, and maybe before the
            // request is on its way: then the connection knows why.
            Err(error) => match tokio::time::timeout(CAUSE_PATIENCE, driver).await {
                Ok(Ok(Err(cause))) => Err(cause.into()),
                Ok(Ok(Ok(())) | Err(_)) | Err(_) => Err(error.into()),
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|why| TlsError::NoFile { path: path.to_owned(), why })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
    if found.is_empty() {
        return Err(TlsError::Nothing { path: path.to_owned(), what: "certificate" });
    }
    Ok(found)
}
