//! Hosts and containers that fail and come back, fewer databases, a rolling update (rows 13 to 17 of the scenario).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::engines::Engines;
use crate::images::Digests;
use crate::load::{Visitors, answers};
use crate::production::{BALANCER, DATABASES, PAGES, PATIENCE, any_database, ready, spread, visited};
use crate::seen::{Hits, Place, hits, hits_of, one_cluster, places};
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
    cable(engines, balancer, table)?;
    fewer(engines, balancer, table)?;
    update(engines, balancer, table)?;
    table.step("R", "restart of the whole swarm, the manager first", || {
        restart_all(engines, balancer, true).map(|found| ((), found))
    })?;
    table.step("Ra", "restart of the whole swarm, all at once", || {
        restart_all(engines, balancer, false).map(|found| ((), found))
    })?;
    same_files(engines, digests, table)
}

/// Docker's networks look for each other once a minute, and compare what they know twice a minute.
const LONG: Duration = Duration::from_secs(240);
/// As many records are read while a node goes.
const KEYS: &str = "2000";
/// Records that all visits change: sums.
const FEW: u64 = 16;

fn whole(engines: &Engines, size: usize) -> Result<String> {
    one_cluster(&places(engines, DATABASES)?, size)
}

/// Fails when visits that were counted are not there, or more than could have been.
fn compare(before: Hits, after: Hits, counted: u64, failed: u64) -> Result<String> {
    compare_but(before, after, counted, failed, 0)
}

/// The same, where so many of the visits were counted by a database that was cut off: what both sides have changed is decided
/// for the side that changed it more often, when they meet.
fn compare_but(before: Hits, after: Hits, counted: u64, failed: u64, apart: u64) -> Result<String> {
    let found = format!(
        "{counted} visits counted, {failed} in doubt; total_hits {} -> {}, records {} -> {}",
        before.total, after.total, before.records, after.records
    );
    if counted <= failed {
        bail!("most visits failed; {found}");
    }
    let fine = |before: u64, after: u64, apart: u64| {
        after + apart >= before + counted && after <= before + counted + failed
    };
    // A visitor whose visit failed half-way may have left a record without a count.
    if fine(before.total, after.total, apart) && fine(before.records, after.records, 0) {
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
        let received: u64 = received.context("no count of records that came")?.parse()?;
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        // What was written meanwhile, and the few records that every visit changes.
        if received > after.records - before.records + FEW {
            bail!("{received} of {} records travelled; {found}", after.records);
        }
        Ok(((), format!(
            "same node {node} after {} ms, {received} of {} records travelled; {found}; longest gap {} ms, {} failures in a row {:?}",
            took.as_millis(), after.records, told.gap.as_millis(), told.failed_in_a_row, told.errors
        )))
    })
}

fn cable(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("14a", "cable pulled for 20 s under load, and back", || {
        // A page there may reach visitors and its database again before the databases have met.
        let apart = addresses(engines, 1)?;
        let before = hits(&any_database(engines)?)?;
        let visitors = Visitors::start(2, balancer);
        let cut_off = place_on(engines, 1)?.id;
        engines.get(1)?.cable(false)?;
        let pulled = Instant::now();
        let (_, two) = wait::until("two nodes are one cluster", PATIENCE, || {
            one_cluster(&[place_on(engines, 0)?, place_on(engines, 2)?], 2)
        })?;
        let counted_there = hits_of(&place_on(engines, 0)?, &apart)?;
        // Longer than Swarm needs to call the engine down: it then replaces a container that was well.
        std::thread::sleep(Duration::from_secs(20).saturating_sub(pulled.elapsed()));
        engines.get(1)?.cable(true)?;
        let found = three_again(engines, || {
            ready(engines, 3)?;
            if place_on(engines, 1)?.id == cut_off {
                bail!("Swarm has not replaced the container yet");
            }
            Ok(())
        })?;
        let told = visitors.stop()?;
        let after = hits(&any_database(engines)?)?;
        let apart = hits_of(&any_database(engines)?, &apart)? - counted_there;
        let kept = compare_but(before, after, told.counted, told.failed, apart)?;
        let (two, gap) = (two.as_millis(), told.gap.as_millis());
        Ok((
            (),
            format!(
                "2 at rest {two} ms after the cut; {found}; {kept}; {apart} counted apart; longest gap {gap} ms {:?}",
                told.errors
            ),
        ))
    })
}

/// The addresses of the pages on an engine.
fn addresses(engines: &Engines, number: usize) -> Result<BTreeSet<String>> {
    let docker = &engines.get(number)?.docker;
    let form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let mut all = BTreeSet::new();
    for id in docker.containers(&[PAGES])? {
        all.extend(docker.run(&["inspect", "-f", form, &id])?.split_whitespace().map(str::to_owned));
    }
    Ok(all)
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
        let nodes = places(engines, DATABASES)?;
        any_database(engines)?.shipload(&["bench", "-w", "I", "-k", KEYS, "-o", "I1", "-c", "4"])?;
        let visitors = Visitors::start(2, balancer);
        let words =
            ["/shipload", "bench", "-w", "R", "-k", KEYS, "-r", "100", "-c", "2", "-d", "12s", "--json"];
        let readers = nodes.iter().map(|node| node.docker.start(&[&["exec", &node.id][..], &words].concat()));
        let readers = readers.collect::<Result<Vec<_>>>()?;
        manager.line("service scale -d prod_db=2")?;
        let (_, took) = wait::until("a cluster of 2", PATIENCE, || whole(engines, 2))?;
        let told = visitors.stop()?;
        let read = found_by(readers)?;
        let after = hits(&any_database(engines)?)?;
        let found = compare(before, after, told.counted, told.failed)?;
        manager.line("service scale -d prod_db=3")?;
        wait::until("a cluster of 3", PATIENCE, || whole(engines, 3))?;
        // All that was counted is there (compare); a request that was under way when the node ended may be in doubt.
        if told.failed_in_a_row > 1 {
            bail!("{found} {:?}", told.errors);
        }
        Ok(((), format!("2 at rest after {} ms; {read}; {found} {:?}", took.as_millis(), told.errors)))
    })
}

/// What those say who read all records all the time; who reads on the node that goes ends with it.
fn found_by(readers: Vec<Child>) -> Result<String> {
    let (mut read, mut ended) = (0, 0);
    for reader in readers {
        let output = reader.wait_with_output()?;
        if !output.status.success() {
            ended += 1;
            continue;
        }
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let count = |name: &str| told.pointer(&format!("/classes/read/{name}")).and_then(Value::as_u64);
        read += count("operations").context("a reader without reads")?;
        if count("missing") != Some(0) {
            bail!("records were not found: {told}");
        }
    }
    if ended > 1 || read == 0 {
        bail!("{ended} readers ended, {read} reads");
    }
    Ok(format!("{read} reads by the others, none missed"))
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

/// All engines end and start, in an order; a node alone waits for those that it remembers.
fn restart_all(engines: &mut Engines, balancer: SocketAddr, first: bool) -> Result<String> {
    let before = hits(&any_database(engines)?)?;
    for number in 0..3 {
        engines.get_mut(number)?.shut_down()?;
    }
    for number in 0..3 {
        engines.get_mut(number)?.switch_on()?;
        if first && number == 0 {
            let manager = engines.get(0)?;
            let gossip = format!("{}:7946", manager.address()).parse()?;
            wait::until("the manager's network answers", PATIENCE, || answers(gossip))?;
        }
    }
    engines.iter().try_for_each(|engine| engine.wait_ready())?;
    wait::until("three engines are ready", PATIENCE, || ready(engines, 3))?;
    let found = three_again(engines, || Ok(()))?;
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
    Ok(format!("{found}; {} hits, none lost", after.total))
}

/// Whether each engine's network knows all the database's tasks: before, neither names nor addresses lead anywhere.
fn networks_met(engines: &Engines) -> bool {
    let format = "{{len (index .Services \"prod_db\").Tasks}}";
    let words = ["network", "inspect", "-v", "-f", format, "prod"];
    engines.iter().all(|engine| engine.docker.run(&words).is_ok_and(|count| count == "3"))
}

/// Waits for a cluster of three; tells how much of the time Docker's networks needed to find each other again.
fn three_again(engines: &Engines, ready: impl Fn() -> Result<()>) -> Result<String> {
    let (began, mut met) = (Instant::now(), None);
    let (key, took) = wait::until("three nodes are one cluster", LONG, || {
        if met.is_none() && networks_met(engines) {
            met = Some(began.elapsed());
        }
        ready()?;
        whole(engines, 3)
    })?;
    let met = met.unwrap_or(took).as_millis();
    Ok(format!(
        "one cluster of 3 ({key}) after {} ms; Docker's networks met after {met} ms",
        took.as_millis()
    ))
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
