//! `cargo xtask compat`: how much of the protocol is covered by recorded cases and tests, and what is not, by name.
//!
//! The tables of the protocol are data, in `compat/tables.txt`. Each row must be met by a recorded case of a real
//! server (`tests/golden`), or name a test of ours, or say why nothing needs to cover it; a row with none of these
//! fails, and so does one that names a test that is not there, or excuses what is covered. Beside its test a row may have a
//! case of our own (`tests/golden/own`): the same form, with our answers.

mod expression;
mod recorded;
mod table;

use std::fmt::Write as _;

use anyhow::{Result, anyhow};

use self::recorded::Seen;
use self::table::{Cover, Row, Section};
use crate::workspace;

/// The section whose rows are not numbers but commands.
const INFO: &str = "info command";

/// Flags of `cargo xtask compat`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also name what is covered by tests only, and what nothing needs to cover
    #[arg(long)]
    all: bool,
    /// Also name for each row the files of recorded cases that hold it, and how often
    #[arg(long)]
    areas: bool,
}

/// How a row is covered.
enum Found<'a> {
    Recorded,
    /// By a test, and by a case of our own.
    Own(&'a str),
    Tested(&'a str),
    Outside(&'a str),
    Missing(String),
}

/// Prints the table; true when nothing is missing.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let root = workspace::root();
    let sections = table::read(include_str!("compat/tables.txt")).map_err(|text| anyhow!(text))?;
    let seen = recorded::look(&root.join("tests/golden"))?;
    let own = recorded::look(&root.join("tests/golden/own"))?;
    let heads = ["all", "recorded", "own", "tested", "outside", "missing"];
    println!("{:<20}{}", "", heads.map(|head| format!("{head:>9}")).concat());
    let (mut sums, mut notes) = ([0; 6], String::new());
    for section in &sections {
        let mut numbers = [section.rows.len(), 0, 0, 0, 0, 0];
        for row in &section.rows {
            let mut found = find(section, row, &seen, &root);
            if let (Found::Tested(test), Ok(number)) = (&found, row.key.parse())
                && own.holds(&section.name, number)
            {
                found = Found::Own(test);
            }
            let place = match &found {
                Found::Recorded => 1,
                Found::Own(_) => 2,
                Found::Tested(_) => 3,
                Found::Outside(_) => 4,
                Found::Missing(_) => 5,
            };
            numbers[place] += 1;
            if args.areas {
                areas(&mut notes, section, row, [&seen, &own]);
            }
            note(&mut notes, section, row, &found, args.all);
        }
        line(&section.name, numbers);
        sums = std::array::from_fn(|index| sums[index] + numbers[index]);
    }
    line("all", sums);
    print!("{notes}");
    Ok(sums[5] == 0)
}

fn line(name: &str, numbers: [usize; 6]) {
    println!("{name:<20}{}", numbers.map(|number| format!("{number:>9}")).concat());
}

/// Names the files of cases that hold a row.
fn areas(notes: &mut String, section: &Section, row: &Row, all: [&Seen; 2]) {
    let Ok(number) = row.key.parse() else { return };
    for (seen, folder) in all.into_iter().zip(["", "own/"]) {
        let Some(areas) = seen.areas(&section.name, number) else { continue };
        let areas: Vec<String> =
            areas.iter().map(|(area, count)| format!("{folder}{area} {count}")).collect();
        // Writing into a String cannot fail.
        let _ = writeln!(notes, "in: {} {} ({}): {}", section.name, row.name, row.key, areas.join(", "));
    }
}

fn note(notes: &mut String, section: &Section, row: &Row, found: &Found<'_>, all: bool) {
    let what = format!("{} {} ({})", section.name, row.name, row.key);
    let _ = match found {
        Found::Missing(why) => writeln!(notes, "missing: {what}{why}"),
        Found::Own(test) if all => writeln!(notes, "own: {what}: {test}"),
        Found::Tested(test) if all => writeln!(notes, "tested: {what}: {test}"),
        Found::Outside(why) if all => writeln!(notes, "outside: {what}: {why}"),
        Found::Recorded | Found::Own(_) | Found::Tested(_) | Found::Outside(_) => Ok(()),
    };
}

/// What covers a row.
fn find<'a>(section: &Section, row: &'a Row, seen: &Seen, root: &std::path::Path) -> Found<'a> {
    let recorded = row.key.parse().is_ok_and(|number| seen.holds(&section.name, number));
    match &row.cover {
        Cover::Nothing if recorded => Found::Recorded,
        Cover::Nothing if section.name == INFO => match info_test(root, &row.key) {
            Some(file) => Found::Tested(file),
            None => Found::Missing(": no test asks it".to_owned()),
        },
        Cover::Nothing => Found::Missing(String::new()),
        _ if recorded => Found::Missing(": it is recorded; take the rest of its line away".to_owned()),
        Cover::Test { file, function } => match std::fs::read_to_string(root.join(file)) {
            Ok(text) if text.contains(&format!("fn {function}(")) => Found::Tested(function),
            _ => Found::Missing(format!(": there is no test {function} in {file}")),
        },
        Cover::Outside(why) => Found::Outside(why),
    }
}

/// Tests in which info commands are asked.
const INFO_TESTS: [&str; 9] = [
    "crates/node/src/info/info_tests.rs",
    "crates/node/src/info/info_tests/exact.rs",
    "crates/node/src/info/info_tests/modules.rs",
    "crates/node/src/info/info_tests/records.rs",
    "crates/node/src/info/info_tests/rules.rs",
    "crates/node/tests/queries.rs",
    "crates/node/tests/indexes.rs",
    "crates/node/tests/functions.rs",
    "crates/node/tests/records.rs",
];

/// The file in which a command stands at the beginning of a text.
fn info_test(root: &std::path::Path, command: &str) -> Option<&'static str> {
    let stands = |file: &str| {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let ends = ["\"", ":", "/"];
        ends.iter().any(|end| text.contains(&format!("\"{command}{end}")))
    };
    INFO_TESTS.into_iter().find(|file| stands(file))
}
