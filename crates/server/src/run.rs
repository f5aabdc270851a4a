//! `shipload serve`: configuration, logging, the server, and the signals that end it.

use crate::exit::Exit;
use crate::host::container;
use crate::host::interfaces::reach;
use crate::logging::{self, LogControl, LoggingError};
use crate::options::{Configured, Options, configure};
use crate::running::{Launch, Running, StartError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shipload_node::config::{NetworkKey, ServiceKey};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// File descriptors for everything other than clients: listeners, epoll, logs, standard streams.
const OTHER_FILES: u64 = 128;
/// How often changed log levels are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a node until a signal ends it.
#[must_use]
pub fn run(options: &Options) -> Exit {
    let configured = match configure(options) {
        Ok(configured) => configured,
        Err(error) => return refuse(Exit::BadConfiguration, &error.to_string()),
    };
    if options.check {
        for warning in &configured.warnings {
            eprintln!("warning: {warning}");
        }
        println!("The configuration is fine.");
        return Exit::Done;
    }
    let logging = &configured.config.logging;
    match logging::start(logging, options.log_level.as_deref(), options.log_format) {
        Ok(control) => serve(configured, control),
        Err(error @ LoggingError::Level(_)) => refuse(Exit::BadConfiguration, &error.to_string()),
        Err(error @ LoggingError::File(..)) => refuse(Exit::Environment, &error.to_string()),
    }
}

/// Says why the server does not start, where somebody who typed the command sees it.
fn refuse(exit: Exit, why: &str) -> Exit {
    eprintln!("shipload: {why}");
    exit
}

fn serve(Configured { config, warnings }: Configured, control: LogControl) -> Exit {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit(&config.service);
    // Signals are caught before the ports open: who sees the port may send one at once.
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return refuse(Exit::Environment, &format!("signals can't be caught: {error}")),
    };
    match Launch::new(config).start() {
        Ok(running) => {
            greet(&running);
            signals.follow(running, control);
            Exit::Done
        }
        Err(error) => {
            let exit = match &error {
                StartError::Listen(_) | StartError::Address(_) => Exit::Address,
                StartError::Config(_) | StartError::NodeId(_) => Exit::BadConfiguration,
                StartError::Storage(_) => Exit::Storage,
                StartError::Machine(_) => Exit::Environment,
            };
            refuse(exit, &error.to_string())
        }
    }
}

/// Lets the process open as many files as it may, and says so when that is too few for `proto-fd-max`.
fn raise_file_limit(service: &shipload_node::config::Values<ServiceKey>) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // When it is refused, the old limit holds, and the warning below tells.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = service.number(ServiceKey::ProtoFdMax);
    if files < wanted.saturating_add(OTHER_FILES) {
        let clients = files.saturating_sub(OTHER_FILES).max(1);
        tracing::warn!(
            "this process may open {files} files, too few for proto-fd-max {wanted}: {clients} is used instead; \
             raise the limit (ulimit -n, LimitNOFILE, --ulimit nofile) or lower proto-fd-max"
        );
        service.put_number(ServiceKey::ProtoFdMax, clients);
    }
}

/// Says who and where the node is, and what is open to whom.
fn greet(running: &Running) {
    let node = running.node();
    let namespaces: Vec<&str> = node.namespaces().iter().map(|one| one.name.as_str()).collect();
    tracing::info!(
        "shipload {} node {:X} with namespace {}",
        env!("CARGO_PKG_VERSION"),
        node.identity.node_id,
        namespaces.join(", ")
    );
    for (purpose, address) in &running.ports().all {
        tracing::info!("{} port {address} is open to {}", purpose.name(), reach(*address));
    }
    let config = node.config();
    let wide = running.ports().all.iter().any(|(_, address)| !address.ip().is_loopback());
    if wide && container::is_container() && !config.network.is_given(NetworkKey::ServiceAddress) {
        tracing::info!("in a container all interfaces are the default; --address 127.0.0.1 closes them");
    }
    if wide {
        tracing::warn!("there is no login yet: who reaches these ports can read and change every record");
    }
}

/// What signals leave behind.
struct Signals {
    stop: Arc<AtomicBool>,
    /// It was asked for by SIGTERM, which leaves time to hand over what the node masters.
    terminate: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    /// A byte comes with every signal, so that nobody has to look all the time.
    arrived: UnixStream,
}

impl Signals {
    fn catch() -> io::Result<Signals> {
        let (arrived, sender) = UnixStream::pair()?;
        arrived.set_read_timeout(Some(LOOK_EVERY))?;
        let signals =
            Signals { stop: Arc::default(), terminate: Arc::default(), reopen: Arc::default(), arrived };
        for signal in [SIGTERM, SIGINT] {
            // Order matters: the second signal finds the flag set and ends the process at once.
            let status = i32::from(Exit::Impatient.status());
            flag::register_conditional_shutdown(signal, status, Arc::clone(&signals.stop))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        flag::register(SIGTERM, Arc::clone(&signals.terminate))?;
        flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        pipe::register(SIGHUP, sender)?;
        Ok(signals)
    }

    /// Waits for the signal to stop, and follows the others meanwhile.
    fn follow(mut self, running: Running, mut control: LogControl) {
        while !self.stop.load(Ordering::Acquire) {
            if self.reopen.swap(false, Ordering::AcqRel) {
                control.reopen();
            }
            control.follow(&running.node().config().logging);
            // A byte, a timeout and an interruption all mean the same: look again.
            let _ = self.arrived.read(&mut [0; 16]);
        }
        if self.terminate.load(Ordering::Acquire) {
            running.hand_over();
        }
        tracing::info!("stopping: no new connections, replies are sent off");
        running.stop();
        tracing::info!("stopped");
    }
}
