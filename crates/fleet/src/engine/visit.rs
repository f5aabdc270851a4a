//! A container for one question: where none that runs here is on the network of those who are asked.

use super::{Engine, EngineError};
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures::stream::StreamExt as _;

/// Marks such a container, in case that it is left behind.
const LABEL: &str = "shipload.visit";

impl Engine {
    /// Runs a program of an image in a container of its own on a network that plain containers may join; what it
    /// printed. The container is gone afterwards.
    ///
    /// # Errors
    /// When this engine does not have the image, the network lets nobody in, or the program fails.
    pub async fn visit(&self, image: &str, network: &str, words: &[&str]) -> Result<String, EngineError> {
        let trouble = |error| self.trouble(&error);
        let mut words = words.iter().map(|word| (*word).to_owned());
        let wanted = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(words.next().into_iter().collect()),
            cmd: Some(words.collect()),
            labels: Some([(LABEL.to_owned(), "true".to_owned())].into()),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(HostConfig { network_mode: Some(network.to_owned()), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let made = self.docker().create_container(None::<CreateContainerOptions>, wanted).await;
        let id = made.map_err(trouble)?.id;
        let answer = self.answer_of(&id).await;
        let gone = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        // What it said counts, whether or not it can be taken away at once.
        let removed = self.docker().remove_container(&id, Some(gone)).await;
        if let Err(error) = removed {
            tracing::warn!("container {id} is left behind: {error}");
        }
        answer
    }

    async fn answer_of(&self, id: &str) -> Result<String, EngineError> {
        let trouble = |error| self.trouble(&error);
        self.docker().start_container(id, None::<StartContainerOptions>).await.map_err(trouble)?;
        let mut ended = Box::pin(self.docker().wait_container(id, None::<WaitContainerOptions>));
        let failed = matches!(ended.next().await, Some(Err(_)));
        let options = LogsOptionsBuilder::default().stdout(true).stderr(failed).build();
        let mut parts = Box::pin(self.docker().logs(id, Some(options)));
        let mut printed = String::new();
        while let Some(part) = parts.next().await {
            match part.map_err(trouble)? {
                LogOutput::StdOut { message }
                | LogOutput::StdErr { message }
                | LogOutput::Console { message } => printed.push_str(&String::from_utf8_lossy(&message)),
                LogOutput::StdIn { .. } => {}
            }
        }
        if failed {
            return Err(EngineError::Refused { host: self.host.clone(), why: printed.trim().to_owned() });
        }
        Ok(printed)
    }
}
