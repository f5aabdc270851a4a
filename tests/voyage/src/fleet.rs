//! The fleet's own commands against the running Swarm, and what they say to bad input.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engines::Engines;
use crate::load::Visitors;
use crate::production::{DATABASES, PATIENCE};
use crate::seen::{one_cluster, places};
use crate::table::Table;
use crate::wait;

/// The program outside of any container, towards the manager.
struct Fleet {
    program: PathBuf,
    host: String,
}

impl Fleet {
    /// Whether it succeeded, and all that it printed.
    fn run(&self, line: &str) -> Result<(bool, String)> {
        let mut words = line.split_whitespace();
        let command = words.next().context("no command")?;
        let output = Command::new(&self.program)
            .arg(command)
            .args(["--engine", &self.host])
            .args(words)
            .env("DOCKER_HOST", &self.host)
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), text.trim().to_owned()))
    }

    /// What it printed; fails when it failed.
    fn done(&self, line: &str) -> Result<String> {
        match self.run(line)? {
            (true, text) => Ok(text),
            (false, text) => bail!("shipload {line}: {text}"),
        }
    }

    /// What it said against it; fails when it succeeded or said something else.
    fn refused(&self, line: &str, because: &str) -> Result<String> {
        match self.run(line)? {
            (false, text) if text.contains(because) => Ok(text),
            (_, text) => bail!("shipload {line} was to be refused because of '{because}': {text}"),
        }
    }
}

pub(crate) fn run(engines: &Engines, program: &Path, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let host = format!("unix://{}", engines.get(0)?.socket());
    let fleet = Fleet { program: program.to_owned(), host };
    table.step("F1", "shipload doctor, shipload status", || {
        let found = fleet.done("doctor")?;
        let status = fleet.done("status")?;
        if !status.contains("prod_db: one cluster of 3, at rest") {
            bail!("{status}");
        }
        Ok(((), format!("{} findings, cluster of 3 at rest", found.lines().count())))
    })?;
    table.step("F2", "shipload scale: refuses, drains, grows", || {
        fleet.refused("scale db=1", "keeps 2 copies")?;
        fleet.refused("scale db=4", "can't be placed")?;
        let visitors = Visitors::start(2, balancer);
        fleet.done("scale db=2")?;
        fleet.done("scale db=3 web=4")?;
        wait::until("a cluster of 3", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 3))?;
        let told = visitors.stop()?;
        let found = format!(
            "db=1 and db=4 refused; 3, 2, 3 with {} visits, {} failed {:?}",
            told.counted, told.failed, told.errors
        );
        // A request that is under way when a node ends may be in doubt; two in a row must not be.
        if told.failed_in_a_row > 1 { bail!("{found}") } else { Ok(((), found)) }
    })?;
    table.step("F3", "shipload rollout: one node at a time", || {
        let old: Vec<String> = places(engines, DATABASES)?.into_iter().map(|place| place.id).collect();
        let visitors = Visitors::start(2, balancer);
        fleet.done("rollout db --patience-s 120")?;
        let told = visitors.stop()?;
        let now = places(engines, DATABASES)?;
        if now.iter().any(|place| old.contains(&place.id)) {
            bail!("an old task runs");
        }
        if told.failed_in_a_row > 1 {
            bail!("{} failures in a row {:?}", told.failed_in_a_row, told.errors);
        }
        Ok(((), format!("all new; {} visits, {} failed", told.counted, told.failed)))
    })?;
    table.step("F4", "shipload autoscale: dry run", || {
        let docker = &engines.get(0)?.docker;
        docker.line(
            "service update -d --label-add shipload.autoscale.max=2 --label-add shipload.autoscale.cpu-pct=50 prod_web",
        )?;
        let said = fleet.done("autoscale --dry-run --once")?;
        if !said.contains("prod_web: 4 -> 2") {
            bail!("{said}");
        }
        Ok(((), said))
    })?;
    bad_input(engines, &fleet, table)
}

fn bad_input(engines: &Engines, fleet: &Fleet, table: &mut Table) -> Result<()> {
    table.step("F5", "bad input: said, and nothing is touched", || {
        let before = places(engines, DATABASES)?.len();
        let nowhere = Fleet { program: fleet.program.clone(), host: "unix:///no/such.sock".to_owned() };
        nowhere.refused("status", "no engine at unix:///no/such.sock")?;
        nowhere.refused("scale db=3", "is the engine running?")?;
        fleet.refused("scale nothing=3", "there is no service 'nothing'")?;
        fleet.refused("status --tls-ca /no/ca --tls-cert /no/cert --tls-key /no/key", "is no file")?;
        let file = std::env::temp_dir().join(format!("voyage-{}.yaml", std::process::id()));
        let text = "version: \"3.8\"\nservices:\n  db:\n    image: shipload:dev\n    frobnicate: yes\n";
        std::fs::write(&file, text)?;
        let said = fleet.refused(&format!("deploy prod --file {}", file.display()), "frobnicate");
        std::fs::remove_file(&file)?;
        said?;
        std::thread::sleep(Duration::from_secs(1));
        let after = places(engines, DATABASES)?.len();
        if before != after {
            bail!("{before} databases ran, now {after}");
        }
        Ok((
            (),
            "no engine, no service, no certificate, unknown key: each named; all tasks run on".to_owned(),
        ))
    })
}
