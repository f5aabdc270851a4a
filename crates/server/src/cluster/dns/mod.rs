//! Looks names up, without ever hanging for one.
//!
//! Guarantees: a question waits 300 ms for a name server and then goes to the next one; every address of an answer
//! counts, also of one that is too long for a datagram; what was answered before is not remembered. Any bytes may come
//! as an answer. Refuses to use the system's resolver: it blocks for ten seconds where a container engine keeps silent
//! about a name that it does not know yet, which is normal while a cluster starts.
//!
//! ```text
//!  address? localhost? ──► /etc/hosts ──► for each name (as it is, with each search domain)
//!                                             for each name server: A and AAAA by UDP ──cut short?──► TCP
//! ```

mod exchange;
mod files;
mod message;
mod own_service;

pub use self::exchange::Trouble;
pub(super) use self::files::parse_hosts;
pub(crate) use self::own_service::{OWN_SERVICE, is_engine_near};

use self::exchange::ask;
use self::files::{Conf, parse_conf};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a name server has for an answer.
const PATIENCE: Duration = Duration::from_millis(300);
const PORT: u16 = 53;

/// Why a name has no addresses just now. All of these may be different a moment later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// Nobody knows the name, or it has no addresses: normal before its container runs.
    #[error("no address is known for it (yet)")]
    NotFound,
    /// A name server did not do its job.
    #[error("name server {server} {trouble}")]
    Server {
        /// Which one.
        server: IpAddr,
        /// What went wrong.
        trouble: Trouble,
    },
    /// Not a name that can be asked for.
    #[error("it is no name")]
    BadName,
}

/// Gives the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name as they are now; never empty. May take up to a few seconds.
    ///
    /// # Errors
    /// When there are none, or none can be found out.
    fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// Asks name servers itself. The files are read anew for each name, since networks come and go while a node runs.
#[derive(Debug, Clone)]
pub struct Resolver {
    conf: PathBuf,
    hosts: PathBuf,
    host_name: PathBuf,
    port: u16,
    patience: Duration,
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver {
            conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            host_name: "/proc/sys/kernel/hostname".into(),
            port: PORT,
            patience: PATIENCE,
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        if host == OWN_SERVICE {
            return self.own_service();
        }
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut found = parse_hosts(&read(&self.hosts), host);
        // A container's file has its own name with its own address only. When several replicas go by one name, the
        // others stand behind the name server.
        let own = read(&self.host_name).trim().eq_ignore_ascii_case(host);
        if found.is_empty() || own {
            match self.ask_servers(&parse_conf(&read(&self.conf)), host) {
                Ok(more) => found.extend(more),
                Err(error) if found.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl Resolver {
    fn ask_servers(&self, conf: &Conf, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let mut trouble = None;
        for name in conf.names(host) {
            for server in &conf.servers {
                match ask(SocketAddr::new(*server, self.port), &name, self.patience) {
                    Ok(found) if found.is_empty() => break,
                    Ok(found) => return Ok(found),
                    // A name made of a search domain may be too long although the name itself is not.
                    Err(Trouble::BadName) if name.trim_end_matches('.') != host.trim_end_matches('.') => {
                        break;
                    }
                    Err(Trouble::BadName) => return Err(ResolveError::BadName),
                    Err(error) => {
                        trouble = Some(ResolveError::Server { server: *server, trouble: error });
                    }
                }
            }
        }
        Err(trouble.unwrap_or(ResolveError::NotFound))
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
