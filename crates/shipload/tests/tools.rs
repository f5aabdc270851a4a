//! `shipload up`, `aql` and `info` as processes, as a newcomer meets them.
//!
//! Each test starts a node of its own with `up` on ports that the system chooses, and reads from its words what
//! it has opened.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_shipload");

/// The command without what the environment of the tests may say.
fn shipload(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIPLOAD_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// A running `shipload up`; dropped, it is killed.
struct Up {
    child: Child,
    words: String,
}

impl Up {
    /// Starts it and reads until it has said all.
    fn start(more: &[&str]) -> Up {
        let args = ["up", "--port", "0", "--info-port", "0", "--http-port", "0"];
        let mut child =
            shipload(&[&args, more].concat()).stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut reader = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut words = String::new();
        while !words.contains("Ctrl-C ends it.") {
            assert!(reader.read_line(&mut words).expect("text") > 0, "it ends early: {words}");
        }
        Up { child, words }
    }

    /// The address in the line that starts with this name.
    fn address(&self, name: &str) -> SocketAddr {
        let line = self.words.lines().find(|line| line.trim_start().starts_with(name)).expect("it is told");
        let word = line.split_whitespace().nth(1).expect("an address");
        word.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")
    }

    /// Runs a tool against this node.
    fn tool(&self, tool: &str, more: &[&str]) -> Output {
        let port = self.address("records").port().to_string();
        shipload(&[&[tool, "-p", &port], more].concat()).output().expect("the program runs")
    }

    /// What a tool prints; it must succeed.
    fn print(&self, tool: &str, more: &[&str]) -> String {
        let output = self.tool(tool, more);
        assert!(output.status.success(), "{tool} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a tool says when it must fail.
    fn refuse(&self, tool: &str, more: &[&str]) -> String {
        let output = self.tool(tool, more);
        assert_eq!(output.status.code(), Some(1), "{tool} {more:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A test may have ended it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loads a page over a connection of its own: the whole answer.
fn load(page: SocketAddr) -> String {
    let mut stream = TcpStream::connect(page).expect("the page listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_counter_page_counts_and_ctrl_c_ends_it_within_a_second() {
    let mut up = Up::start(&["--demo", "--demo-port", "0"]);
    let page = up.address("counter");
    for visit in 1..=2 {
        let answer = load(page);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\nHello World! I have been seen by {visit}.")), "{answer}");
    }
    let summary = up.print("aql", &["-c", "select * from test.summary"]);
    assert!(summary.contains("| \"total_hits\" | 2     |"), "{summary}");
    assert!(summary.contains("2 rows in set ("), "the total and this server's own: {summary}");
    let hits = up.print("aql", &["--json", "-c", "select * from test.hits"]);
    let hits: Vec<Value> = hits.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| hit["key"].is_string() && hit["bins"]["ts"].is_i64()), "{hits:?}");

    // Somebody who keeps a connection open does not keep it from ending.
    let _idle = TcpStream::connect(page).expect("the page listens");
    let id = Pid::from_child(&up.child);
    kill_process(id, Signal::INT).expect("it runs");
    let status = up.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
}

#[test]
fn a_port_in_use_is_told_with_the_flag_that_helps() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    for (flag, more) in [("--demo-port", &["--demo", "--port", "0"][..]), ("--port", &[][..])] {
        let args = [&["up", "--info-port", "0", "--http-port", "0", flag, &port], more].concat();
        let output = shipload(&args).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(text.contains(flag) && text.contains(&port), "{text}");
    }
}

#[test]
fn statements_work_from_flags_and_scripts() {
    let up = Up::start(&["--nodes", "1"]);
    let insert = "insert into test.foo (pk, val1, list) values (1, 'abc', [1, 'a', {\"k\": x'0a'}])";
    assert_eq!(up.print("aql", &["-c", insert]), "OK, 1 record affected.\n");
    let table = up.print("aql", &["-c", "select val1, list from test.foo where val1 = 'abc'"]);
    let wanted = "\
+-----+-------+------------------------+
| key | val1  | list                   |
+-----+-------+------------------------+
| 1   | \"abc\" | [1, \"a\", {\"k\": x'0a'}] |
+-----+-------+------------------------+
1 row in set (";
    assert!(table.starts_with(wanted), "{table}");
    let none = up.print(
        "aql",
        &["-c", "select * from test.foo where pk = 2", "-c", "select * from test.foo where val1 = 'x'"],
    );
    assert!(none.starts_with("0 rows in set (") && none.lines().count() == 2, "{none}");
    assert!(up.print("aql", &["-c", "show sets"]).contains("| \"test\"    | \"foo\" | 1       |"));
    assert!(
        up.print("aql", &["-c", "show bins"]).contains("| \"test\"    | \"foo\" | \"list\" | \"list\"   | 1")
    );
    assert_eq!(up.print("aql", &["-c", "delete from test.foo where pk = 1"]), "OK, 1 record affected.\n");
    assert_eq!(up.print("aql", &["-c", "delete from test.foo where pk = 1"]), "OK, 0 records affected.\n");
}

#[test]
fn scripts_come_from_standard_input_and_stop_at_the_first_error() {
    let up = Up::start(&[]);
    let port = up.address("records").port().to_string();
    let mut child = shipload(&["aql", "-p", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let script = b"set rows 2\ninsert into test.s (pk, n)\n  values (1, 1); insert into test.s (pk, n) values (2, 2)\n\
        selct\ninsert into test.s (pk, n) values (3, 3)\n";
    child.stdin.take().expect("a pipe").write_all(script).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("standard input:4: error: expected insert"), "{error}");
    let count = up.print("aql", &["--json", "-c", "select * from test.s"]).lines().count();
    assert_eq!(count, 2, "what stands before the error is done, what stands behind is not");
    let many: String = (0..50).map(|n| format!("insert into test.s (pk, n) values ({n}, {n});")).collect();
    up.print("aql", &["-c", &many]);
    let cut = up.print("aql", &["--rows", "7", "-c", "select * from test.s"]);
    assert!(cut.contains("7 rows in set (") && cut.contains("stopped after 7 rows"), "{cut}");
    assert!(up.print("aql", &["-c", "select * from test.s limit 9"]).contains("9 rows in set ("));
    up.print("aql", &["-c", "truncate test.s"]);
    assert_eq!(up.print("aql", &["--json", "-c", "select * from test.s"]), "");
}

#[test]
fn errors_name_what_is_wrong() {
    let up = Up::start(&[]);
    assert!(up.refuse("aql", &["-c", "select * form test.a"]).contains("\n           ^^^^\n"));
    assert!(up.refuse("aql", &["-c", "select * from nope.a"]).contains("nope"));
    assert!(up.refuse("info", &["-v", "no-such"]).is_empty(), "the raw answer stands on standard output");
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port().to_string();
    for tool in [&["aql", "-c", "show sets"][..], &["info"][..]] {
        let output = shipload(&[tool, &["-p", &free]].concat()).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text.contains(&format!("no node answers at 127.0.0.1:{free}; `shipload up` starts one")),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn info_shows_the_cluster_as_tables_json_and_raw() {
    let up = Up::start(&[]);
    let address = up.address("records").to_string();
    let text = up.print("info", &[]);
    for title in ["~Service Information~", "~Network Information~", "~Namespace Usage~", "~Set Information~"]
    {
        assert!(text.contains(title), "{text}");
    }
    assert!(text.contains(&address) && !text.contains("N/E"), "a node says all that is shown: {text}");
    let json: Value = serde_json::from_str(&up.print("info", &["--json"])).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3), "three nodes unless told otherwise");
    assert_eq!(json[0]["statistics"]["cluster_size"], 3);
    assert_eq!(json[0]["namespaces"]["test"]["objects"], 0);
    assert_eq!(up.print("info", &["-v", "namespaces", "-v", "status"]), "test\nok\n");
}

#[test]
fn streams_are_aggregated_over_the_nodes_and_here() {
    use base64::Engine as _;
    let up = Up::start(&[]);
    let put = |file: &str, source: &str| {
        let content = base64::engine::general_purpose::STANDARD.encode(source);
        let length = content.len();
        let command = format!("udf-put:filename={file};content={content};content-len={length};udf-type=LUA;");
        up.print("info", &["-v", &command]);
    };
    put("helper.lua", "local m = {} function m.add(a, b) return a + b end return m");
    put(
        "m.lua",
        "local helper = require('helper')
        local function bin(name) return function(rec) return rec[name] end end
        function total(s, name, factor)
            return s : map(bin(name)) : reduce(helper.add) : map(function(sum) return sum * factor end)
        end
        function groups(s) return s : map(bin('n')) : groupby(function(n) return n % 2 end) end
        function all(s) return s : map(bin('n')) end
        function broken(s) return s : map(function() error('late') end) end",
    );
    for number in 1..=5 {
        let insert = format!("insert into test.demo (pk, n) values ({number}, {number})");
        up.print("aql", &["-c", &insert]);
    }
    assert_eq!(up.print("aql", &["-c", "aggregate m.total('n', 10) on test.demo"]), "150\n");
    let some = "aggregate m.total('n', 10) on test.demo where n between 2 and 4";
    assert_eq!(up.print("aql", &["--json", "-c", some]), "{\"result\":90}\n");
    let groups = up.print("aql", &["--json", "-c", "aggregate m.groups() on test where n > 3"]);
    assert_eq!(groups, "{\"result\":{\"0\":[4],\"1\":[5]}}\n");
    let all = up.print("aql", &["-c", "aggregate m.all() on test.demo"]);
    let mut all: Vec<&str> = all.lines().collect();
    all.sort_unstable();
    assert_eq!(all, ["1", "2", "3", "4", "5"]);
    let refused = up.refuse("aql", &["-c", "aggregate m.broken() on test.demo"]);
    assert!(refused.contains("m.lua:8: late"), "{refused}");
}
