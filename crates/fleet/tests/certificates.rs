//! Certificates that labels name: those that HAProxy does not take are left out, and a new one is noticed.
#![expect(clippy::expect_used, reason = "tests")]

use rcgen::{CertificateParams, KeyPair};
use shipload_fleet::haproxy::{Balancer, Certificates};
use shipload_fleet::route::{Container, Owners, desire};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Writes a certificate, with its key or with another's.
fn write(path: &Path, fitting: bool) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("signed");
    let key = if fitting { key } else { KeyPair::generate().expect("a key") };
    fs::write(path, certificate.pem() + &key.serialize_pem()).expect("written");
}

#[test]
fn what_can_not_be_used_is_left_out_and_what_is_new_is_noticed() {
    if std::process::Command::new("haproxy").arg("-v").output().is_err() {
        // Not by `eprintln!`, which a test that succeeds keeps to itself.
        writeln!(std::io::stderr(), "certificates: LEFT OUT, haproxy is not here (apt-get install haproxy)")
            .expect("written");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let balancer =
        Balancer { program: "haproxy".into(), file: path("haproxy.cfg"), pid_file: path("haproxy.pid") };
    let container = |name: &str| Container {
        name: name.to_owned(),
        running: true,
        labels: [
            ("shipload.host".to_owned(), format!("{name}.example")),
            ("shipload.certificate".to_owned(), path(name).display().to_string()),
        ]
        .into(),
        networks: [("n".to_owned(), "10.0.0.1".parse().expect("an address"))].into(),
        ports: BTreeSet::from([80]),
        ..Container::default()
    };
    let containers = ["good", "absent", "torn", "misfit"].map(container);
    let desired = desire(&containers, &BTreeSet::new(), &mut Owners::new());
    assert_eq!(desired.backends.len(), 4, "{:?}", desired.skipped);
    write(&path("good"), true);
    write(&path("misfit"), false);
    fs::write(path("torn"), "-----BEGIN CERTIFICATE-----\nMIIB").expect("written");

    let mut certificates = Certificates::default();
    let (first, refused) = certificates.look(&balancer, &desired);
    let good = path("good").display().to_string();
    assert_eq!(first.keys().collect::<Vec<_>>(), [&good], "{refused:?}");
    let why = |name: &str| {
        let start = format!("the certificate {} is left out: ", path(name).display());
        refused.iter().find_map(|line| line.strip_prefix(start.as_str())).expect("it is told")
    };
    assert!(why("absent").starts_with("No such file"), "{}", why("absent"));
    assert!(why("torn").contains("certificate"), "{}", why("torn"));
    assert!(why("misfit").contains("key"), "{}", why("misfit"));
    assert_eq!(certificates.look(&balancer, &desired), (first.clone(), refused), "nothing has changed");

    write(&path("good"), true);
    write(&path("misfit"), true);
    let (second, refused) = certificates.look(&balancer, &desired);
    assert_ne!(second[&good], first[&good], "another certificate, another number");
    assert_eq!((second.len(), refused.len()), (2, 2), "{refused:?}");
}
