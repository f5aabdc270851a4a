//! What is shown at a terminal while a statement runs: how far it is. Ctrl-C ends the statement there, not the shell.

use super::call::{Answer, Server};
use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::Value;
use signal_hook::consts::SIGINT;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Statements that are over by then show nothing.
const QUIET: Duration = Duration::from_secs(1);
/// How often the node is asked.
const EVERY: Duration = Duration::from_millis(300);
/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Ctrl-C, as long as the shell runs.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes Ctrl-C over. A second one, while nothing has come of the first, still ends the shell.
    pub(super) fn take_over() -> anyhow::Result<Interrupt> {
        let pressed = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&pressed))
            .and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&pressed)))
            .context("Ctrl-C can't be taken over")?;
        Ok(Interrupt(pressed))
    }

    /// Whether Ctrl-C was pressed.
    pub(super) fn pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What was pressed is over.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Runs a statement, and tells on standard error how far it is.
pub(super) fn run(server: &mut Server, statement: &str, interrupt: &Interrupt) -> anyhow::Result<Answer> {
    let session = server.session()?;
    let mut beside = server.another();
    let (done, over) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || watch(&mut beside, session.as_deref(), interrupt, &over));
        let answer = server.run(statement);
        drop(done);
        answer
    })
}

/// Watches until the statement is over.
fn watch(beside: &mut Server, session: Option<&str>, interrupt: &Interrupt, over: &Receiver<()>) {
    let begun = Instant::now();
    let bar = ProgressBar::no_length();
    let mut next = QUIET;
    let mut killed = false;
    while over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if interrupt.pressed() && !killed {
            killed = true;
            bar.suspend(|| eprintln!("{}", kill(beside, session)));
        }
        if begun.elapsed() >= next {
            show(&bar, begun.elapsed(), session.and_then(|session| progress(beside, session)).as_ref());
            next = begun.elapsed() + EVERY;
        }
    }
    bar.finish_and_clear();
}

/// The words after Ctrl-C.
fn kill(beside: &mut Server, session: Option<&str>) -> String {
    const LEAVE: &str = "Ctrl-C again leaves the shell";
    let Some(session) = session else {
        return format!("the server does not tell which statement is this one; {LEAVE}");
    };
    let text = format!("SELECT id FROM sys.jobs WHERE session_id = {}", quoted(session));
    let id = match one(beside, &text) {
        Ok(Some(Value::String(id))) => id,
        Ok(_) => return "the statement is over already".to_owned(),
        Err(error) => return format!("the statement can't be killed: {error:#}; {LEAVE}"),
    };
    match beside.run(&format!("KILL {}", quoted(&id))) {
        Ok(Answer::Done { count: 0, .. }) => "the statement is over already".to_owned(),
        Ok(Answer::Done { .. }) => "the statement has been killed".to_owned(),
        Ok(Answer::Refused(why)) => format!("the statement can't be killed: {why}; {LEAVE}"),
        Err(error) => format!("the statement can't be killed: {error:#}; {LEAVE}"),
    }
}

/// What a session's statement tells; none when it tells nothing.
fn progress(beside: &mut Server, session: &str) -> Option<Progress> {
    let text = format!("SELECT progress FROM sys.jobs WHERE session_id = {}", quoted(session));
    let told = one(beside, &text).ok()??;
    let number = |name: &str| told.get(name).and_then(Value::as_u64);
    Some(Progress { rows: number("rows")?, bytes: number("bytes")?, bytes_total: number("bytes_total") })
}

/// The only value of a query.
fn one(beside: &mut Server, text: &str) -> anyhow::Result<Option<Value>> {
    match beside.run(text)? {
        Answer::Done { rows, .. } => Ok(rows.into_iter().next().and_then(|row| row.into_iter().next())),
        Answer::Refused(why) => anyhow::bail!(why),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// How far a statement is.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    rows: u64,
    bytes: u64,
    bytes_total: Option<u64>,
}

fn show(bar: &ProgressBar, elapsed: Duration, progress: Option<&Progress>) {
    let total = progress.and_then(|progress| progress.bytes_total);
    let template = if total.is_some() { "{bar:30} {percent} % {msg}" } else { "{msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if let (Some(progress), Some(total)) = (progress, total) {
        bar.set_length(total);
        bar.set_position(progress.bytes.min(total));
    }
    bar.set_message(line(elapsed, progress));
    bar.tick();
}

/// The words of the line.
fn line(elapsed: Duration, progress: Option<&Progress>) -> String {
    let mut words = Vec::new();
    if let Some(Progress { rows, bytes, bytes_total }) = progress {
        if *rows > 0 {
            words.push(format!("{} rows", HumanCount(*rows)));
        }
        match bytes_total {
            Some(total) => words.push(format!("{} of {}", HumanBytes(*bytes), HumanBytes(*total))),
            None if *bytes > 0 => words.push(HumanBytes(*bytes).to_string()),
            None => {}
        }
    }
    words.push(format!("{} s", elapsed.as_secs()));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Progress, line};
    use std::time::Duration;

    #[test]
    fn lines_tell_what_is_known() {
        let shown = |rows, bytes, bytes_total| {
            line(Duration::from_millis(2_900), Some(&Progress { rows, bytes, bytes_total }))
        };
        assert_eq!(line(Duration::from_secs(61), None), "61 s");
        assert_eq!(shown(1_234_567, 0, None), "1,234,567 rows, 2 s");
        assert_eq!(shown(0, 2048, None), "2.00 KiB, 2 s");
        assert_eq!(shown(5, 0, Some(1 << 20)), "5 rows, 0 B of 1.00 MiB, 2 s");
    }
}
