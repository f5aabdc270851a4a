//! The host map: a tenant's domain leads to its data, and to nothing else.
//!
//! Guarantees: under a name of the map there are the tenant's sets, those of one namespace whose names begin as the map says, with their
//! records, listings, queries, changes and live queries, the namespace's sketch, the client, and health. All other paths do not exist
//! there: no console, figures, batches or statements, and no record that is named by its digest alone, whose set nobody knows. An
//! entry that makes no sense leads nowhere. Names that are not in the map are not touched.

use crate::problem::Problem;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::response::{IntoResponse as _, Response};

/// Paths below `/v1` whose next segments are a namespace and a set.
const OF_SETS: [&str; 4] = ["db", "query", "changes", "live"];

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tenant {
    host: String,
    /// Namespace and beginning of set names; none when the entry makes no sense.
    data: Option<(String, String)>,
}

/// Names and what they lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostMap(Vec<Tenant>);

impl HostMap {
    /// From entries such as `shop.example=test/acme.`.
    #[must_use]
    pub fn of(entries: &[String]) -> HostMap {
        let tenant = |entry: &String| {
            let (host, data) = entry.split_once('=').unwrap_or((entry, ""));
            let data = data.split_once('/').filter(|(namespace, prefix)| {
                let is_plain = |text: &str| !text.is_empty() && !text.contains(['%', '/', '~']);
                is_plain(namespace) && is_plain(prefix)
            });
            let data = data.map(|(namespace, prefix)| (namespace.to_owned(), prefix.to_owned()));
            Tenant { host: host.trim().to_ascii_lowercase(), data }
        };
        HostMap(entries.iter().map(tenant).collect())
    }

    /// The refusal of a request whose name leads elsewhere than its path.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> Option<Response> {
        if self.0.is_empty() {
            return None;
        }
        let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(axum::http::uri::Authority::as_str).or(header)?;
        self.refuses(host, request.uri().path())
            .then(|| Problem::not_found("under this name there is nothing of the kind").into_response())
    }

    fn refuses(&self, host: &str, path: &str) -> bool {
        let host =
            host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.').to_ascii_lowercase();
        let Some(tenant) = self.0.iter().find(|tenant| tenant.host == host) else { return false };
        let Some((namespace, prefix)) = &tenant.data else { return true };
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("healthz" | "readyz"), None, ..) | (Some("v1"), Some("client.js"), None, ..) => false,
            (Some("v1"), Some("sketch"), Some(of), None, _) => of != namespace,
            // What begins so before its percent signs are read begins so after it.
            (Some("v1"), Some(kind), Some(of), Some(set), key) if OF_SETS.contains(&kind) => {
                of != namespace || !set.starts_with(prefix.as_str()) || key.is_some_and(is_digest)
            }
            _ => true,
        }
    }
}

/// Whether a segment, once its percent signs are read, is a digest instead of a key.
fn is_digest(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    let digit = |bytes: &mut std::str::Bytes<'_>| bytes.next().and_then(|byte| char::from(byte).to_digit(16));
    b"digest:".iter().all(|wanted| match bytes.next() {
        Some(b'%') => {
            let pair = digit(&mut bytes).zip(digit(&mut bytes));
            pair.is_some_and(|(high, low)| high * 16 + low == u32::from(*wanted))
        }
        other => other == Some(*wanted),
    })
}

#[cfg(test)]
mod tests {
    use super::HostMap;

    fn map() -> HostMap {
        HostMap::of(&["Acme.example=test/acme.".to_owned(), "broken.example=test".to_owned()])
    }

    #[test]
    fn a_name_leads_to_its_tenants_sets() {
        for path in [
            "/v1/db/test/acme.users",
            "/v1/db/test/acme.users/ada",
            "/v1/db/test/acme.users/ada/operate",
            "/v1/query/test/acme.users",
            "/v1/changes/test/acme.orders",
            "/v1/live/test/acme.orders",
            "/v1/sketch/test",
            "/v1/client.js",
            "/healthz",
        ] {
            for host in ["acme.example", "ACME.example:4200", "acme.example."] {
                assert!(!map().refuses(host, path), "{host}{path}");
            }
            assert!(!map().refuses("127.0.0.1:4200", path), "not in the map");
            assert!(map().refuses("broken.example", path), "an entry that makes no sense");
        }
    }

    #[test]
    fn and_to_nothing_else() {
        for path in [
            "/",
            "/v1/db/test/users/ada",
            "/v1/db/test/Acme.users/ada",
            "/v1/db/other/acme.users/ada",
            "/v1/db/test/~/ada",
            "/v1/db/test/%61cme.users/ada",
            "/v1/db/test//acme.users",
            "/v1/db/test/acme.users/digest:00",
            "/v1/db/test/acme.users/%64igest%3A00",
            "/v1/db/test/acme.users/d%69gest:00/operate",
            "/v1/changes/test/~",
            "/v1/live/test",
            "/v1/batch/test",
            "/v1/sketch/other",
            "/v1/sketch/test/x",
            "/v1/cluster",
            "/v1/client.js/x",
            "/metrics",
            "/_sql",
            "/ui/app.js",
        ] {
            assert!(map().refuses("acme.example", path), "{path}");
            assert!(!map().refuses("node", path), "not in the map");
        }
        assert!(!map().refuses("acme.example", "/v1/db/test/acme.users/str:digest:00"), "a key");
        assert!(!map().refuses("acme.example", "/v1/db/test/acme.users/digest"), "a key");
    }
}
