//! `shipload status`, `shipload scale db=3 web=4`, `shipload rollout db`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
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
    let mut text = format!("{:<20} {:>7} {:>7}  {}\n", "service", "wanted", "running", "where");
    let services = engine.services().await?;
    for service in &services {
        let tasks = engine.tasks(&service.name).await?;
        let running: Vec<&str> =
            tasks.iter().filter(|task| task.running).map(|task| task.engine.as_str()).collect();
        let wanted = service.replicas.map_or("each".to_owned(), |count| count.to_string());
        text.push_str(&format!(
            "{:<20} {wanted:>7} {:>7}  {}\n",
            service.name,
            running.len(),
            running.join(", ")
        ));
        for task in tasks.iter().filter(|task| task.wanted && !task.running) {
            text.push_str(&format!("{:<20} task {}: {}\n", "", task.slot, task.state));
        }
    }
    let mut whole = true;
    for service in services.iter().filter(|service| service.is_database()) {
        let expected = service.replicas.unwrap_or(0);
        let said = match cluster_status::cluster(&engine, service).await {
            Ok(seen) => seen.unrest(expected),
            Err(error) => Some(error.to_string()),
        };
        whole &= said.is_none();
        let said = said.unwrap_or_else(|| format!("one cluster of {expected}, at rest"));
        text.push_str(&format!("\n{}: {said}\n", service.name));
    }
    crate::print(&text)?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
