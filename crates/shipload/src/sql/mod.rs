//! `shipload sql`: a shell for statements over HTTP.
//!
//! It speaks what any client of the HTTP door speaks, so that it works against every node, and against Crate.

mod call;
mod command;
#[cfg(feature = "sql")]
pub(crate) mod door;
mod show;

use call::{Answer, Server};
use show::Format;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `shipload sql`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where a node's HTTP door is
    #[arg(long, env = "SHIPLOAD_SQL_HOST", default_value = "127.0.0.1:4201", value_name = "HOST:PORT")]
    host: String,
    /// A statement or a command such as \d; may be given several times
    #[arg(long, short = 'c', value_name = "STATEMENT")]
    command: Vec<String>,
    /// A file of statements, each ended by a semicolon; - for standard input
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// How rows look
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Schema of names without one
    #[arg(long, value_name = "SCHEMA")]
    schema: Option<String>,
    /// Tell how long statements take
    #[arg(long)]
    timing: bool,
}

/// Runs statements; the status is 1 when one of them failed.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut shell = Shell {
        server: Server::new(&args.host, args.schema.clone()),
        format: args.format,
        timing: args.timing,
        failed: false,
    };
    if !args.command.is_empty() {
        args.command.iter().try_for_each(|text| shell.texts(text))?;
    } else if let Some(file) = args.file.as_ref().filter(|file| file.as_os_str() != "-") {
        shell.texts(&std::fs::read_to_string(file)?)?;
    } else {
        shell.read()?;
    }
    Ok(if shell.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Shell {
    server: Server,
    format: Format,
    timing: bool,
    failed: bool,
}

impl Shell {
    /// Statements from standard input, each as soon as it has ended.
    fn read(&mut self) -> anyhow::Result<()> {
        let prompts = io::stdin().is_terminal();
        let mut waiting = String::new();
        loop {
            if prompts {
                crate::print(if waiting.is_empty() { "sql> " } else { "...> " })?;
            }
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                break;
            }
            if waiting.trim().is_empty() && line.trim() == "\\q" {
                break;
            }
            waiting.push_str(&line);
            let whole = waiting.trim_start().starts_with('\\') || waiting.trim_end().ends_with(';');
            if whole {
                let text = std::mem::take(&mut waiting);
                self.texts(&text)?;
            }
        }
        self.texts(&waiting)
    }

    /// Each statement of a text.
    fn texts(&mut self, text: &str) -> anyhow::Result<()> {
        command::split(text).iter().try_for_each(|one| self.one(one))
    }

    fn one(&mut self, text: &str) -> anyhow::Result<()> {
        let statement = match command::expand(text) {
            command::Expanded::Statement(statement) => statement,
            command::Expanded::Timing => {
                self.timing = !self.timing;
                return Ok(());
            }
            command::Expanded::Help => return Ok(crate::print(command::HELP)?),
            command::Expanded::Unknown(why) => {
                self.failed = true;
                eprintln!("{why}");
                return Ok(());
            }
        };
        match self.server.run(&statement)? {
            Answer::Done { columns, rows, count, took_ms } => {
                let mut shown = match columns.is_empty() {
                    true => format!("{} ok, {count} rows affected\n", command::verb(&statement)),
                    false => self.format.show(&columns, &rows),
                };
                if self.timing {
                    shown.push_str(&format!("{took_ms:.3} ms\n"));
                }
                crate::print(&shown)?;
            }
            Answer::Refused(message) => {
                self.failed = true;
                eprintln!("{message}");
            }
        }
        Ok(())
    }
}
