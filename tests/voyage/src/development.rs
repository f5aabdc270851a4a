//! Development: one engine, one file for Compose (rows 1 and 2 of the scenario).

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::engines::Engines;
use crate::images::Digests;
use crate::load::once;
use crate::seen::{one_cluster, places};
use crate::table::Table;
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(60);
const DATABASES: &str = "label=com.docker.compose.service=db";

pub(crate) fn run(engines: &Engines, deploy: &Path, digests: &Digests, table: &mut Table) -> Result<()> {
    let engine = engines.get(0)?;
    let file = deploy.join("compose.yaml");
    let compose = |words: &[&str]| engine.docker.compose(&digests.variables(), "dev", &file, words);
    let other = |words: &[&str]| engine.docker.compose(&digests.variables(), "other", &file, words);
    let page = format!("{}:5000", engine.address()).parse()?;
    table.step("1", "development: up, and the page counts", || {
        compose(&["up", "-d"])?;
        let (first, took) = wait::until("the page counts", PATIENCE, || count(page))?;
        let second = count(page)?;
        if second != first + 1 {
            bail!("{first}, then {second}");
        }
        Ok(((), format!("seen by {first}, then {second}; {} ms after up", took.as_millis())))
    })?;
    table.step("1a", "development: --scale db=3", || {
        compose(&["up", "-d", "--scale", "db=3"])?;
        let (key, took) =
            wait::until("a cluster of 3", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 3))?;
        Ok(((), format!("size 3 everywhere, key {key}, {} ms after up", took.as_millis())))
    })?;
    table.step("1b", "development: another project beside it", || {
        // The same service name in another project must stay another cluster.
        other(&["up", "-d", "db"])?;
        let (_, _) = wait::until("a cluster of 1", PATIENCE, || {
            let all = places(engines, "label=com.docker.compose.project=other")?;
            one_cluster(&all, 1)
        })?;
        one_cluster(
            &places(engines, "label=com.docker.compose.project=dev")?
                .into_iter()
                .filter(|place| place.info("statistics").is_ok_and(|seen| seen.contains_key("cluster_size")))
                .collect::<Vec<_>>(),
            3,
        )?;
        other(&["down", "-v"])?;
        Ok(((), "its node is alone, the three stay three".to_owned()))
    })?;
    table.step("17a", "compose runs the image by its digest", || {
        let found = places(engines, "label=com.docker.compose.project=dev")?;
        for place in &found {
            let image = place.docker.run(&["inspect", "-f", "{{.Config.Image}} {{.Image}}", &place.id])?;
            if image != format!("{0} {0}", digests.shipload) {
                bail!("{image}");
            }
        }
        Ok(((), format!("{} containers of {}", found.len(), digests.shipload)))
    })?;
    table.step("1c", "development: a file with an unknown key", || {
        let before = places(engines, "label=com.docker.compose.project=dev")?.len();
        let wrong = engines.folder().join("wrong.yaml");
        std::fs::write(
            &wrong,
            std::fs::read_to_string(&file)?.replacen(
                "    stop_grace",
                "    frobnicate: yes\n    stop_grace",
                1,
            ),
        )?;
        let said = match engine.docker.compose(&digests.variables(), "dev", &wrong, &["up", "-d"]) {
            Ok(said) => bail!("it was taken: {said}"),
            Err(error) => format!("{error:#}"),
        };
        let after = places(engines, "label=com.docker.compose.project=dev")?.len();
        if !said.contains("frobnicate") || before != after {
            bail!("{before} ran, now {after}: {said}");
        }
        Ok((
            (),
            format!("refused, {after} containers run on: {}", said.lines().last().unwrap_or_default().trim()),
        ))
    })?;
    compose(&["down", "-v"])?;
    Ok(())
}

/// What the page says.
fn count(page: std::net::SocketAddr) -> Result<u64> {
    let answer = once(page, "/", &[])?;
    let number = answer.body.trim().strip_prefix("Hello World! I have been seen by ");
    match number.and_then(|rest| rest.strip_suffix('.')).and_then(|number| number.parse().ok()) {
        Some(number) if answer.status == 200 => Ok(number),
        Some(_) | None => bail!("status {}: {}", answer.status, answer.body.trim()),
    }
}
