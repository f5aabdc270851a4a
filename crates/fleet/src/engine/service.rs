//! Services of a Swarm, seen from a manager.

use super::raw::put;
use super::{Engine, EngineError};
use bollard::models::{Service, ServiceSpecMode, TaskState};
use bollard::query_parameters::{ListServicesOptions, ListTasksOptionsBuilder};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A service as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSeen {
    /// Its name.
    pub name: String,
    /// Wanted tasks; none for one on each engine.
    pub replicas: Option<u64>,
    /// The most tasks on one engine, when there is a limit.
    pub max_per_engine: Option<u64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its image.
    pub image: String,
    /// The networks that its containers are on.
    pub networks: Vec<String>,
    /// The variables of its containers.
    pub environment: BTreeMap<String, String>,
}

impl ServiceSeen {
    /// Whether it is a database whose tasks hold records.
    #[must_use]
    pub fn is_database(&self) -> bool {
        self.labels.get("shipload.role").is_some_and(|role| role == "database")
            || self.labels.contains_key(crate::aerospike::LABEL)
    }
}

/// A task of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSeen {
    /// Its number.
    pub slot: i64,
    /// The engine that it runs on.
    pub engine: String,
    /// Its container; empty before there is one.
    pub container: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether the Swarm wants it to run.
    pub wanted: bool,
    /// What it does, and why it does not run.
    pub state: String,
}

impl Engine {
    /// All services.
    ///
    /// # Errors
    /// When the engine does not answer or manages no Swarm.
    pub async fn services(&self) -> Result<Vec<ServiceSeen>, EngineError> {
        let listed = self.docker().list_services(None::<ListServicesOptions>).await;
        let listed = listed.map_err(|error| self.trouble(&error))?;
        let mut seen: Vec<ServiceSeen> = listed.iter().map(service).collect();
        seen.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(seen)
    }

    /// A service by its name, or by the end of it behind the stack's name (`db` for `prod_db`).
    ///
    /// # Errors
    /// Also when there is none or are several.
    pub async fn service(&self, name: &str) -> Result<ServiceSeen, EngineError> {
        let all = self.services().await?;
        let behind = format!("_{name}");
        let fits = |one: &&ServiceSeen| one.name == name || one.name.ends_with(&behind);
        let mut found: Vec<&ServiceSeen> = all.iter().filter(fits).collect();
        if let Some(exact) = found.iter().position(|one| one.name == name) {
            found = vec![found.swap_remove(exact)];
        }
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            others => {
                let several = if others.is_empty() { all.iter().collect() } else { others.to_vec() };
                let known: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                let kind = if others.is_empty() { "service" } else { "single service" };
                Err(EngineError::Missing { kind, name: name.to_owned(), known: known.join(", ") })
            }
        }
    }

    /// All tasks of a service that are wanted or still run.
    ///
    /// # Errors
    /// When the engine does not answer or manages no Swarm.
    pub async fn tasks(&self, service: &str) -> Result<Vec<TaskSeen>, EngineError> {
        let filters = HashMap::from([("service", vec![service])]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = self.docker().list_tasks(Some(options)).await.map_err(|error| self.trouble(&error))?;
        let names = self.engines().await?;
        let mut seen = Vec::new();
        for task in tasks {
            let status = task.status.unwrap_or_default();
            let node = task.node_id.unwrap_or_default();
            let said = status.err.or(status.message).unwrap_or_default();
            let state = status.state.map(|state| state.to_string()).unwrap_or_default();
            let one = TaskSeen {
                slot: task.slot.unwrap_or_default(),
                engine: names.get(&node).cloned().unwrap_or(node),
                container: status.container_status.and_then(|one| one.container_id).unwrap_or_default(),
                running: status.state == Some(TaskState::RUNNING),
                wanted: task.desired_state == Some(TaskState::RUNNING),
                state: format!("{state}: {said}"),
            };
            if one.wanted || one.running {
                seen.push(one);
            }
        }
        seen.sort_by(|left, right| (left.slot, &left.engine).cmp(&(right.slot, &right.engine)));
        Ok(seen)
    }

    /// Names of all engines of the Swarm that are ready, by their ids.
    ///
    /// # Errors
    /// When the engine does not answer or manages no Swarm.
    pub async fn engines(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let nodes = self.docker().list_nodes(None::<bollard::query_parameters::ListNodesOptions>).await;
        let nodes = nodes.map_err(|error| self.trouble(&error))?;
        let ready = nodes.into_iter().filter(|node| {
            let state = node.status.as_ref().and_then(|status| status.state.as_ref());
            state.is_some_and(|state| state.to_string() == "ready")
        });
        let named = ready.filter_map(|node| Some((node.id?, node.description?.hostname?)));
        Ok(named.collect())
    }

    /// Wants so many tasks of a service.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn set_replicas(&self, name: &str, replicas: u64) -> Result<(), EngineError> {
        self.change(name, |spec| put(spec, &["Mode", "Replicated", "Replicas"], json!(replicas))).await
    }

    /// Lets the Swarm replace all tasks of a service, with another image if one is given.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn restart_tasks(&self, name: &str, image: Option<&str>) -> Result<(), EngineError> {
        self.change(name, |spec| {
            let count = spec.pointer("/TaskTemplate/ForceUpdate").and_then(Value::as_u64).unwrap_or(0);
            put(spec, &["TaskTemplate", "ForceUpdate"], json!(count + 1));
            if let Some(image) = image {
                put(spec, &["TaskTemplate", "ContainerSpec", "Image"], json!(image));
            }
        })
        .await
    }

    /// Lets the Swarm replace one task and then wait for longer than any step takes; see [`Engine::next_task`].
    ///
    /// Gives what was set before, for [`Engine::set_update_config`].
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn ensure_gradual(&self, name: &str, pause: std::time::Duration) -> Result<Value, EngineError> {
        let mut before = Value::Null;
        let pause_ns = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX >> 1);
        self.change(name, |spec| {
            before = spec.get("UpdateConfig").cloned().unwrap_or_default();
            put(spec, &["UpdateConfig", "Parallelism"], json!(1));
            put(spec, &["UpdateConfig", "Order"], json!("stop-first"));
            put(spec, &["UpdateConfig", "Delay"], json!(pause_ns));
        })
        .await?;
        Ok(before)
    }

    /// Sets how the Swarm replaces tasks.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn set_update_config(&self, name: &str, config: Value) -> Result<(), EngineError> {
        self.change(name, |spec| put(spec, &["UpdateConfig"], config)).await
    }

    /// Whether the Swarm is still replacing tasks because of an earlier change.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn is_updating(&self, name: &str) -> Result<bool, EngineError> {
        let found = self.raw("GET", &format!("/services/{name}"), "").await?;
        Ok(found.pointer("/UpdateStatus/State").and_then(Value::as_str) == Some("updating"))
    }

    /// Ends the Swarm's wait between two tasks: a changed wish makes it begin anew with those that are left, and
    /// tasks that are new already fit the wish.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn next_task(&self, name: &str) -> Result<(), EngineError> {
        self.change(name, |spec| {
            let delay = spec.pointer("/UpdateConfig/Delay").and_then(Value::as_u64).unwrap_or(0);
            put(spec, &["UpdateConfig", "Delay"], json!(delay.saturating_add(1)));
        })
        .await
    }
}

fn service(found: &Service) -> ServiceSeen {
    let spec = found.spec.clone().unwrap_or_default();
    let replicated = |mode: ServiceSpecMode| mode.replicated.and_then(|one| one.replicas);
    let template = spec.task_template.unwrap_or_default();
    let networks = template.networks.unwrap_or_default().into_iter().filter_map(|one| one.target).collect();
    let container = template.container_spec.unwrap_or_default();
    let limit = template.placement.and_then(|placement| placement.max_replicas).filter(|limit| *limit > 0);
    let environment = container.env.unwrap_or_default().into_iter();
    ServiceSeen {
        name: spec.name.unwrap_or_default(),
        replicas: spec.mode.and_then(replicated).and_then(|count| u64::try_from(count).ok()),
        max_per_engine: limit.and_then(|limit| u64::try_from(limit).ok()),
        labels: spec.labels.unwrap_or_default().into_iter().collect(),
        image: container.image.unwrap_or_default(),
        networks,
        environment: environment
            .filter_map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect(),
    }
}
