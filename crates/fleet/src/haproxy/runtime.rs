//! Commands to a running HAProxy over its socket: one connection for each, as it wants them.

use crate::route::{Action, Proxy, Server};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const PATIENCE: Duration = Duration::from_secs(5);

/// Why a command was not done.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// Nobody is at the socket.
    #[error("HAProxy does not answer at {0}: {1}")]
    Silent(PathBuf, std::io::Error),
    /// It refused.
    #[error("HAProxy refused '{0}': {1}")]
    Refused(String, String),
    /// Its answer can't be read.
    #[error("HAProxy's table of containers can't be read: {0}")]
    Table(&'static str),
    /// Its page of statistics is not to be had.
    #[error("no statistics of HAProxy at {host}: {why}")]
    Statistics {
        /// Where they were sought.
        host: String,
        /// What happened.
        why: String,
    },
}

/// A running HAProxy.
#[derive(Debug, Clone)]
pub struct Runtime {
    socket: PathBuf,
}

impl Runtime {
    /// The one that listens for commands at this socket.
    #[must_use]
    pub fn at(socket: &Path) -> Runtime {
        Runtime { socket: socket.to_owned() }
    }

    /// What it holds.
    ///
    /// # Errors
    /// When it does not answer, or not as expected.
    pub async fn proxy(&self) -> Result<Proxy, RuntimeError> {
        parse(&self.ask("show stat").await?)
    }

    /// Does one action; [`Action::Reload`] is not its business and is passed over.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn act(&self, action: &Action) -> Result<(), RuntimeError> {
        for command in command(action) {
            let answer = self.ask(&command).await?;
            let fine =
                answer.trim().is_empty() || answer.contains("registered") || answer.contains("deleted");
            if !fine {
                return Err(RuntimeError::Refused(command, answer.trim().to_owned()));
            }
        }
        Ok(())
    }

    async fn ask(&self, command: &str) -> Result<String, RuntimeError> {
        let talk = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let silent = |error| RuntimeError::Silent(self.socket.clone(), error);
        match tokio::time::timeout(PATIENCE, talk).await {
            Ok(result) => result.map_err(silent),
            Err(_) => Err(silent(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The commands that an action is made of.
#[must_use]
pub fn command(action: &Action) -> Vec<String> {
    match action {
        Action::Reload => Vec::new(),
        Action::Add { place: (backend, server), address, check_interval_ms } => vec![
            format!("add server {backend}/{server} {address} check inter {check_interval_ms}"),
            format!("enable server {backend}/{server}"),
            format!("enable health {backend}/{server}"),
        ],
        Action::Drain { place: (backend, server) } => {
            vec![format!("set server {backend}/{server} state drain")]
        }
        Action::Enable { place: (backend, server) } => {
            vec![format!("set server {backend}/{server} state ready")]
        }
        Action::Remove { place: (backend, server) } => vec![
            format!("set server {backend}/{server} state maint"),
            format!("shutdown sessions server {backend}/{server}"),
            format!("del server {backend}/{server}"),
        ],
    }
}

/// Reads what `show stat` prints.
fn parse(text: &str) -> Result<Proxy, RuntimeError> {
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    let column =
        |name: &'static str| heads.iter().position(|head| *head == name).ok_or(RuntimeError::Table(name));
    let (backend, server, status, sessions, address) =
        (column("pxname")?, column("svname")?, column("status")?, column("scur")?, column("addr")?);
    let mut proxy = Proxy::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        match cell(server) {
            "FRONTEND" | "" => {}
            "BACKEND" => {
                proxy.entry(cell(backend).to_owned()).or_default();
            }
            name => {
                let Ok(address) = cell(address).parse() else { continue };
                let enabled = !["DRAIN", "MAINT"].iter().any(|state| cell(status).starts_with(state));
                let server = Server { address, enabled, sessions: cell(sessions).parse().unwrap_or(0) };
                proxy.entry(cell(backend).to_owned()).or_default().insert(name.to_owned(), server);
            }
        }
    }
    proxy.remove("shipload_nobody");
    Ok(proxy)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_table_is_read_by_its_heads() {
        let text = "# pxname,svname,scur,status,addr,\nshipload,FRONTEND,1,OPEN,,\nweb,web.1,2,UP,10.0.0.1:80,\n\
                    web,web.2,0,DRAIN,10.0.0.2:80,\nweb,BACKEND,2,UP,,\nempty,BACKEND,0,DOWN,,\n\n";
        let proxy = parse(text).expect("a table");
        assert_eq!(proxy.keys().collect::<Vec<_>>(), ["empty", "web"]);
        assert!(proxy["web"]["web.1"].enabled && !proxy["web"]["web.2"].enabled);
        assert_eq!(proxy["web"]["web.1"].sessions, 2);
        assert!(parse("nonsense").is_err());
    }
}
