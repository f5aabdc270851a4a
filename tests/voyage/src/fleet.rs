//! The fleet's own commands against the running Swarm, and what they say to bad input.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::engines::{Engines, TLS_PORT, as_visitor};
use crate::load::Visitors;
use crate::production::{DATABASES, PATIENCE, Tree};
use crate::seen::{one_cluster, places};
use crate::table::Table;
use crate::wait;

/// The program outside of any container, towards the manager.
struct Fleet {
    program: PathBuf,
    host: String,
    /// A folder with certificates; none for an engine without TLS.
    certificates: Option<String>,
}

impl Fleet {
    /// Whether it succeeded, and all that it printed.
    fn run(&self, line: &str) -> Result<(bool, String)> {
        let mut words = line.split_whitespace();
        let command = words.next().context("no command")?;
        // An engine's port is reached from where the visitors are, its socket from here.
        let mut program =
            if self.certificates.is_some() { as_visitor(&self.program) } else { Command::new(&self.program) };
        if let Some(folder) = &self.certificates {
            program.env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", folder);
        }
        let output = program
            .arg(command)
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

    /// Lets `shipload autoscale` follow a file of policies until it has said all of this (`$`: at the end of a line); what it said.
    fn follow(&self, file: &Path, wanted: &[&str]) -> Result<String> {
        let mut child = as_visitor(&self.program)
            .args(["autoscale", "--every-s", "1", "--engine", &self.host, "--policy"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run ip netns exec")?;
        let lines = child.stderr.take().context("no lines")?;
        let (reader, lines) = lines_of(lines);
        let (mut said, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        let mut missing = wanted.to_vec();
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else { break };
            missing.retain(|text| match text.strip_suffix('$') {
                Some(end) => !line.ends_with(end),
                None => !line.contains(text),
            });
            said.push(line);
        }
        // As an operator ends it; a step that is under way is told before.
        let id = Pid::from_raw(i32::try_from(child.id())?).context("a process without id")?;
        kill_process(id, Signal::TERM)?;
        child.wait()?;
        let _ = reader.join();
        said.extend(lines.try_iter());
        if !missing.is_empty() {
            bail!("it did not say {missing:?}: {}", said.join("; "));
        }
        Ok(said.join("; "))
    }

    /// What it said against it; fails when it succeeded or said something else.
    fn refused(&self, line: &str, because: &str) -> Result<String> {
        match self.run(line)? {
            (false, text) if text.contains(because) => Ok(text),
            (_, text) => bail!("shipload {line} was to be refused because of '{because}': {text}"),
        }
    }
}

/// Reads lines on a thread of its own.
fn lines_of(stream: ChildStderr) -> (JoinHandle<()>, Receiver<String>) {
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    (reader, lines)
}

pub(crate) fn run(engines: &Engines, tree: &Tree<'_>, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let host = format!("unix://{}", engines.get(0)?.socket());
    let fleet = Fleet { program: tree.program.to_owned(), host, certificates: None };
    table.step("F0", "shipload deploy: pins, changes nothing that fits", || {
        let before: Vec<String> = places(engines, DATABASES)?.into_iter().map(|place| place.id).collect();
        // The file says how many tasks there are at first; this one says how many there are now.
        let text = std::fs::read_to_string(tree.deploy.join("stack.yaml"))?;
        let text = text.replacen("replicas: 1", "replicas: 3", 1).replacen("replicas: 1", "replicas: 4", 1);
        let file = engines.folder().join("stack.yaml");
        std::fs::write(&file, text)?;
        std::fs::copy(tree.deploy.join("haproxy.cfg"), engines.folder().join("haproxy.cfg"))?;
        let said = fleet.done(&format!("deploy prod --file {}", file.display()))?;
        let pinned = format!("image shipload:dev is {}", tree.digests.shipload);
        if !said.contains(&pinned) {
            bail!("{said}");
        }
        let (_, _) = wait::until("three nodes are one cluster", PATIENCE, || {
            one_cluster(&places(engines, DATABASES)?, 3)
        })?;
        let after: Vec<String> = places(engines, DATABASES)?.into_iter().map(|place| place.id).collect();
        if before != after {
            bail!("databases were replaced: {before:?}, {after:?}");
        }
        Ok(((), format!("{pinned}; all databases run on")))
    })?;
    table.step("F1", "shipload doctor, shipload status", || {
        let found = fleet.done("doctor")?;
        if !found.contains("prod: attachable; packets of at most 1450 bytes, no multicast") {
            bail!("{found}");
        }
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
    grows(engines, &fleet, balancer, table)?;
    grows_and_shrinks(engines, &fleet, balancer, table)?;
    bad_input(engines, &fleet, table)?;
    with_tls(engines, tree, table)?;
    from_afar(engines, &fleet, table)
}

/// A database none of whose tasks run on the engine that is asked, and no neighbour of it either.
fn from_afar(engines: &Engines, fleet: &Fleet, table: &mut Table) -> Result<()> {
    table.step("F7", "shipload status: a database on another engine", || {
        let docker = &engines.get(0)?.docker;
        let other = engines.get(1)?.name();
        docker.line(&format!(
            "service create -d --name solo --network prod --endpoint-mode dnsrr --label shipload.role=database \
             --constraint node.hostname=={other} --no-resolve-image shipload:dev"
        ))?;
        let (_, took) = wait::until("its node answers", PATIENCE, || {
            let (_, said) = fleet.run("status")?;
            if said.contains("solo: one cluster of 1, at rest") { Ok(()) } else { bail!("{said}") }
        })?;
        docker.line("service rm solo")?;
        let left = docker.containers(&["label=shipload.visit"])?.len();
        if left > 0 {
            bail!("{left} containers that asked are left behind");
        }
        Ok(((), format!("asked by a container that goes again; known after {} ms", took.as_millis())))
    })
}

/// More pages because of the requests that the load balancer counts, by a file of policies that overrules labels.
fn grows(engines: &Engines, fleet: &Fleet, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("F4a", "shipload autoscale: a file, requests of pages", || {
        let file = engines.folder().join("autoscale.toml");
        let text = format!(
            "balancer = \"http://stats:interlock@{balancer}/haproxy?stats\"\n[web]\nmax = 5\nrequests = 1\nbackend = \"prod\"\n"
        );
        std::fs::write(&file, text)?;
        let visitors = Visitors::start(2, balancer);
        let said = fleet.follow(&file, &["prod_web: 4 -> 5: requests", "prod_web: 4 -> 5$", "its labels do not"])?;
        let told = visitors.stop()?;
        if !said.contains("prod_web: 4 -> 5: requests") || !said.contains("its labels do not") || told.misled() > 0 {
            bail!("{said}; {} of {} visits failed {:?}", told.failed, told.counted + told.failed, told.errors);
        }
        Ok(((), format!("{said}; {} visits, 0 failed", told.counted)))
    })
}

/// A database that grows because of its requests, as far as it can be placed, and shrinks by handing over.
fn grows_and_shrinks(
    engines: &Engines,
    fleet: &Fleet,
    balancer: SocketAddr,
    table: &mut Table,
) -> Result<()> {
    table.step("F4b", "shipload autoscale: a database", || {
        let file = engines.folder().join("autoscale-db.toml");
        let policy = |text: &str| std::fs::write(&file, format!("[db]\n{text}\ncooldown-s = 1\n"));
        let visitors = Visitors::start(2, balancer);
        policy("min = 2\nmax = 4\nrequests = 0.1")?;
        let more = fleet.follow(&file, &["prod_db: 3 -> 4: requests", "4 can't be placed"])?;
        policy("min = 2\nmax = 4\nrequests = 1000000")?;
        let fewer = fleet.follow(
            &file,
            &["prod_db: 3 -> 2: what is left carries it easily", "prod_db: 2 nodes, at rest"],
        )?;
        wait::until("a cluster of 2", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 2))?;
        policy("min = 2\nmax = 4\nrequests = 0.1")?;
        let again = fleet.follow(&file, &["prod_db: 2 -> 3: requests", "prod_db: 3 nodes, at rest"])?;
        wait::until("a cluster of 3", PATIENCE, || one_cluster(&places(engines, DATABASES)?, 3))?;
        let told = visitors.stop()?;
        let found = format!(
            "{more}; {fewer}; {again}; {} visits, {} failed {:?}",
            told.counted, told.failed, told.errors
        );
        if told.failed_in_a_row > 1 { bail!("{found}") } else { Ok(((), found)) }
    })
}

/// The manager over its port with TLS.
fn with_tls(engines: &Engines, tree: &Tree<'_>, table: &mut Table) -> Result<()> {
    table.step("F6", "an engine with TLS, and certificates that do not fit", || {
        let engine = engines.get(0)?;
        let as_whom = |whom: &str| Fleet {
            program: tree.program.to_owned(),
            host: format!("tcp://{}:{TLS_PORT}", engine.address()),
            certificates: Some(engine.certificates.of(whom)),
        };
        let own = as_whom("client");
        let status = own.done("status")?;
        if !status.contains("prod_db: one cluster of 3, at rest") {
            bail!("{status}");
        }
        own.done("scale web=4")?;
        as_whom("misled").refused("status", "not signed by the authority that you named")?;
        as_whom("stranger").refused("status", "does not accept our certificate")?;
        as_whom("nobody").refused("status", "is no file")?;
        let bare = Fleet { host: format!("tcp://{}:{TLS_PORT}", engine.address()), ..as_whom("client") };
        // Without certificates, from the same place.
        let said = as_visitor(&bare.program).args(["status", "--engine", &bare.host]).output()?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        if !said.contains("it speaks TLS there") {
            bail!("without certificates: {said}");
        }
        Ok((
            (),
            "status and scale over TLS; wrong authority, stranger, no files, no TLS: each told apart"
                .to_owned(),
        ))
    })
}

fn bad_input(engines: &Engines, fleet: &Fleet, table: &mut Table) -> Result<()> {
    table.step("F5", "bad input: said, and nothing is touched", || {
        let before = places(engines, DATABASES)?.len();
        let nowhere = Fleet {
            program: fleet.program.clone(),
            host: "unix:///no/such.sock".to_owned(),
            certificates: None,
        };
        nowhere.refused("status", "no engine at unix:///no/such.sock")?;
        nowhere.refused("scale db=3", "is the engine running?")?;
        fleet.refused("scale nothing=3", "there is no service 'nothing'")?;
        fleet.refused("status --tls-ca /no/ca --tls-cert /no/cert --tls-key /no/key", "is no file")?;
        let file = std::env::temp_dir().join(format!("voyage-{}.yaml", std::process::id()));
        let text = "version: \"3.8\"\nservices:\n  db:\n    image: shipload:dev\n    frobnicate: yes\n    \
                    deploy: {replicas: 3}\n";
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
