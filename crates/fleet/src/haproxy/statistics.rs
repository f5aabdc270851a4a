//! How many requests a load balancer has sent to each of its services, from its page of statistics.

use crate::haproxy::RuntimeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);
/// Longer pages are not of a load balancer.
const PAGE_MAX: u64 = 8 << 20;

/// Where a page of statistics is: `http://NAME:PASSWORD@HOST:PORT/haproxy?stats`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    host: String,
    path: String,
    login: String,
}

impl Statistics {
    /// Reads such an address.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Statistics, String> {
        let form =
            || format!("'{text}' has the wrong form; allowed: http://NAME:PASSWORD@HOST:PORT/haproxy?stats");
        let rest = text.strip_prefix("http://").ok_or_else(form)?;
        let (place, path) = rest.split_once('/').ok_or_else(form)?;
        let (login, host) = place.rsplit_once('@').unwrap_or(("", place));
        if host.is_empty() || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(form());
        }
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        Ok(Statistics { host, path: format!("/{path};csv"), login: login.to_owned() })
    }

    /// Requests that were sent to each service since the load balancer started.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub async fn requests(&self) -> Result<BTreeMap<String, u64>, RuntimeError> {
        let asked = tokio::time::timeout(PATIENCE, self.page()).await;
        let page = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let silent = |why: String| RuntimeError::Statistics { host: self.host.clone(), why };
        let page = page.map_err(|error| silent(error.to_string()))?;
        let (head, body) = page.split_once("\r\n\r\n").unwrap_or((&page, ""));
        if head.split_whitespace().nth(1) != Some("200") {
            return Err(silent(head.lines().next().unwrap_or("an empty answer").to_owned()));
        }
        // In pieces even for those who ask by version 1.0 of HTTP.
        let in_pieces = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok(requests(&if in_pieces { whole(body) } else { body.to_owned() }))
    }

    async fn page(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.host).await?;
        let login = STANDARD.encode(&self.login);
        let request = format!(
            "GET {} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\r\n",
            self.path, self.host
        );
        stream.write_all(request.as_bytes()).await?;
        let mut page = Vec::new();
        stream.take(PAGE_MAX).read_to_end(&mut page).await?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// A body that came in pieces, each with its length in front.
fn whole(mut pieces: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = pieces.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let (Some(piece @ [_, ..]), Some(more)) = (rest.as_bytes().get(..length), rest.get(length..)) else {
            break;
        };
        body.push_str(&String::from_utf8_lossy(piece));
        pieces = more.trim_start_matches("\r\n");
    }
    body
}

/// The column of requests, or of sessions where requests are not counted, of the lines for whole services.
fn requests(sheet: &str) -> BTreeMap<String, u64> {
    let mut lines = sheet.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let (requests, sessions) = (column("req_tot"), column("stot"));
    let service = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |column: Option<usize>| cells.get(column?)?.parse::<u64>().ok();
        let whole = cells.get(1) == Some(&"BACKEND");
        Some(((*cells.first()?).to_owned(), number(requests).or_else(|| number(sessions))?)).filter(|_| whole)
    };
    lines.filter_map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::{Statistics, requests, whole};

    #[test]
    fn addresses_are_read() {
        let read = Statistics::parse("http://stats:x@10.0.0.1/haproxy?stats").expect("fine");
        assert_eq!((read.host.as_str(), read.path.as_str()), ("10.0.0.1:80", "/haproxy?stats;csv"));
        assert!(Statistics::parse("10.0.0.1").is_err() && Statistics::parse("http:///x").is_err());
        assert_eq!(read.login, "stats:x");
    }

    #[test]
    fn a_page_in_pieces_is_put_together() {
        assert_eq!(whole("4\r\n# px\r\n5\r\nname,\r\n0\r\n\r\n"), "# pxname,");
        assert_eq!(whole("zz\r\nabc"), "");
    }

    #[test]
    fn services_are_counted_as_a_whole() {
        let sheet = "# pxname,svname,stot,req_tot\nfront,FRONTEND,9,9\nprod,web1,3,\nprod,BACKEND,7,8\nold,BACKEND,5,\n";
        let seen = requests(sheet);
        assert_eq!((seen.len(), seen["prod"], seen["old"]), (2, 8, 5));
    }
}
