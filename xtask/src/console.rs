//! How the scripts talk: one line per finding on standard error, results on standard output.

use std::path::Path;

/// Something that is not as it should be, at a place that an editor can open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// `path` or `path:line`.
    pub(crate) place: String,
    /// What is wrong and what would be right, in one sentence.
    pub(crate) text: String,
}

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn file(path: &Path, text: impl Into<String>) -> Self {
        Self { place: path.display().to_string(), text: text.into() }
    }

    /// A finding about one line (counted from 1).
    pub(crate) fn line(path: &Path, line: usize, text: impl Into<String>) -> Self {
        Self { place: format!("{}:{line}", path.display()), text: text.into() }
    }
}

/// Prints findings in the order of their places.
pub(crate) fn report(findings: &mut Vec<Finding>) {
    findings.sort();
    findings.dedup();
    for finding in findings {
        eprintln!("{}: {}", finding.place, finding.text);
    }
}
