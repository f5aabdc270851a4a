//! A node in a container of 512 MiB, written to until it refuses.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engines::Engines;
use crate::seen::Place;
use crate::table::Table;
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(engines: &Engines, table: &mut Table) -> Result<()> {
    let engine = engines.get(0)?;
    let id =
        engine.docker.line("run -d --memory 512m --memory-swap 512m --name limited shipload:dev serve")?;
    let place = Place { docker: engine.docker.clone(), id: id.clone() };
    let (_, _) = wait::until("the node serves", PATIENCE, || place.info("statistics"))?;
    table.step("M", "512 MiB: written to until it refuses", || {
        // From another container: the memory of the load is not the node's.
        let load = "run --rm --network container:limited shipload:dev bench -w I -k 700000 -o B1000 -c 8";
        let said = engine.docker.line(load).unwrap_or_else(|error| format!("{error:#}"));
        let namespace = place.info("namespace/test")?;
        let get = |key: &str| namespace.get(key).map(String::as_str).with_context(|| format!("no {key}"));
        let (stop, objects) = (get("stop_writes")?.to_owned(), get("objects")?.to_owned());
        let state = engine.docker.run(&[
            "inspect",
            "-f",
            "{{.State.OOMKilled}} {{.State.Running}} {{.RestartCount}}",
            &id,
        ])?;
        if stop != "true" || state != "false true 0" {
            bail!("stop_writes={stop}, killed/running/restarts {state}; {said}");
        }
        let refused = place.shipload(&["aql", "-c", "insert into test.foo (pk, a) values (1, 1)"]);
        let said = refused.unwrap_or_else(|error| format!("{error:#}"));
        let refused = said.lines().last().unwrap_or_default();
        let refused = refused.rsplit_once("error: ").map_or(refused, |(_, text)| text);
        // "Device overload" or "out of space" for the client, by number.
        if !["(code 8)", "(code 22)"].iter().any(|code| refused.contains(code)) {
            bail!("a write when nothing is left: {said}");
        }
        Ok(((), format!("stop_writes=true at {objects} records, no OOM kill; the client reads: {refused}")))
    })?;
    table.step("M1", "512 MiB: usable again after deletes", || {
        place.shipload(&["info", "-v", "truncate-namespace:namespace=test"])?;
        let (_, took) = wait::until("writes are taken again", PATIENCE, || {
            place.shipload(&["aql", "-c", "insert into test.foo (pk, a) values (1, 1)"])
        })?;
        Ok(((), format!("writes are taken {} ms after truncation", took.as_millis())))
    })?;
    engine.docker.run(&["rm", "-f", "-v", &id])?;
    Ok(())
}
