//! Info commands to a node, as the stock tools send them: no client library, one connection for each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a node has for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longer answers are not ours.
const ANSWER_MAX: u64 = 1 << 20;

/// Why a node gave no answer.
#[derive(Debug, Error)]
pub enum InfoError {
    /// The network.
    #[error("{0} does not answer: {1}")]
    Silent(SocketAddr, std::io::Error),
    /// Not this protocol.
    #[error("{0} does not speak the info protocol")]
    Foreign(SocketAddr),
    /// It said no.
    #[error("{0} refused '{1}': {2}")]
    Refused(SocketAddr, String, String),
}

/// Asks one command at a service port; the answer is the value without the command.
///
/// # Errors
/// When nothing that can be read comes back in time.
pub async fn ask(node: SocketAddr, command: &str) -> Result<String, InfoError> {
    let silent = |error| InfoError::Silent(node, error);
    match tokio::time::timeout(PATIENCE, talk(node, command)).await {
        Ok(Ok(Some(answer))) => Ok(answer),
        Ok(Ok(None)) => Err(InfoError::Foreign(node)),
        Ok(Err(error)) => Err(silent(error)),
        Err(_) => Err(silent(std::io::ErrorKind::TimedOut.into())),
    }
}

/// As [`ask`], for commands that answer `ok`.
///
/// # Errors
/// Also when the answer is something else.
pub async fn tell(node: SocketAddr, command: &str) -> Result<(), InfoError> {
    let answer = ask(node, command).await?;
    if answer.eq_ignore_ascii_case("ok") {
        return Ok(());
    }
    Err(InfoError::Refused(node, command.to_owned(), answer))
}

/// As [`ask`], for commands that answer `key=value;key=value`.
///
/// # Errors
/// As [`ask`].
pub async fn table(node: SocketAddr, command: &str) -> Result<BTreeMap<String, String>, InfoError> {
    let answer = ask(node, command).await?;
    let pairs = answer.split(';').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

async fn talk(node: SocketAddr, command: &str) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(node).await?;
    // Version 2, type 1 (info), and the length in 48 bits.
    let length = u64::try_from(command.len() + 1).unwrap_or(0);
    let mut message = ((2_u64 << 56) | (1 << 48) | length).to_be_bytes().to_vec();
    message.extend_from_slice(command.as_bytes());
    message.push(b'\n');
    stream.write_all(&message).await?;
    let head = stream.read_u64().await?;
    let length = head & 0xffff_ffff_ffff;
    if head >> 48 != 0x0201 || length > ANSWER_MAX {
        return Ok(None);
    }
    let mut answer = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let line = text.trim_end_matches('\n');
    Ok(Some(line.split_once('\t').map_or(line, |(_, value)| value).to_owned()))
}
