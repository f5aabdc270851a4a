//! Several Docker engines on this machine, each in namespaces of its own: hosts that can lose power or their cable.
//!
//! A switch lives in a network namespace of its own; each engine has one with an address of its own on the switch, and
//! so has the client that visits the pages. An engine asks a name server that is not there, and is told so at once:
//! else it waits for one before each task. Killing an engine's first process ends all that it ran, like a power cut.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::certificates::Certificates;
use crate::docker::Docker;
use crate::reaper::Reaper;
use crate::wait;

/// The first three parts of all addresses on the switch.
const NETWORK: &str = "10.78.0";
const SWITCH: &str = "vosw";
const CLIENT: &str = "vocl";
/// Where engines listen with TLS.
pub(crate) const TLS_PORT: u16 = 2376;
const READY: Duration = Duration::from_secs(60);

/// One host.
#[derive(Debug)]
pub(crate) struct Engine {
    number: usize,
    folder: PathBuf,
    /// The program that keeps the namespaces; none while the host is off.
    keeper: Option<Child>,
    /// Docker towards it.
    pub(crate) docker: Docker,
    /// For its port with TLS.
    pub(crate) certificates: Certificates,
}

/// All hosts; dropping them ends all that they run.
#[derive(Debug)]
pub(crate) struct Engines {
    folder: PathBuf,
    all: Vec<Engine>,
    reaper: Option<Reaper>,
    /// Names and addresses on this machine are there once only.
    _turn: File,
}

impl Engines {
    /// Starts so many engines with their data in `folder`, which must not hold anything else.
    pub(crate) fn start(folder: &Path, count: usize) -> Result<Self> {
        let turn = turn(folder)?;
        remove(folder, count);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let reaper = Some(Reaper::start(folder)?);
        let mut engines = Self { folder: folder.to_owned(), all: Vec::new(), reaper, _turn: turn };
        namespace(SWITCH)?;
        ip(&format!("-n {SWITCH} link add br0 type bridge"))?;
        ip(&format!("-n {SWITCH} link set br0 up"))?;
        plug(CLIENT, "voc", 100)?;
        for number in 0..count {
            plug(&space(number), &format!("vov{number}"), 10 + number)?;
            let engine = Engine::new(folder, number)?;
            engines.all.push(engine);
        }
        for engine in &mut engines.all {
            engine.switch_on()?;
        }
        engines.all.iter().try_for_each(|engine| {
            engine.wait_ready().with_context(|| format!("{} wrote: {}", engine.name(), engine.last_words()))
        })?;
        Ok(engines)
    }

    /// The engine with this number.
    pub(crate) fn get(&self, number: usize) -> Result<&Engine> {
        self.all.get(number).with_context(|| format!("there is no engine {number}"))
    }

    /// The engine with this number, to harm it.
    pub(crate) fn get_mut(&mut self, number: usize) -> Result<&mut Engine> {
        self.all.get_mut(number).with_context(|| format!("there is no engine {number}"))
    }

    /// A folder for files that are gone when the engines are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All engines in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Engine> {
        self.all.iter()
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        for engine in &mut self.all {
            // Whatever still runs ends here; there is nobody to tell.
            let _ = engine.power_off();
        }
        remove(&self.folder, self.all.len());
        if let Some(reaper) = self.reaper.take() {
            reaper.dismiss();
        }
    }
}

impl Engine {
    fn new(folder: &Path, number: usize) -> Result<Self> {
        let folder = folder.join(format!("e{number}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("resolv.conf"), format!("nameserver {NETWORK}.{}\n", 10 + number))?;
        let docker = Docker::at(&folder.join("docker.sock"));
        let address = format!("{NETWORK}.{}", 10 + number);
        let certificates = Certificates::make(&folder.join("tls"), &address)?;
        Ok(Self { number, folder, keeper: None, docker, certificates })
    }

    /// Its name in a Swarm.
    pub(crate) fn name(&self) -> String {
        format!("engine-{}", self.number)
    }

    /// Its address on the switch.
    pub(crate) fn address(&self) -> String {
        format!("{NETWORK}.{}", 10 + self.number)
    }

    /// Where it listens, for containers that watch it.
    pub(crate) fn socket(&self) -> String {
        self.folder.join("docker.sock").display().to_string()
    }

    /// What the engine itself wrote.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Whether it has power.
    pub(crate) fn is_on(&self) -> bool {
        self.keeper.is_some()
    }

    /// Starts the engine; it may need a moment until it answers.
    pub(crate) fn switch_on(&mut self) -> Result<()> {
        // What lies there would be gone after a real loss of power. An engine that finds the number of its old
        // containerd here, which now is somebody else's, waits for that for ever.
        remove_if_there(&self.folder.join("exec"))?;
        let folder = self.folder.display();
        let script = format!(
            "mount --bind {folder}/resolv.conf /etc/resolv.conf; hostname {}; rm -f {folder}/pid; \
             exec dockerd --data-root {folder}/data --exec-root {folder}/exec -p {folder}/pid \
             -H unix://{folder}/docker.sock -H tcp://{}:{TLS_PORT} --tlsverify --tlscacert {tls}/ca.pem \
             --tlscert {tls}/cert.pem --tlskey {tls}/key.pem",
            self.name(),
            self.address(),
            tls = self.certificates.of("engine")
        );
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let words = ["--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
        // The kernel ends the keeper when this thread ends, however it does.
        let keeper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nsenter"])
            .arg(format!("--net=/run/netns/{}", space(self.number)))
            .arg("unshare")
            .args(words)
            .arg(script)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start an engine")?;
        fs::write(self.folder.join("keeper"), keeper.id().to_string())?;
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Waits until it answers.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        let (_, _) = wait::until(&format!("{} answers", self.name()), READY, || self.docker.line("version"))?;
        Ok(())
    }

    /// The end of what it wrote.
    fn last_words(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.reverse();
        lines.join("; ")
    }

    /// Ends it and all that it runs at once.
    pub(crate) fn power_off(&mut self) -> Result<()> {
        let Some(mut keeper) = self.keeper.take() else { return Ok(()) };
        let first = child_of(keeper.id());
        keeper.kill().context("the keeper can't be killed")?;
        keeper.wait()?;
        if let Some(first) = first {
            wait::until("the engine's first process is gone", READY, || {
                match fs::metadata(format!("/proc/{first}")) {
                    Ok(_) => bail!("it is still there"),
                    Err(_) => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// Ends the engine as an operator would, and with it its containers, and waits for it.
    pub(crate) fn shut_down(&mut self) -> Result<()> {
        let Some(mut keeper) = self.keeper.take() else { return Ok(()) };
        if let Some(first) = child_of(keeper.id()).and_then(Pid::from_raw) {
            kill_process(first, Signal::TERM)?;
        }
        keeper.wait()?;
        Ok(())
    }

    /// Pulls or plugs its cable.
    pub(crate) fn cable(&self, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {SWITCH} link set vov{} {state}", self.number))
    }
}

/// Moves the calling thread to where the visitors are; all its sockets are there from now on.
pub(crate) fn become_visitor() -> Result<()> {
    let file = File::open(format!("/run/netns/{CLIENT}"))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn remove_if_there(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn space(number: usize) -> String {
    format!("voe{number}")
}

/// The first child of a process.
fn child_of(process: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn namespace(name: &str) -> Result<()> {
    ip(&format!("netns add {name}"))?;
    ip(&format!("-n {name} link set lo up"))
}

/// A network namespace with one cable to the switch.
fn plug(name: &str, cable: &str, last: usize) -> Result<()> {
    namespace(name)?;
    ip(&format!("link add {cable} type veth peer name eth0 netns {name}"))?;
    ip(&format!("link set {cable} netns {SWITCH}"))?;
    ip(&format!("-n {SWITCH} link set {cable} master br0 up"))?;
    ip(&format!("-n {name} addr add {NETWORK}.{last}/24 dev eth0"))?;
    ip(&format!("-n {name} link set eth0 up"))?;
    ip(&format!("-n {name} route add default via {NETWORK}.254"))
}

fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split_whitespace()).output().context("cannot run ip")?;
    if !output.status.success() {
        bail!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Runs a program where the visitors are.
pub(crate) fn as_visitor(program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", CLIENT]).arg(program);
    command
}

/// Waits until no other run is on this machine; the next one's turn comes when the file is closed.
pub(crate) fn turn(folder: &Path) -> Result<File> {
    let path = folder.with_extension("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("voyage: another one is under way on this machine; waiting for its end");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// Takes away what this or an earlier run has left.
pub(crate) fn remove(folder: &Path, count: usize) {
    for number in 0..count.max(8) {
        let keeper = folder.join(format!("e{number}/keeper"));
        let id = fs::read_to_string(keeper).ok().and_then(|text| text.parse::<i32>().ok());
        let Some(id) = id else { continue };
        // The number may belong to somebody else by now.
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&format!("{}/e{number}", folder.display()))
            && let Some(id) = Pid::from_raw(id)
        {
            let _ = kill_process(id, Signal::KILL);
        }
    }
    let spaces = (0..count.max(8)).map(space).chain([SWITCH.to_owned(), CLIENT.to_owned()]);
    for name in spaces {
        // Most are not there.
        let _ = ip(&format!("netns del {name}"));
    }
    let _ = fs::remove_dir_all(folder);
}
