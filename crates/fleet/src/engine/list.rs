//! All containers of an engine, and hints that the list has changed.

use super::{Engine, EngineError};
use crate::route::Container;
use bollard::models::{ContainerSummary, EventMessageTypeEnum};
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use futures::stream::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Engine {
    /// All running containers.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        let options = ListContainersOptionsBuilder::default().build();
        let listed =
            self.docker().list_containers(Some(options)).await.map_err(|error| self.trouble(&error))?;
        Ok(listed.into_iter().map(container).collect())
    }

    /// Waits until something about containers or networks happens. An engine that falls silent looks like nothing
    /// happened: who waits must look by itself now and then.
    pub async fn wait_for_hint(&self) {
        let kinds = HashMap::from([("type", vec!["container", "network", "service"])]);
        let options = EventsOptionsBuilder::default().filters(&kinds).build();
        let mut events = Box::pin(self.docker().events(Some(options)));
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    // Each health check makes three of these.
                    let action = event.action.unwrap_or_default();
                    if event.typ == Some(EventMessageTypeEnum::CONTAINER) && action.starts_with("exec_") {
                        continue;
                    }
                    return;
                }
                Some(Err(_)) | None => {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    return;
                }
            }
        }
    }
}

fn container(summary: ContainerSummary) -> Container {
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let networks: BTreeMap<_, _> = networks
        .into_iter()
        .filter_map(|(name, endpoint)| Some((name, endpoint.ip_address?.parse().ok()?)))
        .collect();
    let ports = summary.ports.unwrap_or_default();
    let tcp = ports.iter().filter(|port| port.typ.is_none_or(|typ| typ.to_string() == "tcp"));
    let ports: BTreeSet<u16> = tcp.map(|port| port.private_port).collect();
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    Container {
        id: summary.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        running: summary.state.is_some_and(|state| state.to_string() == "running"),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        networks,
        ports,
    }
}
