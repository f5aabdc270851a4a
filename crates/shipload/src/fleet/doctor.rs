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
    let mut counts = [0_usize; 3];
    for one in &found {
        let (mark, place) = match one.verdict {
            Verdict::Fine => ("fine", 0),
            Verdict::Limited => ("LIMITED", 1),
            Verdict::Broken => ("BROKEN", 2),
        };
        counts[place] += 1;
        let head = format!("{mark:<8} {:<14} ", one.what);
        text.push_str(&head);
        text.push_str(&wrapped(&one.text, head.len(), WIDTH));
        text.push('\n');
    }
    let [fine, limited, broken] = counts;
    text.push_str(&format!("\n{fine} fine, {limited} limited, {broken} broken\n"));
    crate::print(&text)?;
    let broken = found.iter().any(|one| one.verdict == Verdict::Broken);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// As wide as a terminal usually is.
const WIDTH: usize = 100;

/// Words in lines of this width, the later ones indented.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let (mut all, mut length) = (String::new(), indent);
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if length > indent && length + 1 + letters > width {
            all.push('\n');
            all.push_str(&" ".repeat(indent));
            length = indent;
        } else if length > indent {
            all.push(' ');
            length += 1;
        }
        all.push_str(word);
        length += letters;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_texts_stay_in_their_column() {
        assert_eq!(wrapped("aa bb cc", 2, 8), "aa bb\n  cc");
        assert_eq!(wrapped("averylongword b", 2, 8), "averylongword\n  b");
        assert_eq!(wrapped("", 2, 8), "");
    }
}
