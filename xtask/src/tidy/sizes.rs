//! Sizes of files and functions, and the one list of exceptions, which may only shrink.
//!
//! The list holds a path (or `path::function`) and its present size. What grows over its listed size
//! fails; what shrinks fails as well until the list is lowered; an entry that is no longer needed must go.
//! So the list always tells the truth, and every change to it is seen in a review.

use std::collections::BTreeMap;
use std::path::Path;

use super::source::Source;
use crate::console::Finding;

/// Where the exceptions stand, relative to the root.
pub(crate) const LIST: &str = "xtask/tidy-exceptions.txt";

/// Largest production file, in lines outside of `#[cfg(test)]` modules.
const FILE_LINES_MAX: usize = 400;
/// Largest file that holds nothing but tests.
const TEST_FILE_LINES_MAX: usize = 900;
/// Largest function outside of tests.
const FUNCTION_LINES_MAX: usize = 70;

/// Something that has a size and a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sized {
    /// `path` or `path::function`.
    pub(crate) name: String,
    /// Where an editor should open.
    pub(crate) line: usize,
    pub(crate) size: usize,
    pub(crate) limit: usize,
}

/// The sizes of one file and of its functions; several functions of one name count as the largest.
pub(crate) fn measure(path: &Path, source: &Source, is_test_file: bool) -> Vec<Sized> {
    let limit = if is_test_file { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
    let file = Sized { name: path.display().to_string(), line: 1, size: source.production_lines, limit };
    let mut functions: BTreeMap<String, Sized> = BTreeMap::new();
    for function in source.functions.iter().filter(|function| !function.in_test) {
        let name = format!("{}::{}", path.display(), function.name);
        let sized = Sized {
            name: name.clone(),
            line: function.line,
            size: function.lines,
            limit: FUNCTION_LINES_MAX,
        };
        let kept = functions.entry(name).or_insert_with(|| sized.clone());
        if sized.size > kept.size {
            *kept = sized;
        }
    }
    std::iter::once(file).chain(functions.into_values()).collect()
}

/// The exceptions: name and listed size. Lines that start with `#` are comments.
pub(crate) fn read_list(text: &str) -> Result<BTreeMap<String, usize>, Finding> {
    let mut list = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.rsplit_once(char::is_whitespace).and_then(|(name, size)| {
            let size: usize = size.parse().ok()?;
            Some((name.trim().to_owned(), size))
        });
        let problem = |text: &str| Finding::line(Path::new(LIST), index.saturating_add(1), text);
        let (name, size) =
            entry.ok_or_else(|| problem("wanted: `path` or `path::function`, a blank, a size"))?;
        if list.insert(name, size).is_some() {
            return Err(problem("listed twice"));
        }
    }
    Ok(list)
}

/// Compares what was measured with the limits and the list.
pub(crate) fn check(measured: &[Sized], list: &BTreeMap<String, usize>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        measured.iter().filter_map(|sized| check_one(sized, list.get(&sized.name).copied())).collect();
    for name in list.keys().filter(|name| !measured.iter().any(|sized| &sized.name == *name)) {
        findings.push(Finding::file(Path::new(LIST), format!("`{name}` does not exist; take the line out")));
    }
    findings
}

fn check_one(sized: &Sized, listed: Option<usize>) -> Option<Finding> {
    let Sized { name, line, size, limit } = sized;
    let what = if name.contains("::") { "function" } else { "file" };
    let at_code = |text: String| {
        let path = name.split("::").next().unwrap_or(name);
        Finding::line(Path::new(path), *line, text)
    };
    let at_list = |text: String| Finding::file(Path::new(LIST), text);
    match listed {
        None if size > limit => Some(at_code(format!(
            "{what} `{name}` has {size} lines, {limit} are allowed; split it by concept"
        ))),
        None => None,
        Some(_) if size <= limit => {
            Some(at_list(format!("`{name}` needs no exception any more; take the line out")))
        }
        Some(listed) if *size > listed => {
            Some(at_code(format!("{what} `{name}` grew from its listed {listed} lines to {size}")))
        }
        Some(listed) if *size < listed => Some(at_list(format!("`{name}` shrank: lower {listed} to {size}"))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn sized(name: &str, size: usize) -> Sized {
        Sized { name: name.to_owned(), line: 3, size, limit: 400 }
    }

    fn texts(measured: &[Sized], list: &str) -> Vec<String> {
        check(measured, &read_list(list).unwrap()).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_limit_holds_without_an_entry() {
        assert_eq!(texts(&[sized("a.rs", 400)], ""), [""; 0]);
        assert!(texts(&[sized("a.rs", 401)], "")[0].contains("401 lines, 400 are allowed"));
    }

    #[test]
    fn the_list_may_only_shrink() {
        let list = "# why\na.rs 500\n";
        assert_eq!(texts(&[sized("a.rs", 500)], list), [""; 0]);
        assert!(texts(&[sized("a.rs", 501)], list)[0].contains("grew"));
        assert!(texts(&[sized("a.rs", 499)], list)[0].contains("lower 500 to 499"));
        assert!(texts(&[sized("a.rs", 400)], list)[0].contains("needs no exception"));
        assert!(texts(&[], list)[0].contains("does not exist"));
    }

    #[test]
    fn a_bad_list_says_where() {
        assert_eq!(read_list("a.rs 1\na.rs 2\n").unwrap_err().place, format!("{LIST}:2"));
        assert!(read_list("a.rs many").is_err());
    }

    #[test]
    fn functions_are_measured_by_name_and_tests_are_not() {
        let text = "impl A { fn new() {\n} }\nimpl B { fn new() {\n\n} }\n#[cfg(test)]\nmod t { fn long() {\n\n\n\n} }\n";
        let measured = measure(Path::new("a.rs"), &source::read(text, false).unwrap(), false);
        assert_eq!(measured.len(), 2);
        assert_eq!((measured[1].name.as_str(), measured[1].size, measured[1].line), ("a.rs::new", 3, 3));
    }
}
