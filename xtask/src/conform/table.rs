//! The result by file of the suite: for the terminal, and as the table in `COMPAT.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use super::expectations::Verdict;
use super::run::Ran;

/// The lines between which the table stands in the document.
const BEGIN: &str = "<!-- conform:begin -->";
const END: &str = "<!-- conform:end -->";

/// Counts of one file of the suite.
#[derive(Debug, Default)]
struct Counts<'a> {
    passed: usize,
    failed: usize,
    not_yet: usize,
    varies: usize,
    left_out: usize,
    /// Time of all its tests together; they ran beside others.
    took: Duration,
    /// Why, each with the number of tests that it holds for.
    reasons: BTreeMap<&'a str, usize>,
    /// Names of tests that fail without a reason.
    unexplained: BTreeSet<&'a str>,
    /// Names of tests that failed beside others and passed alone.
    passed_alone: BTreeSet<&'a str>,
}

impl<'a> Counts<'a> {
    fn add(&mut self, ran: &'a Ran, verdict: Verdict<'a>) {
        self.took += ran.took;
        match verdict {
            Verdict::Passed | Verdict::PassesNow(_) => self.passed += 1,
            Verdict::PassedAs(reason) => {
                self.passed += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            Verdict::LeftOut(reason) => {
                self.left_out += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            Verdict::Unexpected => {
                self.failed += 1;
                self.unexplained.insert(&ran.test.name);
            }
            Verdict::NotYet(reason) => {
                self.not_yet += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            Verdict::Varies(reason) => {
                self.varies += 1;
                *self.reasons.entry(reason).or_default() += 1;
            }
            Verdict::PassedAlone(name) => {
                self.varies += 1;
                self.passed_alone.insert(name);
            }
        }
    }

    fn sum(all: &BTreeMap<&str, Counts<'_>>) -> [usize; 5] {
        all.values().fold([0; 5], |sum, counts| {
            let numbers = counts.numbers();
            std::array::from_fn(|index| sum[index] + numbers[index])
        })
    }

    fn numbers(&self) -> [usize; 5] {
        [self.passed, self.failed, self.not_yet, self.varies, self.left_out]
    }
}

const HEADS: [&str; 5] = ["passed", "failed", "not yet", "varies", "left out"];

fn by_file<'a>(judged: &'a [(&'a Ran, Verdict<'a>)]) -> BTreeMap<&'a str, Counts<'a>> {
    let mut files: BTreeMap<&str, Counts<'_>> = BTreeMap::new();
    for (ran, verdict) in judged {
        files.entry(file(&ran.test.name)).or_default().add(ran, *verdict);
    }
    files
}

/// The file that a test stands in: its name without its last part, and without what every name has.
fn file(test: &str) -> &str {
    let module = test.rsplit_once("::").map_or(test, |(module, _)| module);
    module.strip_prefix("lib::").unwrap_or(module)
}

/// The result for a terminal.
pub(crate) fn text(judged: &[(&Ran, Verdict<'_>)]) -> String {
    let files = by_file(judged);
    let mut out = format!("{:<40}", "file");
    let line = |out: &mut String, numbers: [usize; 5], took: Duration| {
        for number in numbers {
            let _ = write!(out, "{number:>9}");
        }
        let _ = writeln!(out, "{:>9.1}", took.as_secs_f64());
    };
    for head in HEADS {
        let _ = write!(out, "{head:>9}");
    }
    out.push_str("  seconds\n");
    for (file, counts) in &files {
        let _ = write!(out, "{file:<40}");
        line(&mut out, counts.numbers(), counts.took);
    }
    let _ = write!(out, "{:<40}", "all");
    line(&mut out, Counts::sum(&files), files.values().map(|counts| counts.took).sum());
    out
}

/// The table for the document.
pub(crate) fn markdown(judged: &[(&Ran, Verdict<'_>)]) -> String {
    let files = by_file(judged);
    let mut out =
        format!("| File | {} | Why |\n|---|{}---|\n", HEADS.join(" | "), "---:|".repeat(HEADS.len()));
    for (file, counts) in &files {
        let numbers = counts.numbers().map(|number| number.to_string()).join(" | ");
        let _ = writeln!(out, "| `{file}` | {numbers} | {} |", why(counts));
    }
    let numbers = Counts::sum(&files).map(|number| format!("**{number}**")).join(" | ");
    let _ = writeln!(out, "| **all** | {numbers} | |");
    out
}

fn why(counts: &Counts<'_>) -> String {
    let reasons = counts.reasons.iter().map(|(reason, tests)| {
        let several = counts.reasons.len() > 1 && *tests > 1;
        if several { format!("{reason} ({tests})") } else { (*reason).to_owned() }
    });
    let passed_alone = counts.passed_alone.iter().map(|test| format!("passed only alone: `{test}`"));
    let unexplained = counts.unexplained.iter().map(|test| format!("**fails: `{test}`**"));
    reasons.chain(passed_alone).chain(unexplained).collect::<Vec<_>>().join("; ")
}

/// The document with this table in place of the one that it has.
pub(crate) fn replace(document: &str, table: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("there is no line `{BEGIN}`"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("there is no line `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::super::run::Outcome;
    use std::net::SocketAddr;

    use super::super::suite::Test;
    use super::*;

    fn ran(name: &str) -> Ran {
        Ran {
            test: Test::named(name),
            node: SocketAddr::from(([127, 0, 0, 1], 1)),
            outcome: Outcome::Passed,
            took: Duration::from_secs(1),
            printed: String::new(),
        }
    }

    #[test]
    fn results_are_counted_by_file() {
        let (a, b, c, d) = (ran("lib::src::kv::a"), ran("lib::src::kv::b"), ran("client::c"), ran("lib::d"));
        let judged = [
            (&a, Verdict::Passed),
            (&b, Verdict::NotYet("later")),
            (&c, Verdict::Unexpected),
            (&d, Verdict::PassedAlone("lib::d")),
        ];
        let markdown = markdown(&judged);
        assert!(markdown.contains("| `src::kv` | 1 | 0 | 1 | 0 | 0 | later |\n"), "{markdown}");
        assert!(markdown.contains("| `client` | 0 | 1 | 0 | 0 | 0 | **fails: `client::c`** |\n"));
        assert!(markdown.contains("| `lib` | 0 | 0 | 0 | 1 | 0 | passed only alone: `lib::d` |\n"));
        assert!(markdown.ends_with("| **all** | **1** | **1** | **1** | **1** | **0** | |\n"));
        assert!(text(&judged).lines().count() == 5);
    }

    #[test]
    fn the_table_is_replaced_between_its_marks() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let replaced = replace(&document, "new\n").unwrap();
        assert_eq!(replaced, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replace(&replaced, "new\n").unwrap(), replaced);
        assert!(replace("a", "new").is_err());
    }
}
