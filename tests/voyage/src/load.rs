//! Visitors: threads that ask for the page again and again, and count what they are told.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::engines::become_visitor;
use crate::http;

/// The name under which the page is visited.
pub(crate) const HOST: &str = "prod.awesome-counter.com";
/// How the page tells that the client library gave up waiting.
const TIMED_OUT: &str = "Hummm - err: Error -11,";
/// Between two visits of one visitor.
const PAUSE: Duration = Duration::from_millis(10);

/// What visitors were told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    /// Visits that were counted for sure.
    pub(crate) counted: u64,
    /// Visits that failed; whether they count is not known.
    pub(crate) failed: u64,
    /// Failures of which the page itself said that its database had not answered within the client's second: the machine stood
    /// still, the balancer led the visitor to where it should.
    pub(crate) slow: u64,
    /// The most failures in a row that one visitor saw.
    pub(crate) failed_in_a_row: u64,
    /// The longest time without any success for one visitor.
    pub(crate) gap: Duration,
    /// What the first failures said.
    pub(crate) errors: Vec<String>,
}

impl Told {
    /// Failures that are the balancer's, or the page's.
    pub(crate) fn misled(&self) -> u64 {
        self.failed - self.slow
    }

    fn add(&mut self, other: Told) {
        self.counted += other.counted;
        self.failed += other.failed;
        self.slow += other.slow;
        self.failed_in_a_row = self.failed_in_a_row.max(other.failed_in_a_row);
        self.gap = self.gap.max(other.gap);
        self.errors.extend(other.errors);
        self.errors.truncate(3);
    }
}

/// Visitors under way.
pub(crate) struct Visitors {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Told>>>,
}

impl Visitors {
    /// Starts so many.
    pub(crate) fn start(count: usize, address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || visit(address, &stop))
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Ends them, and says what they were told.
    pub(crate) fn stop(self) -> Result<Told> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        for thread in self.threads {
            all.add(thread.join().map_err(|_| anyhow!("a visitor panicked"))??);
        }
        Ok(all)
    }
}

fn visit(address: SocketAddr, stop: &AtomicBool) -> Result<Told> {
    become_visitor()?;
    let mut told = Told::default();
    let (mut last, mut row) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        let trouble = match http::get(address, HOST, "/", &[]) {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("{} {}", answer.status, answer.body.trim())),
            Err(error) => Some(format!("{error:#}")),
        };
        match trouble {
            None => {
                told.counted += 1;
                told.gap = told.gap.max(last.elapsed());
                (last, row) = (Instant::now(), 0);
            }
            Some(text) => {
                told.failed += 1;
                told.slow += u64::from(text.contains(TIMED_OUT));
                row += 1;
                told.failed_in_a_row = told.failed_in_a_row.max(row);
                if told.errors.len() < 3 {
                    told.errors.push(text.chars().take(90).collect());
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
    told.gap = told.gap.max(last.elapsed());
    Ok(told)
}

/// Fails unless somebody listens there.
pub(crate) fn answers(address: SocketAddr) -> Result<()> {
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            become_visitor()?;
            TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            Ok(())
        });
        visitor.join().map_err(|_| anyhow!("a visitor panicked"))?
    })
}

/// One visit, from where the visitors are.
pub(crate) fn once(address: SocketAddr, path: &str, headers: &[&str]) -> Result<http::Answer> {
    once_as(address, HOST, path, headers)
}

/// One visit under another name.
pub(crate) fn once_as(address: SocketAddr, host: &str, path: &str, headers: &[&str]) -> Result<http::Answer> {
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            become_visitor()?;
            http::get(address, host, path, headers)
        });
        visitor.join().map_err(|_| anyhow!("a visitor panicked"))?
    })
}
