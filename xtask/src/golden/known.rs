//! The table of known differences: which cases may differ, and why.
//!
//! Each line of `known-differences.txt` is a pattern of case names (`*` stands for anything), a `|`, and the reason. A
//! line that no differing case needs any more is an error as well: the table may only hold what is true.

use std::path::Path;

/// The lines of the table.
#[derive(Debug, Default)]
pub(crate) struct Known {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    pattern: String,
    reason: String,
    matched: usize,
    differed: usize,
}

impl Known {
    /// Reads the table.
    pub(crate) fn load(path: &Path) -> Result<Known, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| {
            let (pattern, reason) = line.split_once('|').unwrap_or((line, ""));
            let (pattern, reason) = (pattern.trim().to_owned(), reason.trim().to_owned());
            if reason.is_empty() {
                return Err(format!("known differences: no reason in '{line}'"));
            }
            Ok(Line { pattern, reason, matched: 0, differed: 0 })
        });
        Ok(Known { lines: lines.collect::<Result<_, String>>()? })
    }

    /// Notes how a case went; says whether the table covers a difference.
    pub(crate) fn note(&mut self, case: &str, differs: bool) -> bool {
        let mut covered = false;
        for line in self.lines.iter_mut().filter(|line| matches(&line.pattern, case)) {
            line.matched += 1;
            line.differed += usize::from(differs);
            covered = true;
        }
        covered
    }

    /// Lines whose cases were played and did not differ, with their reasons.
    pub(crate) fn stale(&self) -> Vec<String> {
        let stale = self.lines.iter().filter(|line| line.matched > 0 && line.differed == 0);
        stale.map(|line| format!("{} | {}", line.pattern, line.reason)).collect()
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|&end| rest.is_char_boundary(end))
                .any(|end| matches(tail, rest.get(end..).unwrap_or_default()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("a/b", "a/b") && !matches("a/b", "a/bc"));
        assert!(matches("a/*", "a/") && matches("a/*/c*", "a/x/y/cd") && !matches("a/*/c", "a/x/d"));
    }
}
