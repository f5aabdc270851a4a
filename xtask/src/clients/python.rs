//! Every family of operations through the Python client from PyPI: `tests/clients/families.py`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Ran;
use crate::{venv, workspace};

const PACKAGE: &str = "aerospike==19.3.0";

pub(super) fn run(folder: &Path, node: SocketAddr) -> Result<Ran> {
    let python = venv::python(Path::new("python3"), &folder.join("venv"))?;
    venv::install(&python, &[PACKAGE])?;
    let script = workspace::root().join("tests/clients/families.py");
    let output = Command::new(&python).args(["-W", "ignore"]).arg(script).arg(node.to_string()).output();
    let output = output.context("cannot run the script")?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines are `NAME passed` or `NAME FAILED`; what failed is told in the tracebacks between them.
fn read(printed: &str) -> Ran {
    let mut ran = Ran::default();
    for line in printed.lines().filter(|line| !line.starts_with("families:")) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, "passed"] => ran.passed += 1,
            [name, "FAILED"] => ran.failed.push((name.to_owned(), String::new())),
            _ => {}
        }
    }
    ran
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn families_are_counted() {
        let ran =
            read("lists                passed\nmaps                 FAILED\nfamilies: 1 passed, 1 failed\n");
        assert_eq!((ran.passed, ran.failed), (1, vec![("maps".to_owned(), String::new())]));
    }
}
