//! Whole runs against a stub server on a free port, which answers as it is told.

use super::args::BenchArgs;
use super::driver::Shared;
use super::workload::Class;
use super::{Report, measure};
use clap::Parser;
use shipload_wire::bits::info2;
use shipload_wire::{Cut, Limits, Request, ResultCode, frame, reply};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

/// What the stub does with the request of this number; none closes the connection.
type Answer = dyn Fn(u64) -> Option<ResultCode> + Send + Sync;

/// A server that answers every request with a code and remembers which digests were written.
struct Stub {
    address: SocketAddr,
    written: Arc<Mutex<BTreeSet<[u8; 20]>>>,
}

impl Stub {
    /// Its threads end with their connections.
    fn start(answer: impl Fn(u64) -> Option<ResultCode> + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let written = Arc::new(Mutex::new(BTreeSet::new()));
        let kept = Arc::clone(&written);
        let answer: Arc<Answer> = Arc::new(answer);
        let count = Arc::new(AtomicU64::new(0));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (written, answer, count) = (Arc::clone(&kept), Arc::clone(&answer), Arc::clone(&count));
                thread::spawn(move || serve(stream, &written, &*answer, &count));
            }
        });
        Stub { address, written }
    }

    fn run(&self, options: &str) -> Report {
        // A busy machine must not look like a silent server.
        let patience = if options.contains("--timeout") { "" } else { "--timeout 60s" };
        let line = format!("bench -h 127.0.0.1 -p {} {patience} {options}", self.address.port());
        let args = Line::try_parse_from(line.split_whitespace()).expect("valid options").bench;
        measure(&args, &Shared::new()).expect("a run")
    }
}

fn serve(mut stream: TcpStream, written: &Mutex<BTreeSet<[u8; 20]>>, answer: &Answer, count: &AtomicU64) {
    let mut buffer = vec![0; 65536];
    let mut filled = 0;
    while let Ok(size @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += size;
        let Cut::Frame { frame, consumed } = frame::cut(&buffer[..filled], &Limits::default()) else {
            continue;
        };
        let request = Request::decode(frame.body).expect("a valid request");
        if request.header.info2 & info2::WRITE != 0 {
            written.lock().expect("no panic").insert(*request.fields.digest20().expect("a digest"));
        }
        let Some(code) = answer(count.fetch_add(1, Ordering::SeqCst)) else { return };
        let mut out = Vec::new();
        reply::simple(&mut out, code, 1, 0);
        filled -= consumed;
        assert_eq!(filled, 0, "one request at a time");
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}

#[test]
fn inserting_writes_every_key_once() {
    let stub = Stub::start(|_| Some(ResultCode::Ok));
    let report = stub.run("-w I -k 500 -c 7 -t 3 -o I4,S10");
    assert_eq!(report.stats.class(Class::Write).operations(), 500);
    assert_eq!((report.stats.class(Class::Read).operations(), report.stats.errors()), (0, 0));
    assert_eq!(report.stats.unfinished, 0);
    assert_eq!(stub.written.lock().unwrap().len(), 500);
}

#[test]
fn a_count_of_operations_is_exact_and_codes_are_counted() {
    let stub = Stub::start(|number| {
        Some(match number % 10 {
            0 => ResultCode::NotFound,
            1 => ResultCode::ServerFull,
            _ => ResultCode::Ok,
        })
    });
    let report = stub.run("-w R -k 50 --operations 200 -c 3");
    let read = report.stats.class(Class::Read);
    assert_eq!((read.operations(), read.missing), (200, 20));
    assert_eq!(read.refused.iter().collect::<Vec<_>>(), [(&8, &20)]);
    let text = report.text();
    assert!(
        text.contains("20 × read: record not found") && text.contains("20 × read: 8 server is full"),
        "{text}"
    );
    let json = report.json();
    assert_eq!(json["operations"], 200);
    assert_eq!(json["classes"]["read"]["refused"]["8 server is full"], 20);
    assert!(json["classes"]["read"]["latency_us"]["p99.9"].as_f64().unwrap() > 0.0);
    assert!(json["classes"].get("write").is_none());
}

#[test]
fn a_stall_is_charged_to_every_operation_that_was_due() {
    // One answer takes 300 ms; at 1000 a second about 300 operations become due meanwhile. A generator that
    // waited with sending would report one slow operation out of 500.
    let stub = Stub::start(|number| {
        if number == 100 {
            thread::sleep(Duration::from_millis(300));
        }
        Some(ResultCode::Ok)
    });
    let report = stub.run("-w R -k 50 --operations 500 -r 1000 -c 1");
    let latencies = &report.stats.class(Class::Read).latencies;
    assert_eq!(latencies.len(), 500);
    let slow = latencies.len() - latencies.count_between(0, 50_000_000);
    assert!(slow >= 200, "{slow} operations over 50 ms");
    assert!(report.seconds >= 0.499, "{}", report.seconds);
}

#[test]
fn a_lost_connection_is_counted_and_opened_again() {
    let stub = Stub::start(|number| (number % 50 != 49).then_some(ResultCode::Ok));
    let report = stub.run("-w U -k 50 --operations 300 -c 2");
    let write = report.stats.class(Class::Write);
    assert_eq!(write.operations() + write.lost, 300);
    assert_eq!(write.lost, 6);
}

#[test]
fn silence_is_a_timeout() {
    let stub = Stub::start(|number| {
        if number == 0 {
            thread::sleep(Duration::from_secs(3));
        }
        Some(ResultCode::Ok)
    });
    let report = stub.run("-w R -k 50 --operations 20 -c 2 --timeout 200ms");
    let read = report.stats.class(Class::Read);
    assert!(read.timeouts >= 1, "the first operation has no answer in time");
    assert_eq!(read.operations() + read.timeouts, 20);
}

#[test]
fn the_warm_up_is_not_measured_and_time_ends_the_run() {
    let stub = Stub::start(|_| Some(ResultCode::Ok));
    let report = stub.run("-w RU,50 -k 50 -r 500 -c 2 --warmup 300ms -d 400ms");
    assert_eq!(report.stats.operations() + report.stats.unfinished, 200);
}

#[test]
fn nobody_there_is_said_plainly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let line = format!("bench -h 127.0.0.1 -p {port}");
    let args = Line::try_parse_from(line.split(' ')).unwrap().bench;
    let error = measure(&args, &Shared::new()).unwrap_err();
    assert!(format!("{error:#}").contains("is a node listening there?"), "{error:#}");
}
