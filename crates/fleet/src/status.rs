//! What a database's nodes say of themselves, asked through a container that can reach them.

use crate::engine::{Engine, EngineError, ServiceSeen};
use thiserror::Error;

/// Where the program lies in our images.
const PROGRAM: &str = "/shipload";

/// Why nothing is known of a cluster.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nobody here can ask.
    #[error(
        "no container on this engine can ask {0}, and none could be started for it ({1}): \
         run this where one of its tasks or pages runs"
    )]
    NobodyHere(String, String),
    /// The answer can't be read.
    #[error("the nodes of {0} gave an answer that can't be read")]
    Unreadable(String),
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its id; its address where it tells none.
    pub node: String,
    /// How many nodes it sees, itself among them.
    pub size: u64,
    /// The key of its cluster.
    pub key: String,
    /// Partitions that still move.
    pub remaining: u64,
    /// Free memory of its container or machine, in percent.
    pub free_memory_pct: u64,
    /// Storage in use, in percent of what its fullest namespace has.
    pub storage_pct: u64,
    /// Client requests since it started, of all kinds that are counted.
    pub requests: u64,
    /// Whether it refuses writes.
    pub stop_writes: bool,
    /// Copies that it wants of each record, of all its namespaces the most.
    pub copies: u64,
}

/// A whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterSeen {
    /// Its nodes as they answered.
    pub nodes: Vec<NodeSeen>,
}

impl ClusterSeen {
    /// Why it is not a cluster of this size at rest; none when it is. A lone survivor that says "0 partitions move"
    /// is not believed: the size must be the expected one, everywhere.
    #[must_use]
    pub fn unrest(&self, expected: u64) -> Option<String> {
        if u64::try_from(self.nodes.len()).ok() != Some(expected) {
            return Some(format!("{} of {expected} nodes answer", self.nodes.len()));
        }
        if let Some(other) = self.nodes.iter().find(|node| node.size != expected) {
            return Some(format!("{} sees {} of {expected} nodes", other.node, other.size));
        }
        if self.nodes.windows(2).any(|pair| matches!(pair, [one, other] if one.key != other.key)) {
            return Some("the nodes are in different clusters".to_owned());
        }
        let moving: u64 = self.nodes.iter().map(|node| node.remaining).sum();
        (moving > 0).then(|| format!("{moving} partitions still move"))
    }

    /// The copies that are wanted of each record.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.nodes.iter().map(|node| node.copies).max().unwrap_or(1)
    }
}

/// Asks the nodes of a database service.
///
/// # Errors
/// When no container here can ask, or nobody answers.
pub async fn cluster(engine: &Engine, service: &ServiceSeen) -> Result<ClusterSeen, StatusError> {
    let here = engine.containers().await?;
    let of_service = here.iter().find(|one| one.service() == service.name);
    let neighbours = || {
        let prefix = service.name.rsplit_once('_').map_or("", |(stack, _)| stack);
        here.iter().find(|one| {
            !prefix.is_empty() && one.service().starts_with(prefix) && !one.service().contains("haproxy")
        })
    };
    let name = format!("tasks.{}", service.name);
    let text = match (of_service, neighbours(), service.networks.first()) {
        (Some(own), ..) => engine.run_in(&own.id, &[PROGRAM, "info", "-h", "127.0.0.1", "--json"]).await?,
        (None, Some(near), _) => engine.run_in(&near.id, &[PROGRAM, "info", "-h", &name, "--json"]).await?,
        (None, None, Some(network)) => {
            let words = [PROGRAM, "info", "-h", &name, "--json"];
            let visited = engine.visit(&service.image, network, &words).await;
            visited.map_err(|error| StatusError::NobodyHere(service.name.clone(), error.to_string()))?
        }
        (None, None, None) => {
            let why = "it is on no network".to_owned();
            return Err(StatusError::NobodyHere(service.name.clone(), why));
        }
    };
    parse(&text).ok_or_else(|| StatusError::Unreadable(service.name.clone()))
}

fn parse(text: &str) -> Option<ClusterSeen> {
    let all: serde_json::Value = serde_json::from_str(text.get(text.find('[')?..)?).ok()?;
    let nodes = all.as_array()?.iter().filter_map(|node| {
        let statistics = node.get("statistics")?;
        let text = |key: &str| {
            let value = statistics.get(key)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let number = |key: &str| text(key).and_then(|text| text.parse::<u64>().ok());
        let namespaces: Vec<&serde_json::Value> = node
            .get("namespaces")
            .and_then(|all| all.as_object())
            .map(|all| all.values().collect())
            .unwrap_or_default();
        let of = |namespace: &serde_json::Value, key: &str| {
            namespace.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let sum = |key: &str| -> u64 {
            namespaces.iter().filter_map(|one| of(one, key)?.parse::<u64>().ok()).sum()
        };
        let most = |key: &str| -> u64 {
            namespaces.iter().filter_map(|one| of(one, key)?.parse::<u64>().ok()).max().unwrap_or(0)
        };
        let copies = namespaces.iter().filter_map(|one| {
            of(one, "effective_replication_factor").or_else(|| of(one, "replication-factor"))?.parse().ok()
        });
        Some(NodeSeen {
            node: ["id", "node"]
                .into_iter()
                .find_map(|key| node.get(key)?.as_str())
                .unwrap_or_default()
                .to_owned(),
            size: number("cluster_size")?,
            key: text("cluster_key")?,
            remaining: number("migrate_partitions_remaining").unwrap_or(0),
            free_memory_pct: number("system_free_mem_pct").unwrap_or(0),
            storage_pct: most("data_used_pct"),
            requests: sum("client_read_success") + sum("client_write_success"),
            stop_writes: namespaces.iter().any(|one| of(one, "stop_writes").as_deref() == Some("true")),
            copies: copies.max().unwrap_or(2),
        })
    });
    Some(ClusterSeen { nodes: nodes.collect() })
}

#[cfg(test)]
mod tests {
    use super::{ClusterSeen, NodeSeen, parse};

    fn node(size: u64, key: &str, remaining: u64) -> NodeSeen {
        NodeSeen {
            node: "n".to_owned(),
            size,
            key: key.to_owned(),
            remaining,
            free_memory_pct: 50,
            storage_pct: 10,
            requests: 0,
            stop_writes: false,
            copies: 2,
        }
    }

    #[test]
    fn a_lone_survivor_is_not_believed() {
        let alone = ClusterSeen { nodes: vec![node(1, "A", 0)] };
        assert_eq!(alone.unrest(1), None);
        assert_eq!(alone.unrest(3).as_deref(), Some("1 of 3 nodes answer"));
        let two = ClusterSeen { nodes: vec![node(2, "A", 0), node(2, "B", 0)] };
        assert!(two.unrest(2).is_some_and(|why| why.contains("different clusters")));
        let moving = ClusterSeen { nodes: vec![node(2, "A", 3), node(2, "A", 4)] };
        assert_eq!(moving.unrest(2).as_deref(), Some("7 partitions still move"));
    }

    #[test]
    fn the_tool_s_answer_is_read() {
        let text = r#"[{"node":"127.0.0.1:3000","id":"BB9","statistics":{"cluster_size":"2","cluster_key":"AB","migrate_partitions_remaining":0},
            "namespaces":{"test":{"stop_writes":"true","replication-factor":"3","client_read_success":5,"data_used_pct":"42"}}}]"#;
        let seen = parse(text).expect("readable");
        assert_eq!(seen.nodes[0].node, "BB9");
        assert_eq!((seen.nodes[0].size, seen.copies(), seen.nodes[0].requests), (2, 3, 5));
        assert!(seen.nodes[0].stop_writes && seen.nodes[0].storage_pct == 42);
        assert_eq!(parse("nonsense"), None);
    }
}
