//! `shipload doctor`: what stands in the way, and what to do about it.

use std::process::ExitCode;

use anyhow::Result;
use shipload_fleet::doctor::{Verdict, examine};
use shipload_fleet::engine::Engine;

use super::At;

/// Flags of `shipload doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
}

/// Prints what was found; status 1 when something won't work.
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    // Files that are not there are told before anything is looked at.
    let tls = args.at.tls()?;
    let engine = Engine::connect(&args.at.engine, tls.as_ref()).await;
    let found = examine(engine.as_ref()).await;
    let mut text = String::new();
    for one in &found {
        let mark = match one.verdict {
            Verdict::Fine => "fine",
            Verdict::Limited => "LIMITED",
            Verdict::Broken => "BROKEN",
        };
        text.push_str(&format!("{mark:<8} {:<14} {}\n", one.what, one.text));
    }
    crate::print(&text)?;
    let broken = found.iter().any(|one| one.verdict == Verdict::Broken);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
