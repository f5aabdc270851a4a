//! `shipload deploy`: looks whether a stack can run here, makes its network, and hands its file to Docker.
//!
//! The file stays Docker's: what Docker refuses is refused here in the same words, before anything is made or touched.
//! Images are handed over by their digests, so that all engines run the same ones, today and after a restart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use shipload_fleet::engine::{Engine, TaskSeen, is_pinned};

use super::stack_file::{shrunk, sizes};
use super::{At, tell};

/// The files of the folder `deploy`.
const FILES: [(&str, &str); 3] = [
    ("compose.yaml", include_str!("../../../../deploy/compose.yaml")),
    ("stack.yaml", include_str!("../../../../deploy/stack.yaml")),
    ("haproxy.cfg", include_str!("../../../../deploy/haproxy.cfg")),
];

/// Between two looks at the tasks.
const LOOK: Duration = Duration::from_millis(300);

/// Flags of `shipload deploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The name of the stack, and of its network
    #[arg(
        value_name = "STACK",
        required_unless_present = "write_files",
        default_value = "",
        hide_default_value = true
    )]
    stack: String,
    /// Only write the files for Compose and Swarm mode into ./deploy, to be read, changed and kept
    #[arg(long, conflicts_with = "stack")]
    write_files: bool,
    /// A file for Swarm mode
    #[arg(long, short = 'c', default_value = "deploy/stack.yaml", value_name = "FILE")]
    file: PathBuf,
    /// The image of database and pages: NAME:TAG, NAME@sha256:... or sha256:...
    #[arg(long, env = "SHIPLOAD_IMAGE", default_value = "shipload:dev", value_name = "IMAGE")]
    image: String,
    /// The image of the load balancer
    #[arg(long, env = "HAPROXY_IMAGE", default_value = "haproxy:2.6", value_name = "IMAGE")]
    balancer_image: String,
    /// Hand over names of images as they are, not their digests
    #[arg(long)]
    by_name: bool,
    /// Take images as they are on the engines, without asking a registry
    #[arg(long)]
    local_images: bool,
    /// How long to wait until all tasks run, in seconds; 0 does not wait
    #[arg(long, default_value_t = 90, value_name = "S")]
    wait_s: u64,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    if args.write_files {
        return write_files(Path::new("deploy"));
    }
    if !args.file.is_file() {
        bail!(
            "{} is no file; name one with --file, or let `shipload deploy --write-files` make some",
            args.file.display()
        );
    }
    let engine = args.at.connect().await?;
    let engines = engine.engines().await?;
    let image = pin(&engine, &args.image, args.by_name).await?;
    let balancer = pin(&engine, &args.balancer_image, args.by_name).await?;
    let images = [("SHIPLOAD_IMAGE", &image), ("HAPROXY_IMAGE", &balancer)];
    let local =
        args.local_images || [&image, &balancer].into_iter().any(|image| image.starts_with("sha256:"));

    // The client of Docker 23 and later can read a file without doing anything; an older one reads it below.
    let mut read = args.at.docker()?;
    read.envs(images).args(["stack", "config", "-c"]).arg(&args.file);
    let read = read.output().context("cannot run docker, whose client reads stack files")?;
    let said = String::from_utf8_lossy(&read.stderr);
    let older = ["unknown shorthand", "unknown flag", "is not a docker command", "Usage:"];
    if !read.status.success() && !older.iter().any(|text| said.contains(text)) {
        bail!("Docker does not take {}: {}", args.file.display(), said.trim());
    }

    // What Docker made of the file, or the file itself where the client is too old to tell.
    let told = String::from_utf8_lossy(&read.stdout).into_owned();
    let text = if read.status.success() { told } else { std::fs::read_to_string(&args.file)? };
    let services = engine.services().await?;
    if let Some((name, now, wanted)) = shrunk(&sizes(&text), &args.stack, &services).first() {
        bail!(
            "{name} has {now} nodes and {} says {wanted}: Docker would end the others at once, with their records. \
             Write `replicas: {now}` there, or go down one at a time: shipload scale {name}={wanted}",
            args.file.display()
        );
    }

    engine.ensure_overlay(&args.stack).await?;
    tell(format!("{} engines are ready; network {} is there", engines.len(), args.stack));
    let mut deploy = args.at.docker()?;
    deploy.envs(images).args(["stack", "deploy", "-c"]).arg(&args.file);
    if local {
        deploy.args(["--resolve-image", "never"]);
    }
    let status = deploy.arg(&args.stack).status().context("cannot run docker")?;
    if !status.success() {
        bail!("Docker did not take {}; what ran before runs on", args.file.display());
    }
    let wait = Duration::from_secs(args.wait_s);
    Ok(if wait.is_zero() || come_up(&engine, &args.stack, wait).await? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes the files that this program brings along; what is there already stays as it is.
fn write_files(folder: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        if path.exists() {
            tell(format!("{} is there already and stays as it is", path.display()));
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
        tell(format!("{} is written", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until all tasks of a stack run, and tells of each service when they do; else what they wait for.
async fn come_up(engine: &Engine, stack: &str, wait: Duration) -> Result<bool> {
    let began = Instant::now();
    let prefix = format!("{stack}_");
    let mut up = BTreeSet::new();
    loop {
        let mut waiting = Vec::new();
        for service in engine.services().await?.into_iter().filter(|one| one.name.starts_with(&prefix)) {
            let tasks = engine.tasks(&service.name).await?;
            let late: Vec<&TaskSeen> = tasks.iter().filter(|task| task.wanted && !task.running).collect();
            let running = u64::try_from(tasks.len() - late.len()).unwrap_or(u64::MAX);
            if late.is_empty() && service.replicas.is_none_or(|wanted| running >= wanted) {
                if up.insert(service.name.clone()) {
                    let took = began.elapsed().as_secs_f32();
                    tell(format!("{}: {running} running after {took:.1} s", service.name));
                }
                continue;
            }
            let reasons =
                late.iter().map(|task| format!("{}: task {} is {}", service.name, task.slot, task.state));
            waiting.extend(reasons);
        }
        if waiting.is_empty() && !up.is_empty() {
            return Ok(true);
        }
        if began.elapsed() > wait {
            for reason in waiting {
                tell(reason);
            }
            tell(format!("not all tasks of {stack} run after {} s; Docker goes on trying", wait.as_secs()));
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The image by its digest, unless its name is wanted or this engine does not have it.
pub(super) async fn pin(engine: &Engine, image: &str, by_name: bool) -> Result<String> {
    if by_name || is_pinned(image) {
        return Ok(image.to_owned());
    }
    match engine.pinned(image).await? {
        Some(pinned) => {
            tell(format!("image {image} is {pinned}"));
            Ok(pinned)
        }
        None => {
            tell(format!("image {image} is not on this engine; each engine asks its registry for that name"));
            Ok(image.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write_files;

    #[test]
    fn files_are_written_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("deploy");
        write_files(&folder).expect("written");
        let stack = folder.join("stack.yaml");
        assert!(std::fs::read_to_string(&stack).expect("there").contains("max_replicas_per_node: 1"));
        std::fs::write(&stack, "mine").expect("written");
        write_files(&folder).expect("written");
        assert_eq!(std::fs::read_to_string(&stack).expect("there"), "mine");
    }
}
