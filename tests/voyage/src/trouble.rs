//! Hosts and containers that fail and come back, fewer databases, a rolling update (rows 13 to 17 of the scenario).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engines::Engines;
use crate::images::Digests;
use crate::load::Visitors;
use crate::production::{BALANCER, DATABASES, PAGES, PATIENCE, any_database, ready, spread, visited};
use crate::seen::{Hits, Place, hits, one_cluster, places};
use crate::table::Table;
use crate::wait;

pub(crate) fn run(
    engines: &mut Engines,
    digests: &Digests,
    balancer: SocketAddr,
    table: &mut Table,
) -> Result<()> {
    engines.get(0)?.docker.line("service scale -d prod_web=3")?;
    kill(engines, balancer, table)?;
    power(engines, balancer, table)?;
    cable(engines, table)?;
    fewer(engines, balancer, table)?;
    update(engines, balancer, table)?;
    restart_all(engines, balancer, table)?;
    same_files(engines, digests, table)
}

fn whole(engines: &Engines, size: usize) -> Result<String> {
    one_cluster(&places(engines, DATABASES)?, size)
}

/// Fails when visits that were counted are not there, or more than could have been.
fn compare(before: Hits, after: Hits, counted: u64, failed: u64) -> Result<String> {
    let found = format!(
        "{counted} visits counted, {failed} in doubt; total_hits {} -> {}, records {} -> {}",
        before.total, after.total, before.records, after.records
    );
    if counted <= failed {
        bail!("most visits failed; {found}");
    }
    let fine = |before: u64, after: u64| after >= before + counted && after <= before + counted + failed;
    // A visitor whose visit failed half-way may have left a record without a count.
    if fine(before.total, after.total) && fine(before.records, after.records) {
        Ok(found)
    } else {
        bail!("{found}")
    }
}

fn kill(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("13", "docker kill of a database", || {
        let before = hits(&any_database(engines)?)?;
        let visitors = Visitors::start(2, balancer);
        let victim = places(engines, DATABASES)?.pop().context("no database runs")?;
        victim.docker.run(&["kill", &victim.id])?;
        wait::until("the killed one is replaced", PATIENCE, || {
            if places(engines, DATABASES)?.iter().any(|place| place.id == victim.id) {
                bail!("it still runs");
            }
            whole(engines, 3)
        })?;
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        Ok(((), format!("{found}; longest gap {} ms {:?}", told.gap.as_millis(), told.errors)))
    })
}

fn power(engines: &mut Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let before = hits(&any_database(engines)?)?;
    let node = place_on(engines, 2)?.node()?;
    let visitors = Visitors::start(2, balancer);
    table.step("13a", "power loss of an engine under load", || {
        engines.get_mut(2)?.power_off()?;
        let (_, took) = wait::until("two nodes are one cluster", PATIENCE, || whole(engines, 2))?;
        Ok(((), format!("cluster of 2 at rest {} ms later", took.as_millis())))
    })?;
    table.step("14", "the engine comes back", || {
        engines.get_mut(2)?.switch_on()?;
        engines.get(2)?.wait_ready()?;
        let (_, took) = wait::until("three nodes are one cluster", PATIENCE, || whole(engines, 3))?;
        let back = place_on(engines, 2)?;
        if back.node()? != node {
            bail!("it was node {node}, and is {}", back.node()?);
        }
        let received = back.info("namespace/test")?.get("migrate_record_receives").cloned();
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        let received = received.unwrap_or_default();
        Ok(((), format!(
            "same node {node} after {} ms, {received} of {} records travelled; {found}; longest gap {} ms, {} failures in a row {:?}",
            took.as_millis(), after.records, told.gap.as_millis(), told.failed_in_a_row, told.errors
        )))
    })
}

fn cable(engines: &Engines, table: &mut Table) -> Result<()> {
    table.step("14a", "cable pulled for 20 s, and back", || {
        let before = hits(&any_database(engines)?)?;
        let cut_off = place_on(engines, 1)?.id;
        engines.get(1)?.cable(false)?;
        // Longer than Swarm needs to call the engine down: it then replaces a container that was well.
        std::thread::sleep(Duration::from_secs(20));
        engines.get(1)?.cable(true)?;
        let (key, took) = wait::until("three nodes are one cluster", PATIENCE, || {
            ready(engines, 3)?;
            if place_on(engines, 1)?.id == cut_off {
                bail!("Swarm has not replaced the container yet");
            }
            whole(engines, 3)
        })?;
        let after = hits(&any_database(engines)?)?;
        if after.total < before.total || after.records < before.records {
            bail!("{before:?}, then {after:?}");
        }
        Ok((
            (),
            format!(
                "one cluster of 3 ({key}) {} ms after the cable; {} hits, none lost",
                took.as_millis(),
                after.total
            ),
        ))
    })
}

fn place_on(engines: &Engines, number: usize) -> Result<Place> {
    let docker = engines.get(number)?.docker.clone();
    let id = docker.containers(&[DATABASES])?.pop().context("no database runs there")?;
    Ok(Place { docker, id })
}

fn fewer(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("15", "scale-in of the database, no miss", || {
        let before = hits(&any_database(engines)?)?;
        let visitors = Visitors::start(2, balancer);
        manager.line("service scale -d prod_db=2")?;
        let (_, took) = wait::until("a cluster of 2", PATIENCE, || whole(engines, 2))?;
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        manager.line("service scale -d prod_db=3")?;
        wait::until("a cluster of 3", PATIENCE, || whole(engines, 3))?;
        // All that was counted is there (compare); a request that was under way when the node ended may be in doubt.
        if told.failed_in_a_row > 1 {
            bail!("{found} {:?}", told.errors);
        }
        Ok(((), format!("2 at rest after {} ms; {found} {:?}", took.as_millis(), told.errors)))
    })
}

fn update(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("16", "rolling update", || {
        let before = hits(&any_database(engines)?)?;
        let old: Vec<String> = places(engines, DATABASES)?.into_iter().map(|place| place.id).collect();
        let visitors = Visitors::start(2, balancer);
        manager.line("service update -d --force --env-add VERSION=2 prod_db")?;
        let (_, took) = wait::until("all three are new", Duration::from_secs(180), || {
            let now = places(engines, DATABASES)?;
            if now.iter().any(|place| old.contains(&place.id)) {
                bail!("an old one runs");
            }
            one_cluster(&now, 3)
        })?;
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        if told.failed_in_a_row > 1 {
            bail!("{} failures in a row; {found} {:?}", told.failed_in_a_row, told.errors);
        }
        Ok(((), format!("3 replaced in {} ms; {found}; {} in a row", took.as_millis(), told.failed_in_a_row)))
    })
}

fn restart_all(engines: &mut Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("R", "restart of the whole swarm", || {
        let before = hits(&any_database(engines)?)?;
        for number in 0..3 {
            engines.get_mut(number)?.shut_down()?;
        }
        for number in 0..3 {
            engines.get_mut(number)?.switch_on()?;
        }
        engines.iter().try_for_each(|engine| engine.wait_ready())?;
        wait::until("three engines are ready", PATIENCE, || ready(engines, 3))?;
        let (key, took) = wait::until("a cluster of 3", Duration::from_secs(180), || whole(engines, 3))?;
        // A node that sees only itself must wait for those that it remembers, not found a cluster of its own.
        for place in places(engines, DATABASES)? {
            let log = place.docker.run_both(&["logs", &place.id])?;
            if let Some(line) = log.lines().find(|line| line.contains("cluster of 1:")) {
                bail!("a second cluster was founded: {line}");
            }
        }
        wait::until("the page counts", PATIENCE, || visited(balancer))?;
        let after = hits(&any_database(engines)?)?;
        if after.total < before.total || after.records < before.records {
            bail!("{before:?}, then {after:?}");
        }
        Ok((
            (),
            format!(
                "one cluster of 3 ({key}) {} ms after the engines; {} hits, none lost",
                took.as_millis(),
                after.total
            ),
        ))
    })
}

fn same_files(engines: &Engines, digests: &Digests, table: &mut Table) -> Result<()> {
    table.step("17", "the same image everywhere, by its digest", || {
        let mut count = 0;
        for (filter, wanted) in
            [(DATABASES, &digests.shipload), (PAGES, &digests.shipload), (BALANCER, &digests.haproxy)]
        {
            for place in places(engines, filter)? {
                let image =
                    place.docker.run(&["inspect", "-f", "{{.Config.Image}} {{.Image}}", &place.id])?;
                if image != format!("{wanted} {wanted}") {
                    bail!("{image}, not {wanted}");
                }
                count += 1;
            }
        }
        let databases = spread(engines, DATABASES)?;
        Ok((
            (),
            format!(
                "{count} containers of {}, databases on {databases} engines, as in row 17a",
                digests.shipload
            ),
        ))
    })
}
