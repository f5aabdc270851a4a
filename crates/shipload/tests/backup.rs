//! Backup of a live cluster of three nodes under load, interrupted and continued, and restore into an empty one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_shipload");

/// Three nodes in one process; killed by its id when it goes.
struct Cluster {
    child: Child,
    port: String,
}

impl Cluster {
    fn up() -> Cluster {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new(BINARY);
        command.args(["up", "--nodes", "3", "--info-port", "0", "--http-port", "0", "--port", &port]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Ctrl-C ends it")), "the nodes are up");
        Cluster { child, port }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg(words[0]).args(["-p", &self.port]).args(&words[1..]).stdin(Stdio::null());
        command
    }

    /// Runs a tool; what it printed to both streams.
    fn run(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{words:?}: {text}\n{}", self.views());
        text
    }

    /// How each node sees the cluster, for a failure's message.
    fn views(&self) -> String {
        let view = |host: &str| {
            let asked =
                ["info", "-h", host, "-p", &self.port, "-v", "partition-generation", "-v", "statistics"];
            let output = Command::new(BINARY).args(asked).stdin(Stdio::null()).output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace(';', "\n");
            let told = ["cluster_", "migrate", "partition", "generation", "error", "uptime"];
            let told = text.lines().filter(|line| told.iter().any(|word| line.contains(word)));
            format!("{host}: {}\n", told.collect::<Vec<_>>().join(", "))
        };
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(view).concat()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The records of a backup by digest, as text, without their generation; and what stands before them.
fn records(path: &Path) -> (String, BTreeMap<String, String>) {
    let text = std::fs::read(path).unwrap().escape_ascii().to_string().replace("\\n", "\n");
    let (head, rest) = text.split_once("+ n test\n").unwrap();
    let each = rest.split("+ n test\n").map(|record| {
        let digest = record.lines().find_map(|line| line.strip_prefix("+ d ")).unwrap();
        let body: Vec<&str> = record.lines().filter(|line| !line.starts_with("+ g ")).collect();
        (digest.to_owned(), body.join("\n"))
    });
    (head.to_owned(), each.collect())
}

#[test]
fn a_live_cluster_is_backed_up_and_restored_into_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (first, second) = (Cluster::up(), Cluster::up());
    // A busy machine may keep an answer waiting.
    let insert = ["bench", "-w", "I", "--json", "--timeout", "20s"];
    for more in
        [["-k", "5000", "-s", "still", "-o", "B100,I4,S20,D"], ["-k", "500", "-s", "busy", "-o", "B100"]]
    {
        let printed = first.run(&[&insert[..], &more[..]].concat());
        assert!(printed.contains("\"errors\":0"), "{printed}");
    }
    first.run(&["aql", "-c", "create index still-n on test.still (bin1) numeric"]);
    let load = ["bench", "-w", "U", "-k", "500", "-s", "busy", "-d", "4s", "--json"];
    let mut load = first.command(&load).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    // Slow enough to be interrupted in the middle, then it goes on.
    let (directory, state) = (path("backup"), path("state"));
    let slow = ["backup", "-d", &directory, "--state-file", &state, "--records-per-second", "600"];
    let mut slow = first.command(&slow).stderr(Stdio::null()).spawn().unwrap();
    while !std::fs::read_to_string(&state).is_ok_and(|text| text.ends_with("end\n")) {
        assert!(slow.try_wait().unwrap().is_none(), "the backup ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_child(&slow);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert!(!slow.wait().unwrap().success(), "an interrupted backup is no success");
    let printed = first.run(&["backup", "-d", &directory, "--continue", &state]);
    assert!(printed.starts_with("5500 records"), "{printed}");
    assert!(!Path::new(&state).exists(), "nobody has to go on with it");

    let printed = second.run(&["restore", "-d", &directory]);
    assert!(printed.contains("5500 records restored") && printed.contains("1 indexes"), "{printed}");
    assert!(load.wait().unwrap().success());
    let (one, two) = (path("one"), path("two"));
    first.run(&["backup", "-s", "still", "-o", &one]);
    second.run(&["backup", "-s", "still", "-o", &two]);
    let (head, still) = records(Path::new(&one));
    assert_eq!(still.len(), 5000);
    assert!(head.contains("* i test still still-n N 1 bin1 N\n"), "{head}");
    assert!(records(Path::new(&two)) == (head, still), "what did not change is the same in both");

    // Again: what is as new as its copy stays, and a choice takes only what is asked for.
    let printed = second.run(&["restore", "-d", &directory, "--set-list", "still"]);
    assert!(printed.starts_with("0 records restored, 5000 left"), "{printed}");
    let some = path("some");
    let printed =
        first.run(&["backup", "-o", &some, "--partition-list", "0-2048", "--modified-before", "2020-01-01"]);
    assert!(printed.starts_with("0 records"), "{printed}");
    let printed = first.run(&["backup", "-o", &path("half"), "-s", "still", "--partition-list", "0-2048"]);
    let half: u32 = printed.split(' ').next().unwrap().parse().unwrap();
    assert!((1000..4000).contains(&half), "{printed}");
}
