//! HTTP and stores that speak as S3 does, as far as the configuration lets the node go.
//!
//! Hosts are checked where an address is read, on every redirection, and where a name becomes addresses. Keys come from
//! statements only: what the node's own surroundings would let it do is not given to whoever speaks SQL.

use crate::error::{Kind, Result, SqlError};
use crate::glob::is_path_like;
use crate::network::{Download, Hosts, Network, Object, Pieces, Ranges, Remote, Unasked, Upload, is_near};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::buffered::BufWriter;
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, StaticCredentialProvider,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// How long a host may take to accept a connection, and to send anything.
const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(60);
/// How often a store is asked again that can't answer just now, and for how long.
const ASKED_AGAIN: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);
const REDIRECTIONS_MAX: usize = 5;
/// Bytes of one part of an object that is written; smaller objects are written at once.
const PART: usize = 8 << 20;
/// Parts under way.
const PARTS_AT_ONCE: usize = 4;
/// Objects that one pattern may name.
const LISTED_MAX: usize = 100_000;
/// Where a bucket is that no host is named for.
const REGION: &str = "us-east-1";

fn failed(what: &dyn std::fmt::Display, error: &dyn std::error::Error) -> SqlError {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    SqlError::new(Kind::Validation, text)
}

/// The network, as far as these hosts.
pub(super) fn reach(hosts: &Hosts) -> Result<Box<dyn Network>> {
    Ok(Box::new(Reach { hosts: hosts.clone() }))
}

struct Reach {
    hosts: Hosts,
}

impl Reach {
    fn client(&self) -> Result<Client> {
        self.hosts.any()?;
        let hosts = self.hosts.clone();
        let follow = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTIONS_MAX {
                return attempt.error("too many redirections");
            }
            match hosts.check(attempt.url().host_str().unwrap_or_default()) {
                Ok(()) => attempt.follow(),
                Err(error) => attempt.error(error),
            }
        });
        let builder = builder().redirect(follow).read_timeout(SILENCE);
        let builder = builder.dns_resolver(Arc::new(Names(self.hosts.clone())));
        builder.build().map_err(|error| failed(&"the network", &error))
    }

    /// An address that may be read.
    fn url(&self, address: &str) -> Result<Url> {
        let shown = Remote::Http(address.to_owned()).to_string();
        let url = Url::parse(address).map_err(|error| failed(&shown, &error))?;
        self.hosts.check(url.host_str().unwrap_or_default())?;
        Ok(url)
    }

    async fn get(&self, address: &str, range: Option<Range<u64>>) -> Result<Response> {
        let url = self.url(address)?;
        get(&self.client()?, &url, range).await
    }

    /// The store of an object, and its path there.
    fn store(&self, object: &Object) -> Result<Arc<dyn ObjectStore>> {
        let scheme = if object.plain { "http" } else { "https" };
        let port = object.port.map(|port| format!(":{port}")).unwrap_or_default();
        let endpoint = format!("{scheme}://{}{port}", object.host);
        self.url(&endpoint)?;
        let client = self.client()?;
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_bucket_name(&object.bucket)
            .with_region(region_of(&object.host))
            .with_virtual_hosted_style_request(false)
            .with_allow_http(object.plain)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: ASKED_AGAIN,
                retry_timeout: PATIENCE,
            })
            .with_http_connector(Through(client));
        builder = match &object.key {
            Some((name, secret)) => {
                builder.with_credentials(Arc::new(StaticCredentialProvider::new(AwsCredential {
                    key_id: name.clone(),
                    secret_key: secret.clone(),
                    token: None,
                })))
            }
            None => builder.with_skip_signature(true),
        };
        let store = builder.build().map_err(|error| failed(&object.shown(), &error))?;
        Ok(Arc::new(store))
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .tcp_keepalive(Some(SILENCE))
        .user_agent(concat!("shipload/", env!("CARGO_PKG_VERSION")))
}

/// `s3.REGION.amazonaws.com`.
fn region_of(host: &str) -> &str {
    let middle = host.strip_prefix("s3.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    middle.filter(|region| !region.contains('.')).unwrap_or(REGION)
}

fn path_of(object: &Object) -> Result<Path> {
    Path::parse(&object.path).map_err(|error| failed(&object.shown(), &error))
}

async fn get(client: &Client, url: &Url, range: Option<Range<u64>>) -> Result<Response> {
    let shown = || Remote::Http(url.to_string()).to_string();
    let mut request = client.get(url.clone());
    if let Some(range) = &range {
        request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    }
    let answer = request.send().await.map_err(|error| failed(&shown(), &error.without_url()))?;
    let status = answer.status();
    if status == StatusCode::PARTIAL_CONTENT || (range.is_none() && status.is_success()) {
        return Ok(answer);
    }
    let message = if status.is_success() {
        format!("{}: Parquet is read in parts, and this host gives none (no 206)", shown())
    } else {
        format!("{}: the host answers {status}", shown())
    };
    Err(SqlError::new(Kind::Validation, message))
}

/// Gives our client to the store.
#[derive(Debug)]
struct Through(Client);

impl HttpConnector for Through {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Names become addresses; those of this machine or wire only for names that are spelled out.
struct Names(Hosts);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let may_be_near = self.0.is_spelled_out(&name.as_str().to_ascii_lowercase());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let some: Vec<_> = found.filter(|address| may_be_near || !is_near(&address.ip())).collect();
            if some.is_empty() {
                return Err("the name has no address that sql-hosts allows".into());
            }
            Ok(Box::new(some.into_iter()) as Addrs)
        })
    }
}

#[async_trait]
impl Network for Reach {
    async fn read(&self, from: &Remote) -> Result<Download> {
        let shown = from.to_string();
        match from {
            Remote::Http(address) => {
                let answer = self.get(address, None).await?;
                let size = answer.content_length();
                let pieces = answer.bytes_stream();
                let pieces = pieces.map_err(move |error| failed(&shown, &error.without_url()));
                Ok(Download { size, pieces: pieces.boxed() })
            }
            Remote::Object(object) => {
                let store = self.store(object)?;
                read(store, &path_of(object)?, shown).await
            }
        }
    }

    async fn ranges(&self, from: &Remote) -> Result<Arc<dyn Ranges>> {
        match from {
            Remote::Http(address) => {
                let (client, url) = (self.client()?, self.url(address)?);
                let answer = get(&client, &url, Some(0..1)).await?;
                let told = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
                let size = told.and_then(|told| told.rsplit_once('/')?.1.parse().ok());
                let missing = || SqlError::new(Kind::Validation, format!("{from}: its size is not told"));
                Ok(Arc::new(HttpRanges { client, url, size: size.ok_or_else(missing)? }))
            }
            Remote::Object(object) => {
                let (store, path) = (self.store(object)?, path_of(object)?);
                let shown = object.shown();
                let size = store.head(&path).await.map_err(|error| failed(&shown, &error))?.size;
                Ok(Arc::new(ObjectRanges { store, path, size, shown }))
            }
        }
    }

    async fn list(&self, at: &Object) -> Result<Vec<Object>> {
        let paths = list(&self.store(at)?, &at.path, &at.shown()).await?;
        Ok(paths.into_iter().map(|path| Object { path, ..at.clone() }).collect())
    }

    async fn write(&self, to: &Object) -> Result<Box<dyn Upload>> {
        let writer = BufWriter::with_capacity(self.store(to)?, path_of(to)?, PART);
        Ok(Box::new(Writing { writer: writer.with_max_concurrency(PARTS_AT_ONCE), shown: to.shown() }))
    }

    async fn ask(&self, node: &str, body: String) -> std::result::Result<(u16, String), Unasked> {
        let not_reached = |error: reqwest::Error| Unasked::NotReached(error.without_url().to_string());
        let client = builder().redirect(Policy::none()).build().map_err(not_reached)?;
        let request = client.post(format!("http://{node}/_sql")).header(CONTENT_TYPE, "application/json");
        let answer = match request.body(body).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => return Err(not_reached(error)),
            Err(error) => return Err(Unasked::Broken(error.without_url().to_string())),
        };
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| Unasked::Broken(error.without_url().to_string()))?;
        Ok((status, text))
    }
}

async fn read(store: Arc<dyn ObjectStore>, path: &Path, shown: String) -> Result<Download> {
    let got = store.get(path).await.map_err(|error| failed(&shown, &error))?;
    let size = Some(got.meta.size);
    let pieces: Pieces = got.into_stream().map_err(move |error| failed(&shown, &error)).boxed();
    Ok(Download { size, pieces })
}

/// The paths that a pattern names, in order.
async fn list(store: &Arc<dyn ObjectStore>, pattern: &str, shown: &str) -> Result<Vec<String>> {
    let (plain, _) = pattern.split_once('*').unwrap_or((pattern, ""));
    let folder = plain.rsplit_once('/').map_or("", |(folder, _)| folder);
    let prefix = Path::parse(folder).map_err(|error| failed(&shown, &error))?;
    let mut found = Vec::new();
    let mut all = store.list(Some(&prefix).filter(|_| !folder.is_empty()));
    while let Some(meta) = all.next().await {
        let path = meta.map_err(|error| failed(&shown, &error))?.location.to_string();
        if is_path_like(&path, pattern) {
            found.push(path);
        }
        if found.len() > LISTED_MAX {
            let message = format!("{shown} names more than {LISTED_MAX} objects");
            return Err(SqlError::new(Kind::QueryFailed, message));
        }
    }
    found.sort();
    Ok(found)
}

struct HttpRanges {
    client: Client,
    url: Url,
    size: u64,
}

#[async_trait]
impl Ranges for HttpRanges {
    fn size(&self) -> u64 {
        self.size
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let answer = get(&self.client, &self.url, Some(range)).await?;
        let shown = Remote::Http(self.url.to_string());
        // What is longer than it was asked for must not fill the memory.
        if answer.content_length().is_some_and(|length| length != wanted) {
            return Err(SqlError::new(Kind::Validation, format!("{shown}: the host gives other parts")));
        }
        let mut bytes = Vec::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| failed(&shown, &error.without_url()))?);
            if bytes.len() as u64 > wanted {
                break;
            }
        }
        if bytes.len() as u64 == wanted {
            return Ok(bytes.into());
        }
        Err(SqlError::new(Kind::Validation, format!("{shown}: the host gives other parts")))
    }
}

struct ObjectRanges {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    shown: String,
}

#[async_trait]
impl Ranges for ObjectRanges {
    fn size(&self) -> u64 {
        self.size
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        self.store.get_range(&self.path, range).await.map_err(|error| failed(&self.shown, &error))
    }
}

struct Writing {
    writer: BufWriter,
    shown: String,
}

#[async_trait]
impl Upload for Writing {
    async fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.writer.put(bytes).await.map_err(|error| failed(&self.shown, &error))
    }

    async fn finish(&mut self) -> Result<()> {
        self.writer.shutdown().await.map_err(|error| failed(&self.shown, &error))
    }

    async fn abandon(&mut self) {
        // Nothing of it can be read either way; a part that stays is the store's to forget.
        let _ = self.writer.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Arc, BufWriter, ObjectRanges, ObjectStore, Path, Ranges as _, Upload as _, Writing, list, read,
    };
    use futures::TryStreamExt as _;
    use object_store::memory::InMemory;

    #[tokio::test]
    async fn objects_are_written_listed_and_read() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for name in ["a/1.json", "a/2.json", "a/b/3.json", "a/4.csv"] {
            let writer = BufWriter::with_capacity(Arc::clone(&store), Path::from(name), 8);
            let mut writing = Writing { writer, shown: name.to_owned() };
            writing.put("0123".into()).await.expect("space");
            writing.put("456789 and more".into()).await.expect("space");
            writing.finish().await.expect("an end");
        }
        let writer = BufWriter::with_capacity(Arc::clone(&store), Path::from("a/5.json"), 8);
        let mut writing = Writing { writer, shown: String::new() };
        writing.put("0123456789".into()).await.expect("space");
        writing.abandon().await;

        assert_eq!(list(&store, "a/*.json", "x").await.expect("a list"), ["a/1.json", "a/2.json"]);
        assert_eq!(list(&store, "a/*/*", "x").await.expect("a list"), ["a/b/3.json"]);
        assert_eq!(list(&store, "*/1*", "x").await.expect("a list"), ["a/1.json"]);
        let path = Path::from("a/1.json");
        let download = read(Arc::clone(&store), &path, String::new()).await.expect("an object");
        assert_eq!(download.size, Some(19));
        let pieces: Vec<bytes::Bytes> = download.pieces.try_collect().await.expect("pieces");
        assert_eq!(pieces.concat(), b"0123456789 and more");
        let ranges = ObjectRanges { store, path, size: 19, shown: String::new() };
        assert_eq!(ranges.range(4..10).await.expect("a part"), "456789");
    }
}
