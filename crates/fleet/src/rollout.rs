//! New tasks for a service, with care: of a database one node at a time, each only when the cluster is whole again.
//!
//! Swarm replaces tasks in its own order and knows nothing of partitions. So it gets to replace one, is stopped by its
//! own wait between two tasks, and is watched: as soon as the cluster is at rest with the expected size the next may
//! follow. A database that is not whole before the start is not touched.

use crate::engine::Engine;
use crate::size::{SizeError, at_rest};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(500);

/// Replaces all tasks; `tell` gets a line for each step.
///
/// # Errors
/// When a step does not come to rest in time; the Swarm is left to finish or, where it is set so, to pause.
pub async fn run(
    engine: &Engine,
    name: &str,
    image: Option<&str>,
    patience: Duration,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), SizeError> {
    let service = engine.service(name).await?;
    let size = service.replicas.unwrap_or(0);
    settled(engine, &service.name, patience, tell).await?;
    let mut before = None;
    if service.is_database() {
        at_rest(engine, &service, size, patience, tell).await?;
        before = Some(engine.ensure_gradual(&service.name, patience).await?);
    }
    let old = all_running(engine, &service.name, size, patience).await?;
    engine.restart_tasks(&service.name, image).await?;
    let (began, mut moved) = (Instant::now(), Instant::now());
    let (mut replaced, mut last) = (0, old.len());
    loop {
        let now = running(engine, &service.name).await?;
        let left = old.intersection(&now).count();
        if left != last {
            (last, moved) = (left, Instant::now());
        }
        if old.len() - left > replaced && service.is_database() {
            replaced = old.len() - left;
            at_rest(engine, &service, size, patience, tell).await?;
            tell(format!("{}: {replaced} of {} replaced", service.name, old.len()));
            if left > 0 {
                engine.next_task(&service.name).await?;
            }
            moved = Instant::now();
        }
        if left == 0 && u64::try_from(now.len()).ok() == Some(size) {
            if let Some(before) = before {
                engine.set_update_config(&service.name, before).await?;
            }
            tell(format!("{}: all new after {:.1} s", service.name, began.elapsed().as_secs_f32()));
            return Ok(());
        }
        if moved.elapsed() > patience {
            let why = format!("{left} old tasks still run, and none was replaced meanwhile");
            return Err(SizeError::Late { service: service.name, seconds: moved.elapsed().as_secs(), why });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the Swarm does not replace tasks because of an earlier change: two reasons at once make it replace two
/// tasks at once.
async fn settled(
    engine: &Engine,
    name: &str,
    patience: Duration,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), SizeError> {
    let began = Instant::now();
    let mut told = false;
    while engine.is_updating(name).await? {
        if !std::mem::replace(&mut told, true) {
            tell(format!(
                "{name}: Docker still replaces tasks because of an earlier change; waiting for that"
            ));
        }
        if began.elapsed() > patience {
            let why = "Docker still replaces tasks because of an earlier change".to_owned();
            return Err(SizeError::Late { service: name.to_owned(), seconds: patience.as_secs(), why });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until all tasks run, and gives their containers. One that has not run yet for Docker is an old one all the same:
/// without it the rollout would end before it was replaced.
async fn all_running(
    engine: &Engine,
    name: &str,
    size: u64,
    patience: Duration,
) -> Result<BTreeSet<String>, SizeError> {
    let began = Instant::now();
    loop {
        let now = running(engine, name).await?;
        if u64::try_from(now.len()).ok() == Some(size) {
            return Ok(now);
        }
        if began.elapsed() > patience {
            let why = format!("{} of {size} tasks run; nothing was replaced", now.len());
            return Err(SizeError::Late { service: name.to_owned(), seconds: patience.as_secs(), why });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn running(engine: &Engine, service: &str) -> Result<BTreeSet<String>, SizeError> {
    let tasks = engine.tasks(service).await?;
    Ok(tasks.into_iter().filter(|task| task.running).map(|task| task.container).collect())
}
