//! `shipload health`: asks a node over HTTP how it is, for health checks of containers.
//!
//! One small request over a plain socket, bounded in time and size: an image needs no `curl` for its checks.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes of an answer that are read; the status line is in the first hundred.
const ANSWER_MAX: u64 = 4096;

/// Flags of `shipload health`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the node listens
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    address: String,
    /// Its HTTP port
    #[arg(long, env = "SHIPLOAD_HTTP_PORT", default_value_t = 4200, value_name = "PORT")]
    http_port: u16,
    /// Ask whether it serves clients, not only whether it lives
    #[arg(long)]
    ready: bool,
    /// How long to wait, in milliseconds
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    timeout_ms: u64,
}

/// Prints what the node says; status 0 when it is well, 1 when it is not or does not answer.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let answer = ask(args, path)
        .with_context(|| format!("no answer from http://{}:{}{path}", args.address, args.http_port))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{}", body.trim_end());
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(ExitCode::SUCCESS),
        Some(_) => Ok(ExitCode::FAILURE),
        None => bail!("port {} does not speak HTTP", args.http_port),
    }
}

fn ask(args: &Args, path: &str) -> Result<String> {
    let patience = Duration::from_millis(args.timeout_ms.max(1));
    let address =
        (args.address.as_str(), args.http_port).to_socket_addrs()?.next().context("no such address")?;
    let mut socket = TcpStream::connect_timeout(&address, patience)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    socket.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
