//! The servers: a node, nginx with a file, and Redis behind webdis, each on addresses of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::Kind;
use crate::bench_records::counters;
use crate::process::Process;
use crate::workspace;

const NODE: &str = "127.0.80.51";
const NGINX: &str = "127.0.80.52:8080";
const WEBDIS: &str = "127.0.80.53";
const REDIS_PORT: &str = "6380";
/// Bytes of the value.
const VALUE: usize = 200;
/// Sockets that the default of `http.max-connections` lets in for sure.
const FITTING: u32 = 2000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder for files, and the program under test.
pub(super) struct World {
    binary: PathBuf,
    folder: PathBuf,
    sockets: u32,
}

impl World {
    pub(super) fn new(binary: PathBuf, sockets: u32) -> Result<World> {
        let folder = workspace::target_dir().join(format!("bench-web-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(World { binary, folder, sockets })
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is left there is needed by nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server that answers.
pub(super) struct Server {
    pub(super) name: &'static str,
    /// Without a path.
    pub(super) url: String,
    get: String,
    put: Option<(String, PathBuf)>,
    processes: Vec<Process>,
}

impl Server {
    /// A node with a record.
    pub(super) fn shipload(world: &World) -> Result<Server> {
        let mut command = Command::new(&world.binary);
        command.args(["serve", "--address", NODE, "--namespace", "test", "--log-level", "info"]);
        if world.sockets > FITTING {
            command.args(["--set", &format!("network.http.max-connections={}", world.sockets + 1000)]);
        }
        let mut node = Process::start("the node", &mut command)?;
        node.wait_for(PATIENCE, |line| line.contains("http port").then_some(()))?;
        let url = format!("http://{NODE}:4200");
        let record = format!("{url}/v1/db/test/users/ada");
        let body = format!(r#"{{"bins": {{"name": "{}", "visits": 1}}}}"#, "x".repeat(VALUE));
        let script = world.write("put-shipload.lua", &put_script(&body, "application/json"))?;
        curl(&["-X", "PUT", "-H", "Content-Type: application/json", "-d", &body, &record])?;
        let put = Some((record.clone(), script));
        Ok(Server { name: "Shipload", url, get: record, put, processes: vec![node] })
    }

    /// nginx with a file that is as long as the node's answer.
    pub(super) fn nginx(world: &World) -> Result<Server> {
        let answer = curl(&[&format!("http://{NODE}:4200/v1/db/test/users/ada")])?;
        world.write("record.json", &answer)?;
        let folder = world.folder.display();
        let config = format!(
            "daemon off; master_process off; error_log {folder}/error.log; pid {folder}/nginx.pid;\n\
             events {{ }}\nhttp {{ access_log off; default_type application/json; keepalive_requests 1000000000;\n\
             client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
             uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; open_file_cache max=10;\n\
             server {{ listen {NGINX}; root {folder}; }} }}\n"
        );
        let config = world.write("nginx.conf", &config)?;
        let mut command = Command::new("nginx");
        let nginx = Process::start("nginx", command.arg("-c").arg(&config))
            .context("nginx is needed: apt-get install nginx")?;
        let (url, get) = (format!("http://{NGINX}"), format!("http://{NGINX}/record.json"));
        answers(&get)?;
        Ok(Server { name: "nginx, a file", url, get, put: None, processes: vec![nginx] })
    }

    /// Redis with a value, behind webdis.
    pub(super) fn webdis(world: &World) -> Result<Server> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", WEBDIS, "--port", REDIS_PORT, "--save", "", "--appendonly", "no"]);
        let mut redis = Process::start("redis-server", &mut command)
            .context("Redis is needed: apt-get install redis-server")?;
        redis.wait_for(PATIENCE, |line| line.contains("eady to accept").then_some(()))?;
        let config = format!(
            r#"{{"redis_host": "{WEBDIS}", "redis_port": {REDIS_PORT}, "http_host": "{WEBDIS}", "http_port": 7379,
                "threads": 1, "pool_size": 16, "daemonize": false, "websockets": false, "database": 0, "verbosity": 0,
                "logfile": "{}"}}"#,
            world.folder.join("webdis.log").display()
        );
        let config = world.write("webdis.json", &config)?;
        let webdis = Process::start("webdis", Command::new("webdis").arg(&config))
            .context("webdis is needed: apt-get install webdis")?;
        let url = format!("http://{WEBDIS}:7379");
        let body = "x".repeat(VALUE);
        answers(&format!("{url}/PING"))?;
        curl(&["-X", "PUT", "-d", &body, &format!("{url}/SET/ada")])?;
        let script = world.write("put-webdis.lua", &put_script(&body, "text/plain"))?;
        let (get, put) = (format!("{url}/GET/ada"), Some((format!("{url}/SET/ada"), script)));
        Ok(Server { name: "Redis behind webdis", url, get, put, processes: vec![webdis, redis] })
    }

    /// The process that listens for HTTP.
    pub(super) fn id(&self) -> u32 {
        self.processes.first().map_or(0, Process::id)
    }

    pub(super) fn does(&self, kind: Kind) -> bool {
        kind == Kind::Get || self.put.is_some()
    }

    /// What wrk is told.
    pub(super) fn words(&self, kind: Kind) -> Result<Vec<String>> {
        if kind == Kind::Get {
            return Ok(vec![self.get.clone()]);
        }
        let (url, script) = self.put.as_ref().context("it takes no writes")?;
        Ok(vec!["-s".to_owned(), script.display().to_string(), url.clone()])
    }

    /// Processor seconds of all its processes.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.processes.iter().map(|process| counters::cpu_seconds(process.id())).sum()
    }
}

fn put_script(body: &str, kind: &str) -> String {
    format!("wrk.method = 'PUT'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = '{kind}'\n")
}

fn curl(words: &[&str]) -> Result<String> {
    let output = Command::new("curl").args(["-sf", "--max-time", "10"]).args(words).output()?;
    ensure!(output.status.success(), "curl {words:?} ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until somebody answers there.
fn answers(url: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while curl(&[url]).is_err() {
        ensure!(Instant::now() < deadline, "nobody answers at {url}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn scripts_say_what_is_put() {
        let script = super::put_script("{}", "application/json");
        assert!(script.contains("wrk.body = '{}'") && script.contains("'PUT'"), "{script}");
    }
}
