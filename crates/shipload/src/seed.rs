//! The node that a tool starts from: `-h host -p port`, as the stock tools have them.

/// Where a running cluster is asked first; the other nodes are found from there.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Seed {
    /// A node of the cluster: name or address, `host:port` works too
    #[arg(short = 'h', long, default_value = "127.0.0.1", env = "SHIPLOAD_HOST", value_name = "HOST")]
    pub(crate) host: String,
    /// Its service port
    #[arg(short = 'p', long, default_value_t = 3000, env = "SHIPLOAD_PORT", value_name = "PORT", value_parser = port)]
    pub(crate) port: u16,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Reads a port. For a service named `shipload` Kubernetes puts `SHIPLOAD_PORT=tcp://10.0.0.1:3000` into every
/// container, which is not meant for us.
fn port(text: &str) -> Result<u16, String> {
    if text.starts_with("tcp://") {
        return Ok(3000);
    }
    text.parse().map_err(|_| "allowed: a number from 0 to 65535".to_owned())
}

impl Seed {
    /// Host and port; a port that stands behind the host wins.
    pub(crate) fn address(&self) -> (String, u16) {
        let host = self.host.trim();
        if let Some(inside) = host.strip_prefix('[') {
            // `[::1]` and `[::1]:3000`.
            let (address, rest) = inside.split_once(']').unwrap_or((inside, ""));
            let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
            return (address.to_owned(), port.unwrap_or(self.port));
        }
        match host.split_once(':') {
            Some((name, port)) if !port.contains(':') => {
                port.parse().map_or_else(|_| (host.to_owned(), self.port), |port| (name.to_owned(), port))
            }
            Some(_) | None => (host.to_owned(), self.port),
        }
    }
}

/// `host:port` with brackets around an IPv6 address.
pub(crate) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_told_apart() {
        let address = |host: &str| Seed { host: host.to_owned(), port: 3000, help: None }.address();
        assert_eq!(address("db"), ("db".to_owned(), 3000));
        assert_eq!(address("db:3100"), ("db".to_owned(), 3100));
        assert_eq!(address("[::1]:3100"), ("::1".to_owned(), 3100));
        assert_eq!(address("[::1]"), ("::1".to_owned(), 3000));
        assert_eq!(address("::1"), ("::1".to_owned(), 3000));
        assert_eq!(join("::1", 5), "[::1]:5");
        assert_eq!(join("db", 5), "db:5");
    }
}
