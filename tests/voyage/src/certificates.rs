//! Certificates for an engine that listens with TLS: one authority, the engine, a client, and a stranger.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Folders with `ca.pem`, `cert.pem` and `key.pem` each.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

impl Certificates {
    /// Makes them for an engine with this address.
    pub(crate) fn make(folder: &Path, address: &str) -> Result<Certificates> {
        let (own, other) = (authority("voyage")?, authority("stranger")?);
        sign(&own, &folder.join("engine"), address, ExtendedKeyUsagePurpose::ServerAuth)?;
        sign(&own, &folder.join("client"), "client", ExtendedKeyUsagePurpose::ClientAuth)?;
        sign(&other, &folder.join("stranger"), "client", ExtendedKeyUsagePurpose::ClientAuth)?;
        // Somebody whom the engine knows, but who knows another engine.
        fs::create_dir_all(folder.join("misled"))?;
        for (from, name) in [("stranger", "ca.pem"), ("client", "cert.pem"), ("client", "key.pem")] {
            fs::copy(folder.join(from).join(name), folder.join("misled").join(name))?;
        }
        // And the other way round.
        fs::copy(folder.join("client/ca.pem"), folder.join("stranger/ca.pem"))?;
        Ok(Certificates { folder: folder.to_owned() })
    }

    /// A new certificate with its key for a web site, by an authority of its own: `site/site.pem` and `site/ca.pem`.
    pub(crate) fn renew_site(&self, host: &str) -> Result<()> {
        let (new, site) = (self.folder.join("new"), self.folder.join("site"));
        sign(&authority("site")?, &new, host, ExtendedKeyUsagePurpose::ServerAuth)?;
        let both = fs::read_to_string(new.join("cert.pem"))? + &fs::read_to_string(new.join("key.pem"))?;
        fs::write(new.join("site.pem"), both)?;
        fs::create_dir_all(&site)?;
        // Nobody ever reads half of it.
        for name in ["ca.pem", "site.pem"] {
            fs::rename(new.join(name), site.join(name))?;
        }
        Ok(())
    }

    /// The folder that all are in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of `engine`, `client`, `stranger` or `misled`.
    pub(crate) fn of(&self, whom: &str) -> String {
        self.folder.join(whom).display().to_string()
    }
}

fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    Ok(Authority::self_signed(params, KeyPair::generate()?)?)
}

fn sign(authority: &Authority, folder: &Path, name: &str, purpose: ExtendedKeyUsagePurpose) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    fs::write(folder.join("cert.pem"), params.signed_by(&key, authority)?.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}
