//! `shipload status`, `shipload scale db=3 web=4`, `shipload rollout db`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use shipload_fleet::status::ClusterSeen;
use shipload_fleet::{rollout, size, status as cluster_status};

use super::deploy::pin;
use super::{At, tell};

/// Flags of `shipload scale`.
#[derive(Debug, clap::Args)]
pub(crate) struct ScaleArgs {
    #[command(flatten)]
    at: At,
    /// Services with their sizes, such as db=3 web=4
    #[arg(required = true, value_name = "SERVICE=COUNT", value_parser = size::parse)]
    sizes: Vec<(String, u64)>,
    /// How long a step of a database may take, in seconds
    #[arg(long, default_value_t = 600, value_name = "S")]
    patience_s: u64,
}

/// Flags of `shipload rollout`.
#[derive(Debug, clap::Args)]
pub(crate) struct RolloutArgs {
    #[command(flatten)]
    at: At,
    /// The service whose tasks are replaced
    #[arg(value_name = "SERVICE")]
    service: String,
    /// The new image; without, the same one again
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Hand over the image's name as it is, not its digest
    #[arg(long)]
    by_name: bool,
    /// How long a step of a database may take, in seconds
    #[arg(long, default_value_t = 600, value_name = "S")]
    patience_s: u64,
}

/// Flags of `shipload status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    at: At,
}

pub(super) async fn scale(args: &ScaleArgs) -> Result<ExitCode> {
    let engine = args.at.connect().await?;
    let patience = Duration::from_secs(args.patience_s);
    for (service, count) in &args.sizes {
        size::set(&engine, service, *count, patience, &mut tell).await?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn rollout(args: &RolloutArgs) -> Result<ExitCode> {
    let engine = args.at.connect().await?;
    let patience = Duration::from_secs(args.patience_s);
    let image = match &args.image {
        Some(image) => Some(pin(&engine, image, args.by_name).await?),
        None => None,
    };
    rollout::run(&engine, &args.service, image.as_deref(), patience, &mut tell).await?;
    Ok(ExitCode::SUCCESS)
}

/// Services with their tasks, and of databases what the nodes say.
pub(super) async fn status(args: &StatusArgs) -> Result<ExitCode> {
    let engine = args.at.connect().await?;
    let services = engine.services().await?;
    if services.is_empty() {
        tell("no services run here; `shipload deploy STACK` starts some".to_owned());
    }
    let width = services.iter().map(|service| service.name.len()).max().unwrap_or(0).max("service".len());
    let mut text = format!("{:<width$}  {:<8}  engines\n", "service", "tasks");
    let mut whole = true;
    for service in &services {
        let tasks = engine.tasks(&service.name).await?;
        let running: Vec<&str> =
            tasks.iter().filter(|task| task.running).map(|task| task.engine.as_str()).collect();
        let wanted = service.replicas.map_or("each".to_owned(), |count| count.to_string());
        let count = format!("{} of {wanted}", running.len());
        text.push_str(&format!("{:<width$}  {count:<8}  {}\n", service.name, counted(&running)));
        for task in tasks.iter().filter(|task| task.wanted && !task.running) {
            whole = false;
            text.push_str(&format!("{:<width$}  task {} is {}\n", "", task.slot, task.state));
        }
    }
    for service in services.iter().filter(|service| service.is_database()) {
        let expected = service.replicas.unwrap_or(0);
        let seen = cluster_status::cluster(&engine, service).await;
        let said = match &seen {
            Ok(seen) => seen.unrest(expected),
            Err(error) => Some(error.to_string()),
        };
        whole &= said.is_none();
        let said = said.unwrap_or_else(|| format!("one cluster of {expected}, at rest"));
        text.push_str(&format!("\n{}: {said}\n", service.name));
        text.push_str(&seen.as_ref().map(nodes).unwrap_or_default());
    }
    crate::print(&text)?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each node.
fn nodes(seen: &ClusterSeen) -> String {
    let width = seen.nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).max("node".len());
    let mut text = format!(
        "  {:<width$}  {:>4}  {:>6}  {:>11}  {:>12}  {:>8}  writes\n",
        "node", "sees", "moving", "memory free", "storage used", "requests"
    );
    for node in &seen.nodes {
        let writes = if node.stop_writes { "REFUSED" } else { "taken" };
        let (memory, storage) = (format!("{} %", node.free_memory_pct), format!("{} %", node.storage_pct));
        text.push_str(&format!(
            "  {:<width$}  {:>4}  {:>6}  {memory:>11}  {storage:>12}  {:>8}  {writes}\n",
            node.node, node.size, node.remaining, node.requests
        ));
    }
    text
}

/// Names with how often they are there.
fn counted(names: &[&str]) -> String {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(*name).or_insert(0_usize) += 1;
    }
    let words = counts.into_iter().map(|(name, count)| match count {
        1 => name.to_owned(),
        count => format!("{name} ({count})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{counted, nodes};
    use shipload_fleet::status::{ClusterSeen, NodeSeen};

    #[test]
    fn a_status_is_read_at_a_glance() {
        assert_eq!(counted(&["b", "a", "b"]), "a, b (2)");
        let node = NodeSeen {
            node: "10.0.1.4:3000".to_owned(),
            size: 3,
            key: "A".to_owned(),
            remaining: 12,
            free_memory_pct: 50,
            storage_pct: 7,
            requests: 1234,
            stop_writes: true,
            copies: 2,
        };
        assert_eq!(
            nodes(&ClusterSeen { nodes: vec![node] }),
            "  node           sees  moving  memory free  storage used  requests  writes\n  \
             10.0.1.4:3000     3      12         50 %           7 %      1234  REFUSED\n"
        );
    }
}
