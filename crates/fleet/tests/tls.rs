//! Engines that listen with TLS, with certificates made here: who fits gets in, and who does not is told why.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use shipload_fleet::engine::{Engine, Tls};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const SERVICE: &str =
    r#"{"ID":"s","Version":{"Index":7},"Spec":{"Name":"prod_web","Mode":{"Replicated":{"Replicas":1}}}}"#;

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for a name with its key, and this authority; the three files.
    fn sign(&self, folder: &Path, name: &str, purpose: ExtendedKeyUsagePurpose) -> Tls {
        std::fs::create_dir_all(folder).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = Tls::in_folder(folder);
        std::fs::write(&files.authority, self.0.pem()).unwrap();
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

/// What an engine was asked, line by line.
type Asked = Arc<Mutex<Vec<String>>>;

/// An engine that knows one service, and asks for a certificate.
async fn engine(files: &Tls) -> (SocketAddr, Asked) {
    let list = |path: &PathBuf| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(list(&files.authority));
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(list(&files.certificate), PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, &heard).await;
                }
            });
        }
    });
    (address, asked)
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Asked) {
    let mut text = Vec::new();
    let head = loop {
        let Ok(byte) = stream.read_u8().await else { return };
        text.push(byte);
        if text.ends_with(b"\r\n\r\n") {
            break String::from_utf8_lossy(&text).into_owned();
        }
    };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&body);
    heard.lock().unwrap().push(format!("{line} {body}"));
    let said = if line.contains("/version") {
        r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#
    } else if line.starts_with("GET") {
        SERVICE
    } else {
        "{}"
    };
    let whole = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
        said.len()
    );
    // Who asks may have left.
    let _ = stream.write_all(whole.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// What is said to somebody who comes with these files.
async fn said(address: SocketAddr, files: &Tls) -> String {
    Engine::connect(&format!("tcp://{address}"), Some(files))
        .await
        .expect_err("it must not get in")
        .to_string()
}

#[test]
fn who_fits_gets_in_and_changes_services() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours");
        let theirs =
            authority.sign(&folder.path().join("e"), "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let ours = authority.sign(&folder.path().join("c"), "client", ExtendedKeyUsagePurpose::ClientAuth);
        let (address, asked) = engine(&theirs).await;
        let engine = Engine::connect(&format!("tcp://{address}"), Some(&ours)).await.expect("it fits");
        engine.set_replicas("prod_web", 4).await.expect("changed");
        let asked = asked.lock().unwrap();
        assert!(asked.last().unwrap().contains("/services/prod_web/update?version=7 "), "{asked:?}");
        assert!(asked.last().unwrap().contains(r#""Replicas":4"#), "{asked:?}");
    });
}

#[test]
fn who_does_not_fit_is_told_why() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let (authority, other) = (Authority::new("ours"), Authority::new("other"));
        let theirs = authority.sign(&place("e"), "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let ours = authority.sign(&place("c"), "client", ExtendedKeyUsagePurpose::ClientAuth);
        let foreign = other.sign(&place("o"), "client", ExtendedKeyUsagePurpose::ClientAuth);
        let (address, asked) = engine(&theirs).await;

        let wrong = Tls { authority: foreign.authority.clone(), ..ours.clone() };
        let text = said(address, &wrong).await;
        assert!(text.contains("not signed by the authority that you named"), "{text}");

        let wrong = Tls { authority: ours.authority.clone(), ..foreign.clone() };
        let text = said(address, &wrong).await;
        assert!(text.contains("does not accept our certificate"), "{text}");

        let wrong = Tls { key: foreign.key.clone(), ..ours.clone() };
        let text = said(address, &wrong).await;
        assert!(text.contains("is no key of the certificate"), "{text}");

        let wrong = Tls { key: ours.certificate.clone(), ..ours.clone() };
        let text = said(address, &wrong).await;
        assert!(text.contains("cert.pem holds no key in PEM form"), "{text}");

        let wrong = Tls { authority: place("nowhere"), ..ours.clone() };
        let text = said(address, &wrong).await;
        assert!(text.contains("nowhere can't be read") && text.contains("DOCKER_CERT_PATH"), "{text}");

        let text = Engine::connect("tcp://nowhere", Some(&ours)).await.expect_err("no port").to_string();
        assert!(text.contains("allowed: tcp://HOST:PORT"), "{text}");
        assert!(asked.lock().unwrap().is_empty(), "nothing was asked of the engine");
    });
}

#[test]
fn a_certificate_for_another_name_is_told_apart() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours");
        let theirs =
            authority.sign(&folder.path().join("e"), "engine.example", ExtendedKeyUsagePurpose::ServerAuth);
        let ours = authority.sign(&folder.path().join("c"), "client", ExtendedKeyUsagePurpose::ClientAuth);
        let (address, _) = engine(&theirs).await;
        let text = said(address, &ours).await;
        assert!(text.contains("made out for another name"), "{text}");
    });
}

#[test]
fn a_port_without_tls_is_told_apart() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let ours = Authority::new("ours").sign(folder.path(), "client", ExtendedKeyUsagePurpose::ClientAuth);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        });
        let text = said(address, &ours).await;
        assert!(text.contains("does not speak TLS there"), "{text}");
    });
}
