//! How many tasks a service has: `db=3 web=4`.
//!
//! Pages change at once. A database grows at once and shrinks one node at a time: each step waits until the cluster is
//! at rest with the size that it should have, and none goes below the copies that records want.

use crate::engine::{Engine, EngineError, ServiceSeen};
use crate::status::{StatusError, cluster};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Why a size was refused or not reached.
#[derive(Debug, Error)]
pub enum SizeError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The nodes.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// It would lose records or can't be placed.
    #[error("{0}")]
    Refused(String),
    /// It did not come to rest.
    #[error("{service} did not come to rest in {seconds} s: {why}")]
    Late {
        /// Which service.
        service: String,
        /// How long was waited.
        seconds: u64,
        /// What it waits for.
        why: String,
    },
}

/// Reads `NAME=COUNT`.
///
/// # Errors
/// When the text is none.
pub fn parse(text: &str) -> Result<(String, u64), String> {
    let form = || format!("'{text}' has the wrong form; allowed: SERVICE=COUNT, such as db=3");
    let (name, count) = text.split_once('=').ok_or_else(form)?;
    if name.is_empty() {
        return Err(form());
    }
    Ok((name.to_owned(), count.parse().map_err(|_| form())?))
}

/// Whether a database of `now` tasks may have `wanted` ones, with so many copies of each record.
///
/// # Errors
/// Why not.
pub fn allowed(
    service: &ServiceSeen,
    now: u64,
    wanted: u64,
    copies: u64,
    engines: u64,
) -> Result<(), String> {
    if wanted < now && wanted < copies {
        return Err(format!(
            "{} keeps {copies} copies of each record: {wanted} nodes can't hold them; the fewest are {copies}",
            service.name
        ));
    }
    if let Some(limit) = service.max_per_engine
        && wanted > limit * engines
    {
        return Err(format!(
            "{} may have {limit} task on each of {engines} engines: {wanted} can't be placed; join another engine first",
            service.name
        ));
    }
    Ok(())
}

/// Brings a service to a size; `tell` gets a line for each step.
///
/// # Errors
/// When it is refused, or does not come to rest in time. What runs is left as it is then.
pub async fn set(
    engine: &Engine,
    name: &str,
    wanted: u64,
    patience: Duration,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), SizeError> {
    let service = engine.service(name).await?;
    let Some(now) = service.replicas else {
        return Err(SizeError::Refused(format!(
            "{} has one task on each engine, not a number",
            service.name
        )));
    };
    let engines = u64::try_from(engine.engines().await?.len()).unwrap_or(u64::MAX);
    if !service.is_database() {
        allowed(&service, now, wanted, 0, engines).map_err(SizeError::Refused)?;
        engine.set_replicas(&service.name, wanted).await?;
        tell(format!("{}: {now} -> {wanted}", service.name));
        return Ok(());
    }
    let seen = cluster(engine, &service).await?;
    allowed(&service, now, wanted, seen.copies(), engines).map_err(SizeError::Refused)?;
    if wanted > now {
        engine.set_replicas(&service.name, wanted).await?;
        tell(format!("{}: {now} -> {wanted}", service.name));
        return at_rest(engine, &service, wanted, patience, tell).await;
    }
    let mut size = now;
    while size > wanted {
        at_rest(engine, &service, size, patience, tell).await?;
        size -= 1;
        engine.set_replicas(&service.name, size).await?;
        tell(format!("{}: {} -> {size}; the node hands over what it masters", service.name, size + 1));
    }
    at_rest(engine, &service, wanted, patience, tell).await
}

/// Waits until the database is one cluster of this size at rest.
///
/// # Errors
/// When that takes longer than `patience`.
pub async fn at_rest(
    engine: &Engine,
    service: &ServiceSeen,
    size: u64,
    patience: Duration,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), SizeError> {
    let began = Instant::now();
    let mut told = String::new();
    loop {
        let why = match cluster(engine, service).await {
            Ok(seen) => seen.unrest(size),
            // The container that was asked may just be the one that goes.
            Err(error) => Some(error.to_string()),
        };
        let Some(why) = why else {
            tell(format!(
                "{}: {size} nodes, at rest after {:.1} s",
                service.name,
                began.elapsed().as_secs_f32()
            ));
            return Ok(());
        };
        if began.elapsed() > patience {
            return Err(SizeError::Late { service: service.name.clone(), seconds: patience.as_secs(), why });
        }
        if why != told {
            tell(format!("{}: {why}", service.name));
            told = why;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{allowed, parse};
    use crate::engine::ServiceSeen;
    use std::collections::BTreeMap;

    fn database() -> ServiceSeen {
        ServiceSeen {
            name: "prod_db".to_owned(),
            replicas: Some(3),
            max_per_engine: Some(1),
            labels: BTreeMap::new(),
            image: String::new(),
            networks: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse("db=3"), Ok(("db".to_owned(), 3)));
        assert!(["db", "=3", "db=", "db=x", "db=-1"].iter().all(|text| parse(text).is_err()));
    }

    #[test]
    fn copies_and_places_bound_a_database() {
        assert!(allowed(&database(), 3, 2, 2, 3).is_ok());
        assert!(allowed(&database(), 3, 1, 2, 3).is_err_and(|why| why.contains("keeps 2 copies")));
        assert!(allowed(&database(), 3, 4, 2, 3).is_err_and(|why| why.contains("can't be placed")));
        assert!(allowed(&database(), 1, 1, 2, 3).is_ok(), "nothing shrinks");
    }
}
