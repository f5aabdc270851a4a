//! Production: three engines, Swarm mode, a load balancer, a web tier (rows 3 to 12 of the scenario).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::engines::{Engines, as_visitor};
use crate::images::{Digests, SHIPLOAD};
use crate::load::{HOST, once};
use crate::seen::places;
use crate::table::Table;
use crate::{fleet, scaling, trouble, wait};

pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The label of the stack's database tasks.
pub(crate) const DATABASES: &str = "label=com.docker.swarm.service.name=prod_db";
/// The label of the stack's pages.
pub(crate) const PAGES: &str = "label=com.docker.swarm.service.name=prod_web";
/// The label of the stack's load balancer.
pub(crate) const BALANCER: &str = "label=com.docker.swarm.service.name=prod_haproxy";
/// `stats:interlock`, as the browser sends it.
const AUTHORIZATION: &str = "Authorization: Basic c3RhdHM6aW50ZXJsb2Nr";

/// What is used of the tree.
pub(crate) struct Tree<'a> {
    /// The folder with the files for Compose and Swarm mode.
    pub(crate) deploy: &'a Path,
    /// The program outside of any container.
    pub(crate) program: &'a Path,
    /// The images.
    pub(crate) digests: &'a Digests,
}

pub(crate) fn run(engines: &mut Engines, tree: &Tree<'_>, table: &mut Table) -> Result<()> {
    form_swarm(engines, table)?;
    let balancer: SocketAddr = format!("{}:80", engines.get(0)?.address()).parse()?;
    published(engines, tree, table)?;
    bring_up(engines, tree, balancer, table)?;
    scaling::run(engines, balancer, table)?;
    fleet::run(engines, tree, balancer, table)?;
    trouble::run(engines, tree.digests, balancer, table)
}

/// A node that sees its engine tells clients outside where they reach it.
fn published(engines: &Engines, tree: &Tree<'_>, table: &mut Table) -> Result<()> {
    let engine = engines.get(0)?;
    table.step("4a", "a published port is the alternate address", || {
        let socket = engine.socket();
        let line = format!("run -d --user 0 -p 3000 -v {socket}:/var/run/docker.sock:ro {SHIPLOAD}");
        let id = engine.docker.line(&line)?;
        let port = engine.docker.run(&["port", &id, "3000/tcp"])?;
        let port =
            port.lines().next().and_then(|line| line.rsplit(':').next()).context("no port")?.to_owned();
        let wanted = format!("{}:{port}", engine.address());
        let (_, took) = wait::until("the node knows its alternate address", PATIENCE, || {
            let words = ["exec", &id, "/shipload", "info", "-v", "service-clear-alt"];
            let told = engine.docker.run(&words)?;
            if told.trim() == wanted { Ok(()) } else { bail!("{told}, not {wanted}") }
        })?;
        let outside = as_visitor(tree.program)
            .args(["info", "-h", &engine.address(), "-p", &port, "-v", "node"])
            .output()
            .context("cannot run ip netns exec")?;
        let node = String::from_utf8_lossy(&outside.stdout).trim().to_owned();
        engine.docker.run(&["rm", "-f", "-v", &id])?;
        if !outside.status.success() || node.is_empty() {
            bail!("{}", String::from_utf8_lossy(&outside.stderr));
        }
        Ok(((), format!("{wanted} known after {} ms; from outside it is node {node}", took.as_millis())))
    })
}

fn form_swarm(engines: &Engines, table: &mut Table) -> Result<()> {
    let manager = engines.get(0)?;
    table.step("3", "engines: swarm init and join", || {
        let (address, docker) = (manager.address(), &manager.docker);
        docker.line(&format!("swarm init --advertise-addr {address} --listen-addr {address}:2377"))?;
        let token = docker.line("swarm join-token -q worker")?;
        for engine in engines.iter().skip(1) {
            engine.docker.line(&format!("swarm join --token {token} {address}:2377"))?;
        }
        let (_, took) = wait::until("three engines are ready", PATIENCE, || ready(engines, 3))?;
        docker.line(&format!("node update --label-add balancer=yes {}", manager.name()))?;
        Ok(((), format!("3 ready {} ms after the last join", took.as_millis())))
    })?;
    table.step("4", "network: one overlay for all", || {
        manager.docker.line("network create -d overlay --attachable prod")?;
        // A plain container on one engine, asked by its name from another engine.
        let (here, there) = (&engines.get(1)?.docker, &engines.get(2)?.docker);
        there.line(&format!("run -d --name far --network prod {SHIPLOAD}"))?;
        let (node, took) = wait::until("a container on another engine answers", PATIENCE, || {
            here.line(&format!("run --rm --network prod {SHIPLOAD} info -h far -v node"))
        })?;
        there.line("rm -f -v far")?;
        let node = node.trim();
        Ok(((), format!("attachable; from engine-1 node {node} on engine-2 after {} ms", took.as_millis())))
    })
}

/// Fails unless so many engines are ready.
pub(crate) fn ready(engines: &Engines, count: usize) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    let nodes = manager.run(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"])?;
    let ready = nodes.lines().filter(|line| line.ends_with("Ready")).count();
    if ready != count {
        bail!("{ready} of {count} engines are ready");
    }
    Ok(())
}

fn bring_up(engines: &Engines, tree: &Tree<'_>, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let manager = &engines.get(0)?.docker;
    table.step("5", "stack deploy", || {
        let file = tree.deploy.join("stack.yaml").display().to_string();
        manager.run_with(
            &tree.digests.variables(),
            &["stack", "deploy", "-c", &file, "--resolve-image", "never", "prod"],
        )?;
        let (_, took) =
            wait::until("the page counts behind the load balancer", PATIENCE, || visited(balancer))?;
        // The first visitor came in before the load balancer's first look at the page, and was kept waiting by the page
        // itself. Who comes next is turned away until a look has succeeded.
        wait::until("the load balancer sees the page", PATIENCE, || match pages_up(balancer, "prod")? {
            1 => Ok(()),
            up => bail!("{up} pages are up"),
        })?;
        if manager.containers(&[BALANCER])?.len() != 1 || spread(engines, BALANCER)? != 1 {
            bail!("the load balancer is not on {} alone", engines.get(0)?.name());
        }
        Ok(((), format!("first page {} ms after deploy; load balancer on engine-0 only", took.as_millis())))
    })?;
    table.step("6", "the load balancer knows the host", || {
        visited(balancer)?;
        Ok(((), format!("Host: {HOST} -> 200")))
    })?;
    table.step("8", "statistics page", || {
        let without = once(balancer, "/haproxy?stats", &[])?.status;
        let with = once(balancer, "/haproxy?stats", &[AUTHORIZATION])?.status;
        if (without, with) != (401, 200) {
            bail!("{without} without and {with} with the password");
        }
        Ok(((), format!("{without} without, {with} with stats:interlock")))
    })
}

/// Fails unless the page is served.
pub(crate) fn visited(balancer: SocketAddr) -> Result<()> {
    let answer = once(balancer, "/", &[])?;
    if answer.status != 200 {
        bail!("status {}: {}", answer.status, answer.body.trim());
    }
    Ok(())
}

/// How many pages the load balancer sends visitors to, in the backend of this name.
pub(crate) fn pages_up(balancer: SocketAddr, backend: &str) -> Result<usize> {
    let sheet = once(balancer, "/haproxy?stats;csv", &[AUTHORIZATION])?.body;
    let mut lines = sheet.lines();
    let heads: Vec<&str> =
        lines.next().context("no statistics")?.trim_start_matches("# ").split(',').collect();
    let column = heads.iter().position(|head| *head == "status").context("no column `status`")?;
    let whole = format!("{backend},BACKEND");
    let servers = lines.filter(|line| line.starts_with(&format!("{backend},")) && !line.starts_with(&whole));
    Ok(servers
        .filter(|line| line.split(',').nth(column).is_some_and(|state| state.starts_with("UP")))
        .count())
}

/// On how many different engines tasks of a service run.
pub(crate) fn spread(engines: &Engines, filter: &str) -> Result<usize> {
    let mut busy = BTreeSet::new();
    for engine in engines.iter().filter(|engine| engine.is_on()) {
        if !engine.docker.containers(&[filter])?.is_empty() {
            busy.insert(engine.name());
        }
    }
    Ok(busy.len())
}

/// Any database container.
pub(crate) fn any_database(engines: &Engines) -> Result<crate::seen::Place> {
    places(engines, DATABASES)?.into_iter().next().context("no database runs")
}
