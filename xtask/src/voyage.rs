//! `cargo xtask voyage`: the scenario of the containers on real Docker engines, with the image of this tree.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{image, workspace};

/// What is passed on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the parts whose name contains this text: development, limits, watch, production
    #[arg(long)]
    only: Option<String>,
    /// Leave engines running when a step fails, to look at them
    #[arg(long)]
    hold: bool,
}

/// What it takes beside cargo; `.ci/run` installs it.
const PROGRAMS: [&str; 9] =
    ["docker", "dockerd", "docker-compose", "haproxy", "iptables", "ip", "nsenter", "setpriv", "setsid"];

/// What networks between engines are made of.
const VXLAN: &str = "ip link add name d type vxlan id 256 dstport 4789";

/// Builds the image's folder, then runs the scenario: `true` when every row holds.
pub(crate) fn run(args: &Args) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: engines in namespaces of their own need root");
        return Ok(true);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| !there(name)).collect();
    if !missing.is_empty() {
        bail!(
            "not installed: {}; in Debian: docker.io docker-compose haproxy iptables iproute2",
            missing.join(", ")
        );
    }
    if let Some(why) = left_out() {
        println!("NOT RUN: {why}");
        return Ok(true);
    }
    let context = image::context()?;
    let mut command = Command::new(workspace::cargo());
    command.args(["run", "--quiet", "--locked", "--package", "shipload-voyage", "--"]);
    command.arg("--context").arg(context).arg("--deploy").arg(workspace::root().join("deploy"));
    command.args(args.only.iter().flat_map(|only| ["--only", only]));
    command.args(args.hold.then_some("--hold"));
    let status = command.current_dir(workspace::root()).status().context("cannot run cargo")?;
    Ok(status.success())
}

/// Why this machine can't run engines of its own.
fn left_out() -> Option<String> {
    let try_out = |what: &str, words: &[&str]| match Command::new("unshare").args(words).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("cannot run unshare, of util-linux: {error}")),
    };
    let spaces = ["--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "true"];
    if let Some(why) = try_out("this machine gives no namespaces", &spaces) {
        return Some(why);
    }
    // What goes away with its namespace again.
    for line in [
        "ip link add name a type veth peer name b",
        "ip link add name c type bridge",
        VXLAN,
        "iptables -t nat -L -n",
    ] {
        let mut words = vec!["--net"];
        words.extend(line.split_whitespace());
        if let Some(why) = try_out(&format!("this machine's kernel can't do `{line}`"), &words) {
            return Some(why);
        }
    }
    // Engines put limits on containers by control groups.
    let groups = std::fs::read_dir("/sys/fs/cgroup").is_ok_and(|mut all| all.next().is_some());
    (!groups).then(|| "there are no control groups in /sys/fs/cgroup".to_owned())
}
