//! The Node.js client's own suite, which its package on npm brings.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Ran;
use crate::process::succeed;

const VERSION: &str = "6.7.1";

pub(super) fn run(folder: &Path, node: SocketAddr) -> Result<Ran> {
    let package = folder.join("package");
    if !package.join("test/info.js").exists() || !package.join("node_modules/mocha").exists() {
        fetch(folder)?;
    }
    let report = folder.join("report.json");
    let _ = std::fs::remove_file(&report);
    let output = Command::new("npx")
        .current_dir(&package)
        .env("AEROSPIKE_HOSTS", node.to_string())
        .args(["mocha", "--no-exit", "--timeout", "20000", "--reporter", "json", "--reporter-option"])
        .arg(format!("output={}", report.display()))
        .arg("test/*.js")
        .output()
        .context("cannot run mocha")?;
    ensure!(report.exists(), "mocha wrote no report: {}", String::from_utf8_lossy(&output.stderr));
    read(&std::fs::read_to_string(&report)?)
}

/// Takes the package, and compiles its tests.
fn fetch(folder: &Path) -> Result<()> {
    let name = format!("aerospike-{VERSION}.tgz");
    succeed(Command::new("npm").current_dir(folder).args(["pack", &format!("aerospike@{VERSION}")]))?;
    succeed(Command::new("tar").current_dir(folder).args(["xzf", &name]))?;
    std::fs::remove_file(folder.join(name))?;
    let package = folder.join("package");
    let install = ["install", "--ignore-scripts", "--no-audit", "--no-fund"];
    succeed(Command::new("npm").current_dir(&package).args(install))?;
    // It complains about types and writes the tests all the same.
    let compiled = Command::new("npx").current_dir(package.join("test")).arg("tsc").output();
    compiled.context("cannot run tsc")?;
    Ok(())
}

fn read(report: &str) -> Result<Ran> {
    let report: Value = serde_json::from_str(report).context("mocha's report is no JSON")?;
    let count = |name: &str| report["stats"][name].as_u64().and_then(|count| usize::try_from(count).ok());
    let failed = report["failures"].as_array().context("the report has no failures")?;
    let failed = failed.iter().map(|test| {
        let name = test["fullTitle"].as_str().unwrap_or_default().trim().to_owned();
        let said = test["err"]["message"].as_str().unwrap_or_default();
        (name, said.lines().next().unwrap_or_default().to_owned())
    });
    Ok(Ran {
        passed: count("passes").context("the report has no passes")?,
        skipped: count("pending").unwrap_or(0),
        failed: failed.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_report_is_read() {
        let ran = read(
            r#"{"stats": {"passes": 3, "pending": 2}, "failures": [{"fullTitle": " a b", "err": {"message": "c\nd"}}]}"#,
        );
        let ran = ran.unwrap();
        assert_eq!((ran.passed, ran.skipped), (3, 2));
        assert_eq!(ran.failed, [("a b".to_owned(), "c".to_owned())]);
    }
}
