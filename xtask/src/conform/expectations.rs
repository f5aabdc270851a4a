//! Which tests are known not to pass, and why.
//!
//! The file has sections. `[not yet: reason]` names tests that fail today; `[varies: reason]` tests whose
//! result says nothing about the node, such as a race against the clock; `[skips: reason]` tests that pass without
//! testing anything and don't say so themselves; `[alone: reason]` tests that must not run beside others, whatever
//! their result. Below stands one test a line; a `*` at the end stands for all tests with that beginning. The longest
//! name that fits decides.

use anyhow::{Result, bail};

use super::run::{Outcome, Ran};

/// The content of the file.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    entries: Vec<Entry>,
    /// Patterns of tests that run alone.
    alone: Vec<String>,
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
    Skips,
}

/// What a test's outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Passed,
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
        let mut alone = Vec::new();
        let mut section: Option<(Option<Kind>, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let number = index + 1;
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(match head.split_once(": ") {
                    Some(("not yet", reason)) => (Some(Kind::NotYet), reason.trim().to_owned()),
                    Some(("varies", reason)) => (Some(Kind::Varies), reason.trim().to_owned()),
                    Some(("skips", reason)) => (Some(Kind::Skips), reason.trim().to_owned()),
                    Some(("alone", reason)) => (None, reason.trim().to_owned()),
                    _ => bail!(
                        "line {number}: a section is `[not yet: ...]`, `[varies: ...]`, `[skips: ...]` or `[alone: ...]`"
                    ),
                });
                continue;
            }
            let Some((kind, reason)) = section.clone() else {
                bail!("line {number}: a test stands before the first section");
            };
            let Some(kind) = kind else {
                alone.push(line.to_owned());
                continue;
            };
            if entries.iter().any(|entry| entry.pattern == line) {
                bail!("line {number}: `{line}` is listed twice");
            }
            entries.push(Entry { pattern: line.to_owned(), kind, reason });
        }
        Ok(Self { entries, alone })
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
            (_, Some((Kind::Varies, reason))) => Verdict::Varies(reason),
            (Outcome::Skipped, Some((Kind::Skips, reason))) => Verdict::LeftOut(reason),
            (Outcome::Skipped, None) => Verdict::LeftOut(&ran.printed),
            (Outcome::Passed | Outcome::PassedAlone, Some((Kind::Skips, reason))) => Verdict::LeftOut(reason),
            (Outcome::PassedAlone, _) => Verdict::PassedAlone(&ran.test.name),
            (Outcome::Passed, None) => Verdict::Passed,
            (Outcome::Passed | Outcome::Skipped, Some((Kind::NotYet, reason))) => Verdict::PassesNow(reason),
            (Outcome::Failed | Outcome::Hung, Some((Kind::NotYet, reason))) => Verdict::NotYet(reason),
            (Outcome::Failed | Outcome::Hung, None | Some((Kind::Skips, _))) => Verdict::Unexpected,
        }
    }

    /// Patterns that fit none of these tests.
    pub(crate) fn unused(&self, tests: &[&str]) -> Vec<&str> {
        let patterns = self.entries.iter().map(|entry| &entry.pattern).chain(&self.alone).map(String::as_str);
        patterns.filter(|pattern| !tests.iter().any(|test| fits(pattern, test))).collect()
    }
}

fn fits(pattern: &str, test: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => test.starts_with(beginning),
        None => pattern == test,
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::Test;
    use super::*;

    const FILE: &str = "# why\n[not yet: lists come later]\nlib::src::cdt_list::*\n\n[varies: a race]\n\
        lib::src::cdt_list::slow\n[skips: no security]\nlib::src::admin::*\n[alone: loud]\nlib::src::cdt_list::slow\n";

    fn ran(name: &str, outcome: Outcome) -> Ran {
        let printed = if outcome == Outcome::Skipped { "Skipping: old" } else { "" };
        Ran { test: Test::named(name), outcome, printed: printed.to_owned() }
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
        let unused = expectations.unused(&["lib::src::cdt_list::b", "lib::src::admin::a"]);
        assert_eq!(unused, ["lib::src::cdt_list::slow"; 2]);
    }

    #[test]
    fn a_wrong_file_says_where() {
        let error = |text| Expectations::read(text).unwrap_err().to_string();
        assert!(error("a::b").contains("line 1"));
        assert!(error("[later: x]\na").contains("line 1"));
        assert!(error("[varies: x]\na\na").contains("line 3: `a` is listed twice"));
    }
}
