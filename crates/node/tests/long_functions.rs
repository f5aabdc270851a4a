//! Functions that take long: nobody else waits for them, and what they do is done to the record that they saw.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_node::cluster::Requester;
use shipload_node::config::ModLuaKey;
use shipload_node::{Executed, FunctionTurn, Node, Now, Worker};
use shipload_wire::bits::{field, info1, info2};
use shipload_wire::message::Header;
use shipload_wire::request::{self, Key};
use shipload_wire::{Cut, Limits, frame};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;
use support::{Answer, Engine, digest, header, integer, messages};

const MODULE: &str = "
function spin(rec) while true do end end
function count(rec)
  for _ = 1, 2000000 do end
  rec.a = rec.a + 1
  return aerospike:update(rec)
end
function quick(rec) return 7 end
";
/// The clock is read about once in a thousand instructions, and no lock is held for more than 100,000.
const READS_WITHOUT_LOCK: u64 = 500;
/// What only a failure waits for.
const DEADLINE: Duration = Duration::from_secs(120);

/// Stops a function while it runs, and lets it go on; each time when so many more instructions are done.
struct Gate {
    stopped: Receiver<()>,
    go_on: SyncSender<u64>,
}

impl Gate {
    /// The clock of a node's functions: it stands still for whoever has the gate.
    fn on(node: &Node) -> Gate {
        let (stop, stopped) = channel();
        let (go_on, told) = sync_channel(1);
        let told = std::sync::Mutex::new(told);
        let (reads, time) = (AtomicU64::new(0), AtomicU64::new(0));
        // Nothing but this clock ends a function.
        node.config().mod_lua.put(ModLuaKey::MaxInstructions, "1099511627776").unwrap();
        node.functions.pool.set_clock(Arc::new(move || {
            if (reads.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(READS_WITHOUT_LOCK) {
                stop.send(()).unwrap();
                let ns = told.lock().unwrap().recv_timeout(DEADLINE).expect("somebody lets it go on");
                time.store(ns, Ordering::SeqCst);
            }
            time.load(Ordering::SeqCst)
        }));
        Gate { stopped, go_on }
    }

    fn wait(&self) {
        self.stopped.recv_timeout(DEADLINE).expect("a function runs for long");
    }

    fn go_on(&self, ns: u64) {
        self.go_on.send(ns).unwrap();
    }
}

fn node() -> Node {
    let mut engine = Engine::new();
    let content = STANDARD.encode(MODULE);
    let length = content.len();
    let put = format!("udf-put:filename=m.lua;content={content};content-len={length};udf-type=LUA;");
    assert_eq!(engine.info(&put), "ok");
    engine.put_integer(1, "a", 1);
    engine.node
}

fn call(key: i64, function: &str) -> Vec<u8> {
    let name = digest(key).0;
    let fields: [(u8, &[u8]); 6] = [
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::DIGEST, &name),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, function.as_bytes()),
        (field::UDF_ARGS, &[0x90]),
    ];
    let mut bytes = Vec::new();
    request::message(&mut bytes, &header(), &fields, &[]);
    bytes
}

fn execute(node: &Node, worker: &mut Worker, bytes: &[u8]) -> (Vec<u8>, Executed) {
    let mut out = Vec::new();
    let Cut::Frame { frame, .. } = frame::cut(bytes, &Limits::default()) else { panic!("not a frame") };
    let executed = node.execute(worker, &frame, &Engine::peer(), support::START, &mut out);
    (out, executed)
}

fn answer(node: &Node, worker: &mut Worker, bytes: &[u8]) -> Answer {
    messages(&execute(node, worker, bytes).0).remove(0)
}

fn get(node: &Node, worker: &mut Worker) -> Option<i64> {
    let mut bytes = Vec::new();
    let header = Header { info1: info1::READ | info1::GET_ALL, ..Header::default() };
    request::command(&mut bytes, &header, &Key::new("test", "demo", &digest(1).0), &[]);
    answer(node, worker, &bytes).integer("a")
}

fn put(node: &Node, worker: &mut Worker, value: i64) {
    let mut bytes = Vec::new();
    let value = value.to_be_bytes();
    let key = digest(1).0;
    request::put(&mut bytes, &header(), &Key::new("test", "demo", &key), &[integer("a", &value)]);
    assert_eq!(answer(node, worker, &bytes).header.result, 0);
}

/// The time that a function reads that may go on as long as it likes, and of one that may not.
const GO_ON: u64 = 0;
const TOO_LATE: u64 = u64::MAX / 2;

#[test]
fn a_function_without_end_holds_no_lock() {
    let node = node();
    let gate = Gate::on(&node);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| answer(&node, &mut node.worker(), &call(1, "spin")));
        gate.wait();
        let mut worker = node.worker();
        assert_eq!(get(&node, &mut worker), Some(1), "even the record itself can be read");
        put(&node, &mut worker, 2);
        assert_eq!(get(&node, &mut worker), Some(2), "and written");
        gate.go_on(TOO_LATE);
        let answer = caller.join().unwrap();
        let text = String::from_utf8_lossy(&answer.ops[0].3).into_owned();
        assert_eq!((answer.header.result, text.as_str()), (100, "time limit exceeded"));
    });
}

#[test]
fn a_function_is_called_again_when_its_record_has_changed() {
    let node = node();
    let gate = Gate::on(&node);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| answer(&node, &mut node.worker(), &call(1, "count")));
        gate.wait();
        put(&node, &mut node.worker(), 10);
        // The first call goes on to its end, and then the second.
        while !caller.is_finished() {
            gate.go_on.try_send(GO_ON).ok();
            std::thread::yield_now();
        }
        assert_eq!(caller.join().unwrap().header.result, 0);
        assert_eq!(get(&node, &mut node.worker()), Some(11), "neither 2 nor 10");
    });
}

#[test]
fn a_function_whose_record_changes_again_and_again_is_given_up() {
    let node = node();
    // Each stop is in another call of it: the record is written once for each.
    let gate = Gate::on(&node);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| answer(&node, &mut node.worker(), &call(1, "count")));
        let mut value = 100;
        while !caller.is_finished() {
            if gate.stopped.try_recv().is_ok() {
                value += 100;
                put(&node, &mut node.worker(), value);
                gate.go_on(GO_ON);
            }
            std::thread::yield_now();
        }
        assert_eq!(caller.join().unwrap().header.result, 14, "the record is busy");
        assert_eq!(get(&node, &mut node.worker()), Some(value), "nothing of it was done");
    });
}

/// One step of a thread for functions; what it answers to a client.
fn step(node: &Node, worker: &mut Worker, now: Now) -> (FunctionTurn, Vec<Answer>) {
    let turn = node.step_functions(worker, now);
    let replies = std::mem::take(&mut worker.outgoing.replies);
    (turn, replies.iter().flat_map(|reply| messages(&reply.frames)).collect())
}

#[test]
fn only_long_functions_are_handed_over_and_only_where_somebody_takes_them() {
    let node = node();
    let woken = Arc::new(AtomicU64::new(0));
    let waker = Arc::clone(&woken);
    node.functions.set_waker(move || {
        waker.fetch_add(1, Ordering::SeqCst);
    });
    let mut worker = node.worker();
    let mut other = node.function_worker();
    worker.set_requester(Requester::Client { thread: 0, slot: 1, serial: 1 });
    let (out, executed) = execute(&node, &mut worker, &call(1, "quick"));
    assert_eq!(messages(&out)[0].integer("SUCCESS"), Some(7), "{executed:?}");
    let (out, executed) = execute(&node, &mut worker, &call(1, "count"));
    assert!(out.is_empty() && matches!(executed, Executed::Parked), "{executed:?}");
    assert_eq!(get(&node, &mut node.worker()), Some(1), "nothing is done yet");
    let (_, answers) = step(&node, &mut other, support::START);
    assert_eq!((answers.len(), answers[0].header.result), (1, 0));
    assert_eq!(get(&node, &mut node.worker()), Some(2));
    assert_eq!(step(&node, &mut other, support::START).0, FunctionTurn::Idle(u64::MAX));
    assert_eq!(woken.load(Ordering::SeqCst), 1);
}

#[test]
fn who_waited_too_long_is_told_so() {
    let node = node();
    node.functions.set_waker(|| {});
    let mut worker = node.worker();
    worker.set_requester(Requester::Client { thread: 0, slot: 1, serial: 1 });
    execute(&node, &mut worker, &call(1, "count"));
    let late = Now { mono_ns: support::START.mono_ns + 1_000_000_001, ..support::START };
    let (_, answers) = step(&node, &mut node.function_worker(), late);
    assert_eq!(answers[0].header.result, 9);
    assert_eq!(get(&node, &mut node.worker()), Some(1));
}

#[test]
fn a_background_query_is_stepped_by_the_threads_for_functions() {
    let node = node();
    node.functions.set_waker(|| {});
    let mut bytes = Vec::new();
    let fields: [(u8, &[u8]); 7] = [
        (field::NAMESPACE, b"test"),
        (field::SET, b"demo"),
        (field::TASK_ID, &7_u64.to_be_bytes()),
        (field::UDF_OP, &[2]),
        (field::UDF_PACKAGE, b"m"),
        (field::UDF_FUNCTION, b"count"),
        (field::UDF_ARGS, &[0x90]),
    ];
    request::message(&mut bytes, &Header { info2: info2::WRITE, ..header() }, &fields, &[]);
    assert_eq!(answer(&node, &mut node.worker(), &bytes).header.result, 0);
    let maintained = node.maintain(support::START, 10_000_000);
    assert_eq!(
        (get(&node, &mut node.worker()), maintained.notices.len()),
        (Some(1), 0),
        "not by maintenance"
    );
    let mut worker = node.function_worker();
    let mut now = support::START;
    loop {
        match step(&node, &mut worker, now).0 {
            FunctionTurn::More => {}
            FunctionTurn::Idle(u64::MAX) => break,
            FunctionTurn::Idle(mono_ns) => now.mono_ns = mono_ns,
        }
    }
    assert_eq!(get(&node, &mut node.worker()), Some(2));
    let notices = node.maintain(support::START, 10_000_000).notices;
    assert!(format!("{notices:?}").contains("QueryDone { trid: 7, succeeded: 1, failed: 0 }"), "{notices:?}");
}
