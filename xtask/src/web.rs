//! `cargo xtask web`: the web door on three real nodes: REST, the console in a browser, and requests made up from the
//! description of the API.
//!
//! The scripts are in `tests/web`. Node.js, Chromium (Debian's package) and Python must be there; playwright-core, axe-core
//! and schemathesis are put beside the build cache, in the versions named here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{self, Process};
use crate::{venv, workspace};

const MODULES: [&str; 2] = ["playwright-core@1.64.1", "axe-core@4.10.3"];
const CLIENT: &str = "aerospike==19.3.0";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Where the node for Python's scripts listens.
const ADDRESS: &str = "127.0.63.1";

/// Which part, and of which program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Seconds of made-up requests
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where pictures of the console's pages go; the build cache when not given
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// With `--only shop`: the folder of documents into which its table and plot are written
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

/// A part that runs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Status codes, values, listings, queries, strangers, tenants
    Rest,
    /// Change streams, `shipload tail`, live queries as events and over WebSockets
    Live,
    /// A thousand live queries, while a node dies and comes back; how long notifications take
    Subscriptions,
    /// The JavaScript client behind caches: staleness, own writes, while a node dies
    Client,
    /// `shipload cache`, Varnish and nginx with three bounds on staleness each, under writes, while nodes come and die
    Staleness,
    /// The demo shop in Chromium through network delay, with and without caches and the sketch
    Shop,
    /// The pages in Chromium, while a node dies
    Console,
    /// Every kind of value through the stock Python client, REST, and SQL where the program has it
    Values,
    /// Requests made up from the OpenAPI document
    Schema,
}

/// Runs the parts: `true` when all hold.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = process::binary(args.binary.as_ref())?;
    let tools = workspace::target_dir().join("tools").join("web");
    let pictures = args.pictures.clone().unwrap_or_else(|| tools.join("pictures"));
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let mut holds = true;
    if wanted(Part::Rest) {
        holds &= script("rest.mjs", &tools, [binary.clone().into_os_string()])?;
        holds &= script("tenants.mjs", &tools, [binary.clone().into_os_string()])?;
    }
    if wanted(Part::Live) {
        holds &= script("live.mjs", &tools, [binary.clone().into_os_string()])?;
        holds &= script("socket.mjs", &tools, [binary.clone().into_os_string()])?;
    }
    if wanted(Part::Subscriptions) {
        holds &= script("subscriptions.mjs", &tools, [binary.clone().into_os_string()])?;
    }
    if wanted(Part::Client) {
        holds &= script("client.mjs", &tools, [binary.clone().into_os_string()])?;
    }
    if wanted(Part::Staleness) {
        holds &= staleness(&binary)?;
    }
    if wanted(Part::Shop) {
        modules(&tools)?;
        let mut words = vec![binary.clone().into_os_string(), pictures.clone().into()];
        words.extend(args.write.clone().map(OsString::from));
        holds &= script("shop.mjs", &tools, words)?;
    }
    if wanted(Part::Console) {
        modules(&tools)?;
        holds &= script("console.mjs", &tools, [binary.clone().into_os_string(), pictures.clone().into()])?;
        println!("pictures: {}", pictures.display());
    }
    if wanted(Part::Values) {
        holds &= values(&binary, &tools)?;
    }
    if wanted(Part::Schema) {
        holds &= schema(&binary, &tools, args.seconds)?;
    }
    Ok(holds)
}

/// How old reads through caches are; also `cargo xtask drill staleness`. Varnish and nginx must be there.
pub(crate) fn staleness(binary: &Path) -> Result<bool> {
    let tools = workspace::target_dir().join("tools").join("web");
    script("staleness.mjs", &tools, [binary.as_os_str().to_owned()])
}

fn script(name: &str, tools: &Path, words: impl IntoIterator<Item = OsString>) -> Result<bool> {
    println!("\n--> tests/web/{name}");
    let path = workspace::root().join("tests").join("web").join(name);
    let status = Command::new("node").arg(path).args(words).env("WEB_MODULES", tools).status();
    Ok(status.context("Node.js is needed")?.success())
}

/// Puts the browser's driver and the accessibility checker where the script finds them.
fn modules(tools: &Path) -> Result<()> {
    std::fs::create_dir_all(tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let words = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
    process::succeed(Command::new("npm").args(words).arg(tools).args(MODULES))
}

/// A node for a script that is no script of Node.js.
fn node(binary: &Path) -> Result<Process> {
    let words = ["serve", "--address", ADDRESS, "--namespace", "test", "--log-level", "info"];
    let mut node = Process::start("the node", Command::new(binary).args(words))?;
    node.wait_for(Duration::from_secs(20), |line| line.contains("http port").then_some(()))?;
    Ok(node)
}

/// What one door writes the others read, whatever kind of value it is.
fn values(binary: &Path, tools: &Path) -> Result<bool> {
    println!("\n--> tests/web/values.py, {CLIENT}");
    let python = venv::python(Path::new("python3"), &tools.join("venv"))?;
    venv::install(&python, &[CLIENT])?;
    let _node = node(binary)?;
    let path = workspace::root().join("tests/web/values.py");
    let status = Command::new(python).arg(path).arg(ADDRESS).status();
    Ok(status.context("cannot run Python")?.success())
}

/// Lets schemathesis make up requests from the description of the API.
fn schema(binary: &Path, tools: &Path, seconds: u64) -> Result<bool> {
    println!("\n--> {SCHEMATHESIS}, {seconds} s");
    let tool = venv::tool(&tools.join("venv"), "schemathesis", SCHEMATHESIS)?;
    let _node = node(binary)?;
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    // Streams have no end that a made-up request could wait for.
    let status = Command::new(tool)
        .args(["run", &format!("http://{ADDRESS}:4200/v1/openapi.json"), "--checks", checks])
        .args([
            "--max-time",
            &seconds.to_string(),
            "--max-failures",
            "20",
            "--continue-on-failure",
            "--no-color",
        ])
        .args(["--exclude-tag", "live", "--request-timeout", "20"])
        // It leaves a folder where it runs.
        .current_dir(tools)
        .status()
        .with_context(|| format!("cannot run {SCHEMATHESIS}"))?;
    let alive = Command::new("curl").args(["-sf", &format!("http://{ADDRESS}:4200/healthz")]).status()?;
    Ok(status.success() && alive.success())
}
