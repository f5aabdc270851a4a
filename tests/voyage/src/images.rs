//! The images, built on the first engine from the tree and from Debian's parts, and carried to the others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::docker::Docker;
use crate::engines::Engines;
use crate::seen::{one_cluster, places};
use crate::table::Table;
use crate::wait;

/// The database, its tools and the page.
pub(crate) const SHIPLOAD: &str = "shipload:dev";
/// The load balancer.
pub(crate) const HAPROXY: &str = "haproxy:2.6";
/// The load balancer with the watcher in front.
pub(crate) const WATCHER: &str = "shipload-watch:dev";
/// Larger is a defect.
const BYTES_MAX: u64 = 30_000_000;

/// The same images by what they hold: the names for files of Compose and Swarm.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    pub(crate) shipload: String,
    pub(crate) haproxy: String,
}

impl Digests {
    /// As the files want them.
    pub(crate) fn variables(&self) -> [(&str, &str); 2] {
        [("SHIPLOAD_IMAGE", &self.shipload), ("HAPROXY_IMAGE", &self.haproxy)]
    }
}

/// Builds both images, and brings them to all engines.
pub(crate) fn bring(engines: &Engines, context: &Path, table: &mut Table) -> Result<Digests> {
    let first = &engines.get(0)?.docker;
    table.step("2", "image", || {
        first.run(&["build", "-q", "-t", SHIPLOAD, &context.display().to_string()])?;
        let size = first.run(&["image", "inspect", "-f", "{{.Size}} {{.Config.User}}", SHIPLOAD])?;
        let (bytes, user) = size.split_once(' ').context("no size")?;
        let bytes: u64 = bytes.parse()?;
        if bytes > BYTES_MAX || user.is_empty() || user.starts_with('0') {
            bail!("{bytes} bytes, user '{user}'");
        }
        // There is no shell that could be run.
        if first.line("run --rm --entrypoint /bin/sh shipload:dev -c true").is_ok() {
            bail!("there is a shell in the image");
        }
        let serves = first_request(first)?;
        Ok((
            (),
            format!(
                "{:.1} MB, user {user}, no shell; {} ms from run to first served request",
                mb(bytes),
                serves.as_millis()
            ),
        ))
    })?;
    table.step("2a", "docker run, three times", || {
        first.line("network create three")?;
        let began = Instant::now();
        for _ in 0..3 {
            first.line(
                "run -d --network three --network-alias three --label three=yes -e SEEDS=three shipload:dev",
            )?;
        }
        let started = began.elapsed();
        wait::until("a cluster of 3", Duration::from_secs(60), || {
            one_cluster(&places(engines, "label=three=yes")?, 3)
        })?;
        let formed = began.elapsed();
        first.remove_all()?;
        first.line("network rm three")?;
        let (started, formed) = (started.as_millis(), formed.as_millis());
        Ok((
            (),
            format!(
                "{formed} ms from the first run to a cluster of three at rest, {started} of them Docker's"
            ),
        ))
    })?;
    haproxy(first)?;
    let folder = context.join("watch");
    std::fs::create_dir_all(&folder)?;
    let lines = format!(
        "FROM {HAPROXY}\nCOPY --from={SHIPLOAD} /shipload /shipload\nENTRYPOINT [\"/shipload\", \"watch\"]\n"
    );
    std::fs::write(folder.join("Dockerfile"), lines)?;
    first.run(&["build", "-q", "-t", WATCHER, &folder.display().to_string()])?;
    for engine in engines.iter().skip(1) {
        first.carry(SHIPLOAD, &engine.docker)?;
        first.carry(HAPROXY, &engine.docker)?;
    }
    let digest = |name| first.run(&["image", "inspect", "-f", "{{.Id}}", name]);
    Ok(Digests { shipload: digest(SHIPLOAD)?, haproxy: digest(HAPROXY)? })
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// How long from `docker run` to an answer of the service port.
fn first_request(docker: &Docker) -> Result<Duration> {
    let began = Instant::now();
    let id = docker.line("run -d --network none shipload:dev")?;
    let asked = wait::until("the node serves", Duration::from_secs(30), || {
        docker.run(&["exec", &id, "/shipload", "info", "-v", "node"])
    });
    let took = began.elapsed();
    docker.run(&["rm", "-f", &id])?;
    asked.map(|_| took)
}

/// An image of Debian's program and the libraries that it needs.
fn haproxy(docker: &Docker) -> Result<()> {
    let libraries = Command::new("ldd").arg("/usr/sbin/haproxy").output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&libraries.stdout).into_owned();
    let mut files: Vec<PathBuf> =
        text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    files.push("/usr/sbin/haproxy".into());
    let mut tar = Command::new("tar")
        .args(["-c", "-h", "--absolute-names", "-f", "-"])
        .args(&files)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run tar")?;
    let stream = tar.stdout.take().context("tar has no output")?;
    let path = "ENV PATH=/usr/sbin:/usr/bin";
    docker.import(stream, &["--change", path, "-", HAPROXY])?;
    if !tar.wait()?.success() {
        bail!("tar failed");
    }
    Ok(())
}
