//! `shipload watch`: lists containers, compares with what the load balancer and the clusters hold, and applies the
//! difference. Again and again; an event only makes it look sooner.
//!
//! Guarantees: a look that fails changes nothing and is repeated; what was started by hand or by an earlier watcher is
//! taken over as it is; each reason for passing over a container is told once.

use crate::aerospike::{Introducer, Settings as AerospikeSettings};
use crate::engine::{Engine, EngineError};
use crate::haproxy::{
    Balancer, Certificates, ProcessError, Runtime, RuntimeError, Settings, frame_of, render,
};
use crate::info;
use crate::route::{Action, Container, Desired, Owners, Planner, desire};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How often it looks without any hint.
const LOOK: Duration = Duration::from_secs(2);
/// After a hint it waits so long for more of them.
const GATHER: Duration = Duration::from_millis(100);
/// How often it looks while something is under way.
const SOON: Duration = Duration::from_millis(300);

/// Why one look failed. The next one may succeed.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The load balancer's program or file.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The running load balancer.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The load balancer that is kept current.
#[derive(Debug)]
pub struct Front {
    /// What does not come from labels.
    pub settings: Settings,
    /// The program and its file.
    pub balancer: Balancer,
    /// The networks that it is on; all when empty.
    pub networks: BTreeSet<String>,
    /// Sends a signal to load the file to the process of this number.
    pub signal: fn(u32) -> io::Result<()>,
}

/// Everything that a watcher is about.
#[derive(Debug)]
pub struct Watcher {
    engine: Engine,
    front: Option<Front>,
    introducer: Option<Introducer>,
    planner: Planner,
    owners: Owners,
    certificates: Certificates,
    told: BTreeSet<String>,
    began: Instant,
    /// How often the load balancer loaded its file.
    pub loads: u64,
}

impl Watcher {
    /// A watcher of this engine; takes over what an earlier one left.
    #[must_use]
    pub fn new(engine: Engine, front: Option<Front>, aerospike: Option<AerospikeSettings>) -> Watcher {
        let mut planner = Planner::default();
        let mut owners = Owners::new();
        if let Some(front) = &front
            && front.balancer.running().is_some()
        {
            let written = front.balancer.written();
            planner.loaded(&frame_of(&written));
            owners = owners_of(&written);
        }
        let introducer = aerospike.map(Introducer::new);
        Watcher {
            engine,
            front,
            introducer,
            planner,
            owners,
            certificates: Certificates::default(),
            told: BTreeSet::new(),
            began: Instant::now(),
            loads: 0,
        }
    }

    /// Looks for ever.
    pub async fn run(mut self) {
        loop {
            let pause = match self.look().await {
                Ok(true) => SOON,
                Ok(false) => LOOK,
                Err(error) => {
                    self.tell(format!("{error}"), true);
                    LOOK
                }
            };
            tokio::select! {
                () = self.engine.wait_for_hint() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look: whether something is still under way.
    ///
    /// # Errors
    /// When the engine or the load balancer does not answer.
    pub async fn look(&mut self) -> Result<bool, WatchError> {
        let containers = self.engine.containers().await?;
        let introducing = self.introduce(&containers).await;
        Ok(self.balance(&containers).await? || introducing)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn balance(&mut self, containers: &[Container]) -> Result<bool, WatchError> {
        let now_ms = self.now_ms();
        let Some(front) = &self.front else { return Ok(false) };
        let desired = desire(containers, &front.networks, &mut self.owners);
        let (usable, refused) = self.certificates.look(&front.balancer, &desired);
        let file = render(&front.settings, &desired, &usable);
        let runtime = Runtime::at(Path::new(&front.settings.socket));
        let running = front.balancer.running().is_some();
        let proxy = if running { runtime.proxy().await? } else { crate::route::Proxy::new() };
        let frame = frame_of(&file);
        let actions =
            if running { self.planner.plan(&desired, &frame, &proxy, now_ms) } else { vec![Action::Reload] };
        let changed = front.balancer.written() != file;
        if actions.contains(&Action::Reload) {
            front.balancer.check(&file)?;
            front.balancer.write(&file)?;
            front.balancer.load(&front.signal)?;
            self.planner.loaded(&frame);
            self.loads += 1;
            tracing::info!(
                "load balancer: {} loaded, {} services",
                front.balancer.file.display(),
                desired.backends.len()
            );
            // The new process needs a moment before it answers at its socket.
            tokio::time::sleep(SOON).await;
            self.tell_all(&desired, refused);
            return Ok(true);
        }
        for action in &actions {
            match runtime.act(action).await {
                Ok(()) => tracing::info!("load balancer: {}", words(action)),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if changed {
            front.balancer.write(&file)?;
        }
        self.tell_all(&desired, refused);
        Ok(!actions.is_empty())
    }

    async fn introduce(&mut self, containers: &[Container]) -> bool {
        let now_ms = self.now_ms();
        let Some(introducer) = &mut self.introducer else { return false };
        let (calls, skipped) = introducer.step(containers, now_ms);
        for call in &calls {
            let accepted = info::tell(call.to, &call.command).await;
            match &accepted {
                Ok(()) => tracing::info!("{}: {} at {}", call.about, call.command, call.to),
                Err(error) => tracing::warn!("{}: {error}", call.about),
            }
            introducer.answered(call, accepted.is_ok());
        }
        if calls.is_empty() {
            for (name, node, expected) in introducer.expected() {
                let Ok(seen) = info::table(node, "statistics").await else { continue };
                let size = seen.get("cluster_size").and_then(|size| size.parse::<usize>().ok());
                if size.is_some_and(|size| size < expected) {
                    introducer.doubt(&name, now_ms);
                }
            }
        }
        for (name, why) in skipped {
            self.tell(format!("{name} is passed over: {why}"), false);
        }
        !calls.is_empty()
    }

    fn tell_all(&mut self, desired: &Desired, refused: Vec<String>) {
        for text in refused {
            self.tell(text, true);
        }
        for skipped in &desired.skipped {
            self.tell(format!("{} is passed over: {}", skipped.container, skipped.why), true);
        }
        for note in &desired.notes {
            self.tell(format!("{}: {}", note.container, note.why), false);
        }
    }

    /// Says something once.
    fn tell(&mut self, text: String, warn: bool) {
        if self.told.contains(&text) {
            return;
        }
        if warn {
            tracing::warn!("{text}");
        } else {
            tracing::info!("{text}");
        }
        // What was said long ago may be said again.
        if self.told.len() > 1000 {
            self.told.clear();
        }
        self.told.insert(text);
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Reload => "load the file".to_owned(),
        Action::Add { place: (backend, server), address, .. } => {
            format!("{backend}/{server} at {address} is in")
        }
        Action::Drain { place: (backend, server) } => format!("{backend}/{server} gets no new visitors"),
        Action::Enable { place: (backend, server) } => format!("{backend}/{server} gets visitors again"),
        Action::Remove { place: (backend, server) } => format!("{backend}/{server} is out"),
    }
}

/// Who had which host name according to a written file.
fn owners_of(file: &str) -> Owners {
    let mut owners = Owners::new();
    for line in file.lines() {
        let Some(rest) = line.trim().strip_prefix("use_backend ") else { continue };
        let mut parts = rest.split_whitespace();
        let Some(service) = parts.next() else { continue };
        let words: Vec<&str> = parts.collect();
        let after =
            |key: &str| words.iter().position(|word| *word == key).and_then(|place| words.get(place + 1));
        let host = match (after("end"), after("-i")) {
            (Some(tail), _) => format!("*{tail}"),
            (None, Some(host)) => (*host).to_owned(),
            (None, None) => continue,
        };
        let path = after("path").map_or(String::new(), |path| (*path).to_owned());
        owners.insert((host, path), service.to_owned());
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::owners_of;

    #[test]
    fn a_written_file_tells_who_had_which_name() {
        let file = "  use_backend web if { hdr(host),field(1,:) -i a.example }\n  \
                    use_backend app if { hdr(host),field(1,:) -i -m end .b.example } { path /shop } || x\n";
        let owners = owners_of(file);
        assert_eq!(owners[&("a.example".to_owned(), String::new())], "web");
        assert_eq!(owners[&("*.b.example".to_owned(), "/shop".to_owned())], "app");
    }
}
