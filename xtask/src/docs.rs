//! `cargo xtask docs`: the commands in README and docs are run, and print what is written below them.
//!
//! A ```` ```sh ```` block is run with bash in an empty directory, one directory and one world for each document.
//! A ```` ```text ```` block directly below holds what the command prints; `...` in it stands for anything. Comments
//! before a block say what a reader need not see:
//!
//! ```text
//! <!-- run: background until "Ctrl-C ends it" -->   goes on running; later blocks start when it prints this
//! <!-- run: not here, it takes an hour -->          is not run, for a reason
//! <!-- output: example -->                          before a text block: values differ from run to run
//! ```
//!
//! `shipload` and `cargo run -- ...` mean the program under test. The fixed ports of the documents are opened in
//! a network namespace of the check's own where the machine allows one.

mod compare;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::world::World;
use crate::markdown::{self, Block};
use crate::process;
use crate::tidy::{Directive, is_document, read_directive};
use crate::workspace;

/// Tells the check that it runs inside its own network namespace.
const INSIDE_VARIABLE: &str = "SHIPLOAD_DOCS_INSIDE";

/// What is checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these documents; all when none is given
    documents: Vec<PathBuf>,
    /// The program to test; the release build of this checkout when not given
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs the documents.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let binary = process::binary(args.binary.as_ref())?;
    if !is_inside() && has_namespaces() {
        return run_inside(args, &binary);
    }
    if !is_inside() {
        println!("docs: no network namespaces here; the documents' ports are opened on this machine");
    }
    let root = workspace::root();
    let documents = if args.documents.is_empty() { all_documents(&root)? } else { args.documents.clone() };
    let mut holds = true;
    for document in &documents {
        let text = std::fs::read_to_string(root.join(document))
            .with_context(|| format!("cannot read {}", document.display()))?;
        let tasks = tasks(&text).with_context(|| document.display().to_string())?;
        if tasks.iter().all(|task| matches!(task.how, How::Skip)) {
            continue;
        }
        match run_document(&binary, &tasks) {
            Ok(count) => println!("docs: {} ({count} commands)", document.display()),
            Err(error) => {
                eprintln!("{}:{error:#}", document.display());
                holds = false;
            }
        }
    }
    Ok(holds)
}

fn all_documents(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(workspace::files(root)?.into_iter().filter(|path| is_document(path)).collect())
}

/// True when this process has its own network, with nothing in it.
fn is_inside() -> bool {
    std::env::var_os(INSIDE_VARIABLE).is_some()
}

/// True where an unprivileged user may have a network of its own.
fn has_namespaces() -> bool {
    let probe =
        Command::new("unshare").args(["--map-root-user", "--net", "ip", "link", "set", "lo", "up"]).output();
    probe.is_ok_and(|output| output.status.success())
}

/// Runs this same command in a network namespace in which nothing but the loopback interface exists.
fn run_inside(args: &Args, binary: &Path) -> Result<bool> {
    // Not its path: a build that goes on beside may put a new program there.
    let own = std::env::temp_dir().join(format!("shipload-xtask-{}", std::process::id()));
    std::fs::copy("/proc/self/exe", &own).context("cannot copy this program")?;
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(&own)
        .arg("docs")
        .arg("--binary")
        .arg(binary)
        .args(&args.documents)
        .env(INSIDE_VARIABLE, "1")
        .status();
    // A copy that stays behind in the temporary files is no reason to fail.
    let _ = std::fs::remove_file(&own);
    Ok(status.context("cannot run unshare")?.success())
}

/// A command of a document, and what it must print.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    line: usize,
    script: String,
    how: How,
    output: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    Run,
    Background { ready: String },
    Skip,
}

/// The commands of a document in their order.
fn tasks(text: &str) -> Result<Vec<Task>> {
    let blocks = markdown::blocks(text);
    let mut tasks: Vec<Task> = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        let how = match directive(block)? {
            None | Some(Directive::Example) => How::Run,
            Some(Directive::Background { ready }) => How::Background { ready },
            Some(Directive::Skip { .. }) => How::Skip,
        };
        let next = blocks.get(index + 1).filter(|next| next.language == "text" && next.follows_block);
        let output = match next {
            Some(next) if directive(next)? != Some(Directive::Example) => Some(next.text.clone()),
            Some(_) | None => None,
        };
        tasks.push(Task { line: block.line, script: block.text.clone(), how, output });
    }
    Ok(tasks)
}

fn directive(block: &Block) -> Result<Option<Directive>> {
    match block.directive.as_deref().and_then(read_directive) {
        None => Ok(None),
        Some(Ok(directive)) => Ok(Some(directive)),
        Some(Err(problem)) => bail!("{}: {problem}", block.line),
    }
}

/// Runs the commands of one document; an error begins with the line of the command.
fn run_document(binary: &Path, tasks: &[Task]) -> Result<usize> {
    let mut world = World::new(binary)?;
    let mut count = 0;
    for task in tasks {
        let ran = match &task.how {
            How::Skip => continue,
            How::Run => world.run(&task.script),
            How::Background { ready } => world.start(&task.script, ready),
        };
        let printed = ran.with_context(|| format!("{}: {}", task.line, task.script.trim_end()))?;
        if let Some(wanted) = &task.output {
            ensure!(
                compare::fits(wanted, &printed),
                "{}: {} prints\n{printed}\nbut the document says\n{wanted}",
                task.line,
                task.script.trim_end()
            );
        }
        count += 1;
    }
    world.end()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_outputs() {
        let text = "<!-- run: background until \"up\" -->\n```sh\na\n```\n```text\nx\n```\n\
            <!-- run: not here, slow -->\n```sh\nb\n```\n\n```sh\nc\n```\n<!-- output: example -->\n```text\ny\n```\n\
            ```sh\nd\n```\nwords\n```text\nz\n```\n";
        let tasks = tasks(text).unwrap();
        let seen: Vec<(&str, bool)> = tasks.iter().map(|t| (t.script.trim(), t.output.is_some())).collect();
        assert_eq!(seen, [("a", true), ("b", false), ("c", false), ("d", false)]);
        assert_eq!(tasks[0].how, How::Background { ready: "up".to_owned() });
        assert_eq!(tasks[1].how, How::Skip);
    }

    #[test]
    fn a_document_is_run_and_a_lie_is_found() {
        let binary = Path::new("/bin/true");
        let task = |script: &str, output: &str| Task {
            line: 7,
            script: script.to_owned(),
            how: How::Run,
            output: Some(output.to_owned()),
        };
        let tasks = [task("ls -A; export A=b", ""), task("shipload x && echo done", "done\n")];
        assert_eq!(run_document(binary, &tasks).unwrap(), 2);
        let error = run_document(binary, &[task("echo a", "b\n")]).unwrap_err().to_string();
        assert!(error.starts_with("7: echo a prints\na\n"), "{error}");
        let error = format!("{:#}", run_document(binary, &[task("exit 3", "")]).unwrap_err());
        assert!(error.contains("7: exit 3"), "{error}");
    }

    #[test]
    fn what_stays_in_the_background_is_ended() {
        let binary = Path::new("/bin/true");
        let how = How::Background { ready: "ready".to_owned() };
        let script = "echo starting; echo ready; exec sleep 1000".to_owned();
        let tasks = [Task { line: 1, script, how, output: Some("starting\nready\n".to_owned()) }];
        assert_eq!(run_document(binary, &tasks).unwrap(), 1);
    }
}
