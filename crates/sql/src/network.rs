//! What `COPY` wants of the network. The code that speaks HTTP stands behind the engine's feature; this does not.
//!
//! A statement names addresses, and the node goes there: whoever may speak SQL could send it to machines that he can't reach
//! himself. So a node goes only to hosts that its configuration names.

use crate::error::{Kind, Result, SqlError};
use crate::glob::is_like;
use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// Hosts that `COPY` may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Arc<Vec<String>>);

impl Hosts {
    /// Names and addresses with commas between; `*` stands for any part of one. None when the text is empty.
    #[must_use]
    pub fn parse(text: &str) -> Hosts {
        let all = text.split(',').map(|host| host.trim().to_ascii_lowercase());
        Hosts(Arc::new(all.filter(|host| !host.is_empty()).collect()))
    }

    /// Whether there are any.
    ///
    /// # Errors
    /// When there are none: the text says how to name some.
    pub fn any(&self) -> Result<()> {
        if !self.0.is_empty() {
            return Ok(());
        }
        let message = "COPY over the network is switched off; a node with --sql-hosts HOST,... (sql-hosts) allows it for those hosts";
        Err(SqlError::new(Kind::RelationOperation, message))
    }

    /// Whether a host, as it stands in an address, may be reached. An address within this machine or this wire only when it is
    /// spelled out.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, host: &str) -> Result<()> {
        self.any()?;
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let near = host.parse().is_ok_and(|address| is_near(&address));
        if self.is_spelled_out(&host) || (!near && self.0.iter().any(|pattern| is_like(&host, pattern))) {
            return Ok(());
        }
        let message = format!("the node's sql-hosts does not name the host {host}");
        Err(SqlError::new(Kind::RelationOperation, message))
    }

    /// Whether the host stands here without a star.
    #[must_use]
    pub fn is_spelled_out(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| pattern == host && !pattern.contains('*'))
    }
}

/// Whether an address means this machine, or the wire that it hangs on, where machines of clouds tell their secrets.
#[must_use]
pub fn is_near(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_near(&IpAddr::V4(v4)),
            None => {
                v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast()
            }
        },
    }
}

/// Something on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// By its address.
    Http(String),
    /// In a store that speaks as S3 does.
    Object(Object),
}

/// An object in a store, or several when its path has stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Name and secret of the key; without one nothing is signed.
    pub key: Option<(String, String)>,
    /// The store's host.
    pub host: String,
    /// Its port; none for the usual one.
    pub port: Option<u16>,
    /// Whether it is asked without TLS.
    pub plain: bool,
    /// The bucket.
    pub bucket: String,
    /// The path in the bucket.
    pub path: String,
}

impl Object {
    /// The address without key.
    #[must_use]
    pub fn shown(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("s3://{}{port}/{}/{}", self.host, self.bucket, self.path)
    }
}

impl fmt::Display for Remote {
    /// The address as it may be shown: without secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Http(address) => out.write_str(&without_user(address)),
            Remote::Object(object) => out.write_str(&object.shown()),
        }
    }
}

/// An address without the part before `@`.
fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    format!("{scheme}://{}{path}", host.rsplit_once('@').map_or(host, |(_, host)| host))
}

/// A statement as it may be shown: of its addresses without what stands before `@`.
#[must_use]
pub fn without_keys(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let ends = |c: char| matches!(c, '/' | '\'' | '"' | ',') || c.is_whitespace();
        let (host, left) = after.split_at(after.find(ends).unwrap_or(after.len()));
        if let Some((_, host)) = host.rsplit_once('@') {
            out.push_str("...@");
            out.push_str(host);
        } else {
            out.push_str(host);
        }
        rest = left;
    }
    out.push_str(rest);
    out
}

/// Bytes as they arrive.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Something that is being read.
pub struct Download {
    /// How many bytes it has, where that is known.
    pub size: Option<u64>,
    /// Its bytes.
    pub pieces: Pieces,
}

/// Bytes of a known number, read in any order.
#[async_trait]
pub trait Ranges: Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;

    /// Those of a range.
    ///
    /// # Errors
    /// When they can't be read.
    async fn range(&self, range: Range<u64>) -> Result<Bytes>;
}

/// Something that is being written.
#[async_trait]
pub trait Upload: Send {
    /// More bytes.
    ///
    /// # Errors
    /// When they can't be written.
    async fn put(&mut self, bytes: Bytes) -> Result<()>;

    /// There are no more: it is there now.
    ///
    /// # Errors
    /// When it is not there.
    async fn finish(&mut self) -> Result<()>;

    /// It shall not be there.
    async fn abandon(&mut self);
}

/// How another node did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unasked {
    /// It has certainly not begun.
    NotReached(String),
    /// It may have begun.
    Broken(String),
}

/// Speaks with other machines.
#[async_trait]
pub trait Network: Send + Sync {
    /// Begins to read.
    ///
    /// # Errors
    /// When it may not be, is not there, or its host does not answer.
    async fn read(&self, from: &Remote) -> Result<Download>;

    /// Looks at something that will be read in parts.
    ///
    /// # Errors
    /// As [`Network::read`]; also when the host does not give parts.
    async fn ranges(&self, from: &Remote) -> Result<Arc<dyn Ranges>>;

    /// What a path with stars names, in order.
    ///
    /// # Errors
    /// As [`Network::read`].
    async fn list(&self, at: &Object) -> Result<Vec<Object>>;

    /// Begins to write.
    ///
    /// # Errors
    /// As [`Network::read`].
    async fn write(&self, to: &Object) -> Result<Box<dyn Upload>>;

    /// Posts a JSON text to another node of the cluster, at `HOST:PORT`; gives status and text of its answer.
    ///
    /// # Errors
    /// When there is no answer.
    async fn ask(&self, node: &str, body: String) -> std::result::Result<(u16, String), Unasked>;
}

#[cfg(test)]
mod tests {
    use super::{Hosts, Object, Remote, without_keys};

    #[test]
    fn only_named_hosts_are_reached() {
        let none = Hosts::parse(" ");
        assert!(none.check("example.com").is_err_and(|error| error.message.contains("--sql-hosts")));
        let some = Hosts::parse("Example.com, *.store.org,127.0.0.1");
        for (host, may) in [
            ("example.com", true),
            ("EXAMPLE.COM", true),
            ("www.example.com", false),
            ("eu.store.org", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("[::1]", false),
        ] {
            assert_eq!(some.check(host).is_ok(), may, "{host}");
        }
        let all = Hosts::parse("*");
        for (host, may) in [
            ("10.0.0.1", true),
            ("169.254.169.254", false),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("::ffff:127.0.0.1", false),
            ("[fe80::1]", false),
            ("x", true),
        ] {
            assert_eq!(all.check(host).is_ok(), may, "{host}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let copy = "copy t from ['s3://k:s%2F@h:1/b/x@y', 'http://u@v/'] -- a://b @c";
        let shown = "copy t from ['s3://...@h:1/b/x@y', 'http://...@v/'] -- a://b @c";
        assert_eq!(without_keys(copy), shown);
        assert_eq!(Remote::Http("http://a:b@c/d@e".to_owned()).to_string(), "http://c/d@e");
        let object = Object {
            key: Some(("key".to_owned(), "secret".to_owned())),
            host: "h".to_owned(),
            port: Some(9000),
            plain: true,
            bucket: "b".to_owned(),
            path: "x/y".to_owned(),
        };
        assert_eq!(Remote::Object(object).to_string(), "s3://h:9000/b/x/y");
    }
}
