//! Where the addresses of `COPY` lead.

use crate::error::{Kind, Result, SqlError};
use crate::network::{Object, Remote};
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Where buckets are that no host is named for.
const S3: &str = "s3.amazonaws.com";

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// To a file, or to several when its name has stars.
    File(PathBuf),
    /// To another machine.
    Remote(Remote),
}

impl fmt::Display for Place {
    /// The address without secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(out, "file://{}", path.display()),
            Place::Remote(remote) => remote.fmt(out),
        }
    }
}

impl Place {
    /// Reads an address; S3's without TLS when `plain`.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub(super) fn parse(address: &str, plain: bool) -> Result<Place> {
        match address.split_once("://") {
            Some(("s3", rest)) => {
                object(rest, plain).map(|object| Place::Remote(Remote::Object(object))).ok_or_else(|| {
                    let form = "s3://[KEY:SECRET@][HOST:PORT/]BUCKET/PATH, with '/' in a secret as %2F";
                    SqlError::new(Kind::Validation, format!("the address must be {form}"))
                })
            }
            Some(("http" | "https", _)) => Ok(Place::Remote(Remote::Http(address.to_owned()))),
            Some(("file", path)) => file(path),
            Some((scheme, _)) => Err(SqlError::unsupported(format!(
                "{scheme}:// can't be copied; files, http, https and s3 can"
            ))),
            None => file(address),
        }
    }

    /// The whole address, for another node: secrets are in it.
    pub(super) fn address(&self) -> String {
        match self {
            Place::Remote(Remote::Object(object)) => address_of(object),
            Place::Remote(Remote::Http(address)) => address.clone(),
            Place::File(_) => self.to_string(),
        }
    }

    /// The end of the path, which may say the form.
    pub(super) fn name(&self) -> String {
        match self {
            Place::File(path) => path.to_string_lossy().into_owned(),
            Place::Remote(Remote::Http(address)) => address.clone(),
            Place::Remote(Remote::Object(object)) => object.path.clone(),
        }
    }
}

fn file(path: &str) -> Result<Place> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain {
        return Ok(Place::File(path.to_path_buf()));
    }
    let message = format!("{}: a path must be absolute, without '..'", path.display());
    Err(SqlError::new(Kind::Validation, message))
}

/// What stands behind `s3://`; none when it is nothing.
fn object(rest: &str, plain: bool) -> Option<Object> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let key = match user {
        None | Some("" | ":") => None,
        Some(user) => {
            let (name, secret) = user.split_once(':')?;
            Some((decoded(name)?, decoded(secret)?))
        }
    };
    let (host, port, path) = match host.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?), path.to_owned()),
        None if host.is_empty() => (S3, None, path.to_owned()),
        None => (S3, None, format!("{host}/{path}")),
    };
    let (bucket, path) = path.split_once('/').unwrap_or((&path, ""));
    if bucket.is_empty() || host.is_empty() {
        return None;
    }
    let host = host.to_owned();
    Some(Object { key, host, port, plain, bucket: decoded(bucket)?, path: decoded_path(path)? })
}

/// A path with its stars. One that is a sign of a name can't be told from others, and is refused.
fn decoded_path(path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    let upper = path.to_ascii_uppercase();
    if upper.contains("%2A") { None } else { decoded(path) }
}

/// A text with its `%20` as signs.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(out).ok()
}

/// A text with what is no plain sign as `%20`.
fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || kept.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn address_of(object: &Object) -> String {
    let key = object.key.as_ref().map_or_else(String::new, |(name, secret)| {
        format!("{}:{}@", encoded(name, "-_."), encoded(secret, "-_."))
    });
    let host = match object.port {
        Some(port) => format!("{}:{port}", object.host),
        None => String::new(),
    };
    let slash = if host.is_empty() && key.is_empty() { "" } else { "/" };
    let (bucket, path) = (encoded(&object.bucket, "-_."), encoded(&object.path, "-_./*"));
    format!("s3://{key}{host}{slash}{bucket}/{path}")
}

#[cfg(test)]
mod tests {
    use super::{Object, Place, Remote};

    fn object(address: &str) -> Object {
        match Place::parse(address, true).expect(address) {
            Place::Remote(Remote::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_lead_somewhere() {
        let full = object("s3://key:se%2Fcret@minio:9000/bucket/a/b%20c*.json");
        assert_eq!(full.key, Some(("key".to_owned(), "se/cret".to_owned())));
        assert_eq!((full.host.as_str(), full.port), ("minio", Some(9000)));
        assert_eq!((full.bucket.as_str(), full.path.as_str()), ("bucket", "a/b c*.json"));
        for address in [
            "s3://key:se%2Fcret@minio:9000/bucket/a/b%20c*.json",
            "s3://bucket/a.json",
            "s3://k:s@/bucket/a.json",
            "s3://[::1]:9000/bucket/a",
        ] {
            let place = Place::parse(address, true).expect(address);
            assert_eq!(place.address(), address);
            assert!(!place.to_string().contains("cret"));
        }
        let usual = object("s3://bucket/a.json");
        assert_eq!((usual.host.as_str(), usual.bucket.as_str()), ("s3.amazonaws.com", "bucket"));
        for wrong in ["s3://", "s3://:9000/b/x", "s3://k@h:1/b/x", "s3://h:x/b/x", "s3://b/%2a", "s3://b/%f"]
        {
            assert!(Place::parse(wrong, true).is_err(), "{wrong}");
        }
        for wrong in ["ftp://x/y", "x", "/a/../b", "file://a/b"] {
            assert!(Place::parse(wrong, true).is_err(), "{wrong}");
        }
    }
}
