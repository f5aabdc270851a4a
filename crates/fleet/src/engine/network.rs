//! Networks that span engines, and how busy a service's containers are.

use super::{Engine, EngineError};
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{InspectNetworkOptions, StatsOptionsBuilder};
use futures::stream::StreamExt as _;

impl Engine {
    /// Makes an overlay network that plain containers can join as well, unless there is one of that name.
    ///
    /// # Errors
    /// When the engine refuses, or the one that is there is of another kind.
    pub async fn ensure_overlay(&self, name: &str) -> Result<(), EngineError> {
        if let Ok(there) = self.docker().inspect_network(name, None::<InspectNetworkOptions>).await {
            if there.driver.as_deref() == Some("overlay") {
                return Ok(());
            }
            let why = format!(
                "network {name} is there, but spans no engines ({})",
                there.driver.unwrap_or_default()
            );
            return Err(EngineError::Refused { host: self.host.clone(), why });
        }
        let wanted = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("overlay".to_owned()),
            attachable: Some(true),
            ..NetworkCreateRequest::default()
        };
        self.docker().create_network(wanted).await.map(|_| ()).map_err(|error| self.trouble(&error))
    }

    /// How busy a service's containers on this engine are, as means; nothing where there are none here.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn usage(&self, service: &str) -> Result<Usage, EngineError> {
        let here = self.containers().await?;
        let (mut processor, mut memory) = (Vec::new(), Vec::new());
        for container in here.iter().filter(|one| one.service() == service) {
            let options = StatsOptionsBuilder::default().stream(false).build();
            let mut samples = Box::pin(self.docker().stats(&container.id, Some(options)));
            // A container that went meanwhile has no sample.
            let Some(Ok(sample)) = samples.next().await else { continue };
            if let Some(held) = &sample.memory_stats
                && let (Some(used), Some(limit @ 1..)) = (held.usage, held.limit)
            {
                memory.push(ratio(used, limit) * 100.0);
            }
            let (Some(now), Some(before)) = (sample.cpu_stats, sample.precpu_stats) else { continue };
            let used = |one: &bollard::models::ContainerCpuStats| {
                one.cpu_usage.as_ref().and_then(|usage| usage.total_usage).unwrap_or(0)
            };
            let whole = |one: &bollard::models::ContainerCpuStats| one.system_cpu_usage.unwrap_or(0);
            let processors = now.online_cpus.unwrap_or(1).max(1);
            let (more, time) =
                (used(&now).saturating_sub(used(&before)), whole(&now).saturating_sub(whole(&before)));
            if time > 0 {
                processor.push(ratio(more, time) * f64::from(processors) * 100.0);
            }
        }
        Ok(Usage { processor_pct: mean(&processor), memory_pct: mean(&memory) })
    }
}

/// How busy containers are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Processor time over a second, in percent of one processor.
    pub processor_pct: Option<f64>,
    /// Memory in use, in percent of the limit, which without one is the machine's.
    pub memory_pct: Option<f64>,
}

fn mean(all: &[f64]) -> Option<f64> {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    (count > 0).then(|| all.iter().sum::<f64>() / f64::from(count))
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people and policies")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
