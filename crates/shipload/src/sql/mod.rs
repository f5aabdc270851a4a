//! `shipload sql`: a shell for statements over HTTP.
//!
//! It speaks what any client of the HTTP door speaks, so that it works against every node, and against Crate.

mod call;
mod command;
#[cfg(feature = "sql")]
pub(crate) mod door;
mod prompt;
mod show;
mod watch;

use call::{Answer, Server};
use clap::ValueEnum as _;
use show::Format;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use watch::Interrupt;

/// Flags of `shipload sql`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where a node's HTTP port is
    #[arg(long, env = "SHIPLOAD_SQL_HOST", default_value = "127.0.0.1:4200", value_name = "HOST:PORT")]
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
        interrupt: io::stderr().is_terminal().then(Interrupt::take_over).transpose()?,
    };
    if !args.command.is_empty() {
        for text in &args.command {
            if shell.texts(text)? {
                break;
            }
        }
    } else if let Some(file) = args.file.as_ref().filter(|file| file.as_os_str() != "-") {
        shell.texts(&std::fs::read_to_string(file)?)?;
    } else {
        shell.read()?;
    }
    if shell.interrupted() {
        return Ok(ExitCode::from(130));
    }
    Ok(if shell.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Shell {
    server: Server,
    format: Format,
    timing: bool,
    failed: bool,
    /// Ctrl-C ends statements where somebody looks.
    interrupt: Option<Interrupt>,
}

impl Shell {
    /// Statements from standard input.
    fn read(&mut self) -> anyhow::Result<()> {
        if io::stdin().is_terminal() {
            return prompt::run(self);
        }
        let mut waiting = String::new();
        loop {
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                break;
            }
            waiting.push_str(&line);
            if command::is_whole(&waiting) && self.texts(&std::mem::take(&mut waiting))? {
                return Ok(());
            }
        }
        self.texts(&waiting).map(drop)
    }

    /// Names for completion; none when the server does not tell them.
    fn names(&mut self, statement: &str) -> Vec<String> {
        match self.server.run(statement) {
            Ok(Answer::Done { rows, .. }) => {
                rows.iter().filter_map(|row| row.first()?.as_str().map(str::to_owned)).collect()
            }
            Ok(Answer::Refused(_)) | Err(_) => Vec::new(),
        }
    }

    /// Whether Ctrl-C was pressed: what would follow does not run.
    fn interrupted(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::pressed)
    }

    /// Each statement of a text; true when one of them leaves.
    fn texts(&mut self, text: &str) -> anyhow::Result<bool> {
        for one in command::split(text) {
            if self.one(&one)? || self.interrupted() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn one(&mut self, text: &str) -> anyhow::Result<bool> {
        match command::expand(text) {
            command::Expanded::Statement(statement) => self.statement(&statement)?,
            command::Expanded::Timing => self.timing = !self.timing,
            command::Expanded::Help => crate::print(command::HELP)?,
            command::Expanded::Quit => return Ok(true),
            command::Expanded::Format(name) => match Format::from_str(&name, true) {
                Ok(format) => self.format = format,
                Err(_) => self.wrong(&format!("{name} is no format; there are table, csv, json, markdown")),
            },
            command::Expanded::File(file) => match std::fs::read_to_string(&file) {
                Ok(text) => return self.texts(&text),
                Err(error) => self.wrong(&format!("{file}: {error}")),
            },
            command::Expanded::Unknown(why) => self.wrong(&why),
        }
        Ok(false)
    }

    fn wrong(&mut self, why: &str) {
        self.failed = true;
        eprintln!("{why}");
    }

    fn statement(&mut self, statement: &str) -> anyhow::Result<()> {
        let answer = match &self.interrupt {
            Some(interrupt) => watch::run(&mut self.server, statement, interrupt)?,
            None => self.server.run(statement)?,
        };
        match answer {
            Answer::Done { columns, rows, count, took_ms } => {
                let mut shown = match columns.is_empty() {
                    true => {
                        let word = if count == 1 { "row" } else { "rows" };
                        format!("{} ok, {count} {word} affected\n", command::verb(statement))
                    }
                    false => self.format.show(&columns, &rows),
                };
                if self.timing {
                    shown.push_str(&format!("{took_ms:.3} ms\n"));
                }
                crate::print(&shown)?;
            }
            Answer::Refused(message) => self.wrong(&message),
        }
        Ok(())
    }
}
