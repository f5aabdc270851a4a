//! The C client's own suite. The Python client's source package on PyPI holds the C client with its tests.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Ran;
use crate::process::succeed;

const VERSION: &str = "19.3.0";
/// What the suite is compiled with, from Debian.
const HEADERS: [(&str, &str); 4] = [
    ("uv.h", "libuv1-dev"),
    ("yaml.h", "libyaml-dev"),
    ("openssl/ssl.h", "libssl-dev"),
    ("zlib.h", "zlib1g-dev"),
];

pub(super) fn run(folder: &Path, node: SocketAddr) -> Result<Ran> {
    let source = folder.join(format!("aerospike-{VERSION}/aerospike-client-c"));
    let program = source.join(format!("target/Linux-{}/test/aerospike_test", std::env::consts::ARCH));
    if !program.exists() {
        build(folder, &source)?;
    }
    let output = Command::new(&program)
        .current_dir(&source)
        .args(["-h", &node.ip().to_string(), "-p", &node.port().to_string()])
        .output()
        .with_context(|| program.display().to_string())?;
    let printed = [output.stdout, output.stderr].concat();
    Ok(read(&String::from_utf8_lossy(&printed)))
}

fn build(folder: &Path, source: &Path) -> Result<()> {
    let there = |header: &str| {
        ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"]
            .iter()
            .any(|folder| Path::new(folder).join(header).exists())
    };
    let missing: Vec<&str> =
        HEADERS.iter().filter(|(header, _)| !there(header)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        bail!("it does not compile without: apt-get install {}", missing.join(" "));
    }
    let wanted = format!("aerospike=={VERSION}");
    let download =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", &wanted, "-d", "."];
    succeed(Command::new("python3").current_dir(folder).args(download))?;
    succeed(Command::new("tar").current_dir(folder).args(["xzf", &format!("aerospike-{VERSION}.tar.gz")]))?;
    succeed(Command::new("make").current_dir(source).args(["EVENT_LIB=libuv", "test-build"]))
}

/// The summary names each suite with its counts, and below it what failed and why.
fn read(printed: &str) -> Ran {
    let mut ran = Ran::default();
    let summary = printed.rsplit_once("SUMMARY").map_or("", |(_, summary)| summary);
    for line in summary.lines() {
        if let Some(name) = line.strip_prefix("    [✘] ") {
            ran.failed.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, last)) = ran.failed.last_mut().filter(|(_, said)| said.is_empty())
            && line.starts_with("        ")
        {
            line.trim().clone_into(last);
        } else if let Some((counts, _)) =
            line.split_once(" tests: ").and_then(|(_, rest)| rest.split_once(" passed"))
        {
            ran.passed = counts.trim().parse().unwrap_or(0);
        }
    }
    ran
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_summary_is_read() {
        let ran = read(
            "[✘] x\nSUMMARY\n\n[✔] one: 4/4 tests passed.\n[✘] two: 1/2 tests passed.\n    [✘] a test\n        \
             assertion failed: no\n\n6 tests: 5 passed, 1 failed\n",
        );
        assert_eq!(ran.passed, 5);
        assert_eq!(ran.failed, [("a test".to_owned(), "assertion failed: no".to_owned())]);
    }
}
