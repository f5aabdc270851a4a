//! Which tests are known not to pass, and why.
//!
//! The file has sections. `[not yet: reason]` names tests that fail today; `[varies: reason]` tests whose
//! result says nothing about the node, such as a race against the clock (`[varies on several nodes: reason]` only
//! in a cluster); `[skips: reason]` tests that pass without
//! testing anything and don't say so themselves; `[alone: reason]` tests that must not run beside others, whatever
//! their result; `[as VERSION: reason]` tests that get to see a node that announces this server version. Below stands one test a line; a `*` at the end stands for all tests with that beginning. The longest
//! name that fits decides.

use anyhow::{Context, Result, bail};

use super::run::{Outcome, Ran};

/// The content of the file.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    entries: Vec<Entry>,
    /// Patterns of tests that run alone.
    alone: Vec<String>,
    /// Tests that see a node of another version.
    announced: Vec<Announced>,
}

#[derive(Debug)]
struct Announced {
    pattern: String,
    version: String,
    reason: String,
}

#[derive(Debug)]
struct Entry {
    pattern: String,
    kind: Kind,
    reason: String,
}

/// What a section says about its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotYet,
    Varies,
    /// Varies where several nodes are one cluster; nothing special on one.
    VariesOnSeveral,
    Skips,
}

/// What stands in the head of a section.
#[derive(Clone, Debug)]
enum Section {
    Known(Kind),
    Alone,
    As(String),
}

/// What a test's outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Passed,
    /// Passes with a node that announces another version, for this reason.
    PassedAs(&'a str),
    /// The suite itself leaves it out, or it leaves itself out.
    LeftOut(&'a str),
    /// Fails as listed, for this reason.
    NotYet(&'a str),
    /// Either result is fine, for this reason.
    Varies(&'a str),
    /// Failed beside others and passed alone; the test's name.
    PassedAlone(&'a str),
    /// Fails and is not listed.
    Unexpected,
    /// Passes although it is listed with this reason.
    PassesNow(&'a str),
}

impl Expectations {
    /// Reads the file.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        let (mut alone, mut announced) = (Vec::new(), Vec::new());
        let mut section: Option<(Section, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let number = index + 1;
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(read_head(head).with_context(|| format!("line {number}"))?);
                continue;
            }
            let Some((kind, reason)) = section.clone() else {
                bail!("line {number}: a test stands before the first section");
            };
            let pattern = line.to_owned();
            match kind {
                Section::Alone => alone.push(pattern),
                Section::As(version) => announced.push(Announced { pattern, version, reason }),
                Section::Known(_) if entries.iter().any(|entry| entry.pattern == line) => {
                    bail!("line {number}: `{line}` is listed twice");
                }
                Section::Known(kind) => entries.push(Entry { pattern, kind, reason }),
            }
        }
        Ok(Self { entries, alone, announced })
    }

    /// The same for a cluster of so many nodes.
    pub(crate) fn on(mut self, nodes: u8) -> Self {
        self.entries.retain(|entry| nodes > 1 || entry.kind != Kind::VariesOnSeveral);
        self
    }

    /// The version that the node must announce to a test, when it is not its own.
    pub(crate) fn announced(&self, test: &str) -> Option<&str> {
        self.announced_entry(test).map(|entry| entry.version.as_str())
    }

    fn announced_entry(&self, test: &str) -> Option<&Announced> {
        self.announced.iter().find(|entry| fits(&entry.pattern, test))
    }

    /// True for a test that must not run beside others.
    pub(crate) fn is_alone(&self, test: &str) -> bool {
        self.alone.iter().any(|pattern| fits(pattern, test))
    }

    /// What came of a test.
    pub(crate) fn judge<'a>(&'a self, ran: &'a Ran) -> Verdict<'a> {
        let fitting = self.entries.iter().filter(|entry| fits(&entry.pattern, &ran.test.name));
        let entry = fitting.max_by_key(|entry| entry.pattern.len());
        let known = entry.map(|entry| (entry.kind, entry.reason.as_str()));
        match (ran.outcome, known) {
            (Outcome::Ignored, _) => Verdict::LeftOut("the suite runs it only on demand"),
            (_, Some((Kind::Varies | Kind::VariesOnSeveral, reason))) => Verdict::Varies(reason),
            (Outcome::Skipped, Some((Kind::Skips, reason))) => Verdict::LeftOut(reason),
            (Outcome::Skipped, None) => Verdict::LeftOut(&ran.printed),
            (Outcome::Passed | Outcome::PassedAlone, Some((Kind::Skips, reason))) => Verdict::LeftOut(reason),
            (Outcome::PassedAlone, _) => Verdict::PassedAlone(&ran.test.name),
            (Outcome::Passed, None) => match self.announced_entry(&ran.test.name) {
                Some(entry) => Verdict::PassedAs(&entry.reason),
                None => Verdict::Passed,
            },
            (Outcome::Passed | Outcome::Skipped, Some((Kind::NotYet, reason))) => Verdict::PassesNow(reason),
            (Outcome::Failed | Outcome::Hung, Some((Kind::NotYet, reason))) => Verdict::NotYet(reason),
            (Outcome::Failed | Outcome::Hung, None | Some((Kind::Skips, _))) => Verdict::Unexpected,
        }
    }

    /// Patterns that fit none of these tests.
    pub(crate) fn unused(&self, tests: &[&str]) -> Vec<&str> {
        let announced = self.announced.iter().map(|entry| &entry.pattern);
        let patterns = self.entries.iter().map(|entry| &entry.pattern).chain(&self.alone).chain(announced);
        patterns.map(String::as_str).filter(|pattern| !tests.iter().any(|test| fits(pattern, test))).collect()
    }
}

/// Reads what stands between the brackets: what the section says, and why.
fn read_head(head: &str) -> Result<(Section, String)> {
    let (what, reason) = head.split_once(": ").unwrap_or((head, ""));
    let section = match what {
        "not yet" => Section::Known(Kind::NotYet),
        "varies" => Section::Known(Kind::Varies),
        "varies on several nodes" => Section::Known(Kind::VariesOnSeveral),
        "skips" => Section::Known(Kind::Skips),
        "alone" => Section::Alone,
        _ => match what.strip_prefix("as ") {
            Some(version) => Section::As(version.trim().to_owned()),
            None => bail!(
                "a section is `[not yet: ...]`, `[varies: ...]`, `[varies on several nodes: ...]`, `[skips: ...]`, \
                 `[alone: ...]` or `[as VERSION: ...]`"
            ),
        },
    };
    if reason.trim().is_empty() {
        bail!("a section needs a reason");
    }
    Ok((section, reason.trim().to_owned()))
}

fn fits(pattern: &str, test: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => test.starts_with(beginning),
        None => pattern == test,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::suite::Test;
    use super::*;

    const FILE: &str = "# why\n[not yet: lists come later]\nlib::src::cdt_list::*\n\n[varies: a race]\n\
        lib::src::cdt_list::slow\n[skips: no security]\nlib::src::admin::*\n[alone: loud]\nlib::src::cdt_list::slow\n[as 8.2.0.0: later]\nlib::src::string::*\n";

    fn ran(name: &str, outcome: Outcome) -> Ran {
        let printed = if outcome == Outcome::Skipped { "Skipping: old" } else { "" };
        Ran {
            test: Test::named(name),
            node: SocketAddr::from(([127, 0, 0, 1], 1)),
            outcome,
            took: std::time::Duration::ZERO,
            printed: printed.to_owned(),
        }
    }

    #[test]
    fn what_varies_on_several_nodes_must_pass_on_one() {
        let read = || Expectations::read("[varies on several nodes: parallel]\na::b\n").unwrap();
        let (one, three) = (read().on(1), read().on(3));
        let failed = ran("a::b", Outcome::Failed);
        assert_eq!(one.judge(&failed), Verdict::Unexpected);
        assert_eq!(three.judge(&failed), Verdict::Varies("parallel"));
    }

    #[test]
    fn outcomes_are_judged_by_the_longest_name() {
        let expectations = Expectations::read(FILE).unwrap();
        let cases = [
            ("lib::src::kv::a", Outcome::Passed, Verdict::Passed),
            ("lib::src::kv::a", Outcome::Hung, Verdict::Unexpected),
            ("lib::src::kv::a", Outcome::Skipped, Verdict::LeftOut("Skipping: old")),
            ("lib::src::cdt_list::a", Outcome::Failed, Verdict::NotYet("lists come later")),
            ("lib::src::cdt_list::a", Outcome::Passed, Verdict::PassesNow("lists come later")),
            ("lib::src::cdt_list::slow", Outcome::Failed, Verdict::Varies("a race")),
            ("lib::src::admin::a", Outcome::Passed, Verdict::LeftOut("no security")),
            ("lib::src::admin::a", Outcome::Failed, Verdict::Unexpected),
            ("lib::src::string::a", Outcome::Passed, Verdict::PassedAs("later")),
            ("lib::src::string::a", Outcome::Failed, Verdict::Unexpected),
            ("lib::src::kv::a", Outcome::PassedAlone, Verdict::PassedAlone("lib::src::kv::a")),
        ];
        for (name, outcome, wanted) in cases {
            assert_eq!(expectations.judge(&ran(name, outcome)), wanted, "{name} {outcome:?}");
        }
    }

    #[test]
    fn who_runs_alone_has_a_result_like_any_other() {
        let expectations = Expectations::read(FILE).unwrap();
        assert!(expectations.is_alone("lib::src::cdt_list::slow"));
        assert!(!expectations.is_alone("lib::src::cdt_list::a"));
    }

    #[test]
    fn names_without_a_test_are_found() {
        let expectations = Expectations::read(FILE).unwrap();
        let unused =
            expectations.unused(&["lib::src::cdt_list::b", "lib::src::admin::a", "lib::src::string::a"]);
        assert_eq!(unused, ["lib::src::cdt_list::slow"; 2]);
    }

    #[test]
    fn a_wrong_file_says_where() {
        let error = |text| format!("{:#}", Expectations::read(text).unwrap_err());
        assert!(error("a::b").contains("line 1"));
        assert!(error("[later: x]\na").contains("line 1"));
        assert!(error("[as 8.2]\na").contains("needs a reason"));
        assert!(error("[varies: x]\na\na").contains("line 3: `a` is listed twice"));
    }
}
