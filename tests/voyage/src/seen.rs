//! What the database's nodes say of themselves, asked from inside their containers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::docker::Docker;
use crate::engines::Engines;

/// A database container, and the engine that it runs on.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) docker: Docker,
    pub(crate) id: String,
}

impl Place {
    /// `docker exec` of the program in it.
    pub(crate) fn shipload(&self, words: &[&str]) -> Result<String> {
        let mut all = vec!["exec", self.id.as_str(), "/shipload"];
        all.extend(words);
        self.docker.run(&all)
    }

    /// An info command's answer, one value a line.
    pub(crate) fn info(&self, command: &str) -> Result<BTreeMap<String, String>> {
        let text = self.shipload(&["info", "-v", command, "-l"])?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The rows of a statement.
    pub(crate) fn rows(&self, statement: &str) -> Result<Vec<Value>> {
        let text = self.shipload(&["aql", "--json", "-c", statement])?;
        text.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    /// The node's id.
    pub(crate) fn node(&self) -> Result<String> {
        Ok(self.shipload(&["info", "-v", "node"])?.trim().to_owned())
    }
}

/// All running containers with this label, on all engines that answer.
pub(crate) fn places(engines: &Engines, filter: &str) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for engine in engines.iter().filter(|engine| engine.is_on()) {
        for id in engine.docker.containers(&[filter])? {
            places.push(Place { docker: engine.docker.clone(), id });
        }
    }
    Ok(places)
}

/// Fails unless these nodes are one cluster of this size that is at rest; says its key.
pub(crate) fn one_cluster(places: &[Place], size: usize) -> Result<String> {
    if places.len() != size {
        bail!("{} containers run, not {size}", places.len());
    }
    let mut keys = BTreeSet::new();
    for place in places {
        let seen = place.info("statistics")?;
        let get = |key: &str| seen.get(key).map(String::as_str).with_context(|| format!("no {key}"));
        if get("cluster_size")? != size.to_string() {
            bail!("a node sees {} of {size}", get("cluster_size")?);
        }
        if get("cluster_integrity")? != "true" || get("migrate_partitions_remaining")? != "0" {
            bail!("{} partitions still move", get("migrate_partitions_remaining")?);
        }
        keys.insert(get("cluster_key")?.to_owned());
    }
    match keys.into_iter().collect::<Vec<_>>().as_slice() {
        [key] => Ok(key.clone()),
        keys => bail!("{} different clusters: {keys:?}", keys.len()),
    }
}

/// Hits as counted three ways: in all, summed over the servers, and one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) total: u64,
    pub(crate) by_server: u64,
    pub(crate) records: u64,
    /// Servers that counted some.
    pub(crate) servers: u64,
}

/// Reads them.
pub(crate) fn hits(place: &Place) -> Result<Hits> {
    let mut hits = Hits { total: 0, by_server: 0, records: 0, servers: 0 };
    for (name, total) in sums(place)? {
        if name == "total_hits" {
            hits.total = total;
        } else {
            hits.by_server += total;
            hits.servers += 1;
        }
    }
    hits.records = u64::try_from(place.rows("select * from test.hits")?.len())?;
    Ok(hits)
}

/// Hits that servers with these addresses have counted.
pub(crate) fn hits_of(place: &Place, servers: &BTreeSet<String>) -> Result<u64> {
    Ok(sums(place)?.into_iter().filter(|(name, _)| servers.contains(name)).map(|(_, total)| total).sum())
}

/// What is summed up, by name.
fn sums(place: &Place) -> Result<Vec<(String, u64)>> {
    let sum = |row: Value| {
        let total = row.pointer("/bins/total").and_then(Value::as_u64).context("a summary without total")?;
        Ok((row.get("key").and_then(Value::as_str).unwrap_or_default().to_owned(), total))
    };
    place.rows("select * from test.summary")?.into_iter().map(sum).collect()
}
