//! `shipload aql`: statements against a running cluster, typed or from a script.
//!
//! A statement goes through `lexer`, `parser` and `session`; the session speaks to the cluster through the
//! official Rust client, so what works here works for every application. Records stream: a table keeps one
//! page in memory, JSON keeps one row.

mod aggregate;
mod define;
mod definition;
mod filter;
mod lexer;
mod literal;
mod output;
mod parser;
#[cfg(test)]
mod parser_tests;
mod prompt;
mod session;
mod show;
mod statement;
mod table;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::session::{Options, Session};
use crate::seed::Seed;

/// What can be given on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    seed: Seed,
    /// Run this statement and leave; may be given several times
    #[arg(short, long = "command", value_name = "STATEMENT", conflicts_with = "file")]
    command: Vec<String>,
    /// Run the statements of this file and leave; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print rows as JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Show at most this many rows of a table; 0 shows all
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    rows: u64,
    /// Give up on a statement after this many milliseconds; 0 waits
    #[arg(long, value_name = "MS", default_value_t = 0)]
    timeout_ms: u32,
}

/// Runs the statements that were given, or asks for them.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let script = script(args)?;
    let runtime = crate::runtime::start()?;
    let options =
        Options { json: args.json, rows: args.rows, timeout_ms: args.timeout_ms, ..Options::default() };
    let mut session = runtime.block_on(Session::connect(&args.seed, options))?;
    let code = match script {
        None => prompt::run(&runtime, &mut session)?,
        Some(statements) => run_script(&runtime, &mut session, &statements)?,
    };
    runtime.block_on(session.close());
    // The client keeps tasks that would wait for their next turn.
    runtime.shutdown_background();
    Ok(code)
}

/// The statements that were given, each with where it stands; `None` to ask for them.
fn script(args: &Args) -> Result<Option<Vec<(String, String)>>> {
    if !args.command.is_empty() {
        let statements = args.command.iter().flat_map(|text| parser::split(text));
        return Ok(Some(statements.map(|(_, text)| (String::new(), text)).collect()));
    }
    let (name, text) = match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            (path.display().to_string(), text)
        }
        None if std::io::stdin().is_terminal() => return Ok(None),
        Some(_) | None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            ("standard input".to_owned(), text)
        }
    };
    let statements = parser::split(&text).into_iter();
    Ok(Some(statements.map(|(line, text)| (format!("{name}:{line}: "), text)).collect()))
}

/// Runs statements in their order; the first that fails ends the script.
fn run_script(
    runtime: &tokio::runtime::Runtime,
    session: &mut Session,
    statements: &[(String, String)],
) -> Result<ExitCode> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (place, text) in statements {
        let ran = runtime.block_on(session.run(text, &mut out));
        let ran = ran.and_then(|next| out.flush().map(|()| next).map_err(session::Failure::from));
        match ran {
            Ok(session::Next::Continue) => {}
            Ok(session::Next::Leave) => break,
            Err(failure) if failure.is_closed_output() => break,
            Err(failure) => {
                out.flush().ok();
                eprintln!("{place}{}", failure.explain(text));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
