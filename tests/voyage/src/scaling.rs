//! More and fewer pages, more databases (rows 7 and 9 to 12 of the scenario).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engines::Engines;
use crate::load::Visitors;
use crate::production::{DATABASES, PAGES, PATIENCE, any_database, pages_up, spread};
use crate::seen::{hits, one_cluster, places};
use crate::table::Table;
use crate::wait;

/// What is aimed at, from the command on; a busy machine may need longer, so it is told and not asserted.
const PAGES_VISIBLE_AIM: Duration = Duration::from_secs(5);
const CLUSTER_AIM: Duration = Duration::from_secs(10);

/// How long something took, beside what is aimed at.
fn beside(took: Duration, aim: Duration) -> String {
    let verdict = if took <= aim { "within" } else { "MISSES" };
    format!("{} ms ({verdict} the aim of {} s)", took.as_millis(), aim.as_secs())
}

pub(crate) fn run(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    pages(engines, balancer, table)?;
    databases(engines, table)?;
    data(engines, table)
}

fn pages(engines: &Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("7", "web 1 to 4, 4 to 2, kill one, no failure", || {
        let visitors = Visitors::start(2, balancer);
        let scale = |count: usize| -> Result<Duration> {
            manager.line(&format!("service scale -d prod_web={count}"))?;
            let (_, took) =
                wait::until("the load balancer follows", PATIENCE, || match pages_up(balancer, "prod")? {
                    up if up == count => Ok(()),
                    up => bail!("{up} of {count} pages are up"),
                })?;
            Ok(took)
        };
        let up = scale(4)?;
        let down = scale(2)?;
        // Swarm ends the tasks after their names are gone; the visitors stay until they are.
        wait::until("two pages run", PATIENCE, || match places(engines, PAGES)?.len() {
            2 => Ok(()),
            count => bail!("{count} run"),
        })?;
        let victim = places(engines, PAGES)?.into_iter().next().context("no page runs")?;
        victim.docker.run(&["kill", &victim.id])?;
        wait::until("two pages are up again", PATIENCE, || match pages_up(balancer, "prod")? {
            2 if places(engines, PAGES)?.iter().all(|place| place.id != victim.id) => Ok(()),
            count => bail!("{count} up"),
        })?;
        let told = visitors.stop()?;
        let found = format!(
            "4 up after {}, 2 after {} ms; {} visits, {} failed {:?}",
            beside(up, PAGES_VISIBLE_AIM),
            down.as_millis(),
            told.counted,
            told.failed,
            told.errors
        );
        if told.misled() > 0 {
            bail!("{found}");
        }
        Ok(((), found))
    })
}

fn databases(engines: &Engines, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("10", "database 1 to 3, no sidecar", || {
        manager.line("service scale -d prod_db=3")?;
        let (key, took) =
            wait::until("a cluster of 3", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 3))?;
        let engines_used = spread(engines, DATABASES)?;
        let found = format!(
            "size 3 everywhere after {}, key {key}, on {engines_used} engines",
            beside(took, CLUSTER_AIM)
        );
        if engines_used != 3 {
            bail!("{found}");
        }
        Ok(((), found))
    })?;
    table.step("9", "a 4th database on 3 engines waits", || {
        manager.line("service scale -d prod_db=4")?;
        let (text, _) = wait::until("the 4th task is refused", PATIENCE, || {
            let format = "{{.CurrentState}}|{{.Error}}";
            let tasks = manager.run(&["service", "ps", "--no-trunc", "--format", format, "prod_db"])?;
            let pending =
                tasks.lines().find(|line| line.starts_with("Pending") && line.contains("max replica"));
            pending.map(str::to_owned).context("no task is pending")
        })?;
        let listed = manager.line("service ls --filter name=prod_db --format {{.Replicas}}")?;
        manager.line("service scale -d prod_db=3")?;
        wait::until("a cluster of 3", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 3))?;
        let reason: String =
            text.split_once('|').map_or(text.as_str(), |(_, reason)| reason).chars().take(60).collect();
        if listed != "3/4 (max 1 per node)" {
            bail!("{listed}; {reason}");
        }
        Ok(((), format!("{listed}: {reason}")))
    })
}

fn data(engines: &Engines, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("11", "the tools see the cluster by its name", || {
        let sheet = manager.line("run --rm --network prod shipload:dev info -h tasks.db")?;
        let rows = sheet.lines().filter(|line| line.contains("True")).count();
        let words =
            ["Service Information", "Build", "Cluster", "Integrity", "Principal", "Migrates", "Uptime"];
        let more = ["Network Information", "Number of rows: 3"];
        if let Some(word) = words.iter().chain(&more).find(|word| !sheet.contains(**word)) {
            bail!("no '{word}' in {sheet}");
        }
        if rows < 3 {
            bail!("{sheet}");
        }
        let slots = (1..=3).map(|slot| {
            let line = format!("run --rm --network prod shipload:dev info -h prod_db-{slot} -v node");
            Ok(manager.line(&line)?.trim().to_owned())
        });
        let slots = slots.collect::<Result<Vec<_>>>()?;
        if slots.iter().collect::<BTreeSet<_>>().len() != 3 {
            bail!("{slots:?}");
        }
        Ok(((), format!("3 nodes by tasks.db; prod_db-1 to 3 are {}", slots.join(", "))))
    })?;
    table.step("12", "data: three ways to count the hits agree", || {
        let seen = hits(&any_database(engines)?)?;
        // Four pages had their turns.
        if seen.total != seen.by_server || seen.total != seen.records || seen.servers < 4 {
            bail!("{seen:?}");
        }
        Ok((
            (),
            format!(
                "total_hits {} = sum over {} servers {} = records {}",
                seen.total, seen.servers, seen.by_server, seen.records
            ),
        ))
    })
}
