//! `/_blobs/TABLE/DIGEST`: bytes by their SHA-1.

use crate::blobs::{Blob, PIECE, Upload};
use crate::catalog::Table;
use crate::error::SqlError;
use crate::execute::Sql;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};
use sha1::{Digest as _, Sha1};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a body may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Pieces that wait for the reader.
const AHEAD: usize = 2;
/// Blobs never change: as long as caches keep anything.
const CACHE: &str = "max-age=315360000";
const EXPIRES: &str = "Thu, 31 Dec 2037 23:59:59 GMT";

pub(super) async fn blob(
    State(sql): State<Arc<Sql>>,
    Path((table, digest)): Path<(String, String)>,
    request: Request,
) -> Response {
    let answered = match *request.method() {
        Method::GET => get(&sql, &table, &digest, request.headers()).await,
        Method::HEAD => head(&sql, &table, &digest).await,
        Method::PUT => put(&sql, &table, &digest, request.into_body()).await,
        Method::DELETE => delete(&sql, &table, &digest).await,
        _ => Ok(StatusCode::METHOD_NOT_ALLOWED.into_response()),
    };
    answered.unwrap_or_else(|error| {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, error.to_string()).into_response()
    })
}

fn is_digest(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The table and the blob, as far as they are there.
async fn find(sql: &Sql, table: &str, digest: &str) -> Result<(Arc<Table>, Option<Blob>), SqlError> {
    let table = sql.blob_table(table).await?;
    let blob = if is_digest(digest) { sql.blob(&table, digest).await? } else { None };
    Ok((table, blob))
}

fn headed(status: StatusCode, length: u64, body: Body) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
    headers.insert(header::EXPIRES, HeaderValue::from_static(EXPIRES));
    response
}

async fn head(sql: &Sql, table: &str, digest: &str) -> Result<Response, SqlError> {
    Ok(match find(sql, table, digest).await?.1 {
        Some(blob) => headed(StatusCode::OK, blob.size, Body::empty()),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn get(sql: &Arc<Sql>, table: &str, digest: &str, headers: &HeaderMap) -> Result<Response, SqlError> {
    let (table, Some(blob)) = find(sql, table, digest).await? else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let size = blob.size;
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (first, end, status) = match range.and_then(|range| range_of(range, size)) {
        Some((first, _)) if first >= size => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            if let Ok(whole) = HeaderValue::from_str(&format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, whole);
            }
            return Ok(response);
        }
        Some((first, end)) => (first, end, StatusCode::PARTIAL_CONTENT),
        None => (0, size, StatusCode::OK),
    };
    let body = Body::from_stream(pieces(Arc::clone(sql), table, blob, first, end));
    let mut response = headed(status, end - first, body);
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::from_str(&format!("bytes {first}-{}/{size}", end.saturating_sub(1)))
    {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// First byte and the one behind the last, from `bytes=a-` or `bytes=a-b`; other forms are not looked at.
fn range_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.trim().parse().ok()?;
    let end = match last.trim() {
        "" => size,
        last => last.parse::<u64>().ok()?.saturating_add(1).min(size),
    };
    (first < end || first >= size).then_some((first, end))
}

/// The bytes from `first` to before `end`, read ahead of who takes them.
fn pieces(
    sql: Arc<Sql>,
    table: Arc<Table>,
    blob: Blob,
    first: u64,
    end: u64,
) -> impl futures::Stream<Item = Result<Bytes, SqlError>> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let piece = PIECE as u64;
    tokio::spawn(async move {
        for number in first / piece..end.div_ceil(piece) {
            let read = sql.blob_piece(&table, &blob, number).await.map(|bytes| {
                let start = number * piece;
                let from = usize::try_from(first.saturating_sub(start)).unwrap_or(0);
                let to = usize::try_from(end - start).unwrap_or(usize::MAX).min(bytes.len());
                Bytes::from(bytes).slice(from.min(to)..to)
            });
            let failed = read.is_err();
            if sender.send(read).await.is_err() || failed {
                return;
            }
        }
    });
    // Unlike others, this stream may be asked again after its end, as layers above do.
    stream::poll_fn(move |context| receiver.poll_recv(context))
}

async fn put(sql: &Sql, table: &str, digest: &str, body: Body) -> Result<Response, SqlError> {
    let (table, blob) = find(sql, table, digest).await?;
    if !is_digest(digest) {
        return Ok((StatusCode::BAD_REQUEST, "a digest has 40 digits of 0-9 and a-f").into_response());
    }
    if blob.is_some() {
        return Ok(StatusCode::CONFLICT.into_response());
    }
    let mut upload = Upload::new();
    match receive(sql, &table, &mut upload, body).await {
        Ok(Some(found)) if found == digest => {}
        Ok(found) => {
            sql.abandon_blob(&table, &upload).await;
            let text = found.map_or("the body has ended early".to_owned(), |found| {
                format!("the body's digest is {found}")
            });
            return Ok((StatusCode::BAD_REQUEST, text).into_response());
        }
        Err(error) => {
            sql.abandon_blob(&table, &upload).await;
            return Err(error);
        }
    }
    let made = sql.finish_blob(&table, upload, digest).await?;
    Ok(if made { StatusCode::CREATED } else { StatusCode::CONFLICT }.into_response())
}

/// Writes a body's pieces and gives its digest; none when it has ended early.
async fn receive(
    sql: &Sql,
    table: &Table,
    upload: &mut Upload,
    body: Body,
) -> Result<Option<String>, SqlError> {
    let mut body = body.into_data_stream();
    let mut hash = Sha1::new();
    let mut waiting: Vec<u8> = Vec::new();
    // A body that gets nowhere has ended.
    while let Some(bytes) = timeout(SILENCE, body.next()).await.unwrap_or(Some(Err(axum::Error::new("late"))))
    {
        let Ok(bytes) = bytes else { return Ok(None) };
        hash.update(&bytes);
        waiting.extend_from_slice(&bytes);
        while waiting.len() >= PIECE {
            let rest = waiting.split_off(PIECE);
            sql.push_blob(table, upload, std::mem::replace(&mut waiting, rest)).await?;
        }
    }
    if !waiting.is_empty() {
        sql.push_blob(table, upload, waiting).await?;
    }
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

async fn delete(sql: &Sql, table: &str, digest: &str) -> Result<Response, SqlError> {
    let table = sql.blob_table(table).await?;
    let gone = is_digest(digest) && sql.delete_blob(&table, digest).await?;
    Ok(if gone { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
}

#[cfg(test)]
mod tests {
    use super::{is_digest, range_of};

    #[test]
    fn ranges_are_read() {
        assert_eq!(range_of("bytes=10-", 100), Some((10, 100)));
        assert_eq!(range_of("bytes=10-19", 100), Some((10, 20)));
        assert_eq!(range_of("bytes=10-1000", 100), Some((10, 100)));
        assert_eq!(range_of("bytes=200-", 100), Some((200, 100)));
        for other in ["bytes=-5", "bytes=1-2,4-5", "bytes=9-8", "lines=1-2", "bytes=x-"] {
            assert_eq!(range_of(other, 100), None, "{other}");
        }
        assert!(is_digest(&"0a".repeat(20)) && !is_digest(&"0A".repeat(20)) && !is_digest("0a"));
    }
}
