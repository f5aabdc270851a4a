//! Does a command print what its document says?
//!
//! Line by line, blanks at line ends aside. `...` stands for anything within a line, and alone on a line for any
//! lines. Times such as `(0.025 secs)` always fit each other.

/// True when the printed text is as the document says.
pub(crate) fn fits(wanted: &str, printed: &str) -> bool {
    let lines =
        |text: &str| text.trim_end().lines().map(|line| without_times(line.trim_end())).collect::<Vec<_>>();
    all_fit(&lines(wanted), &lines(printed))
}

fn all_fit(wanted: &[String], printed: &[String]) -> bool {
    match wanted.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=printed.len()).any(|skipped| all_fit(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_fits(first, line) && all_fit(rest, others)),
    }
}

/// Parts between dots must stand in the line in their order, the first at its start and the last at its end.
fn line_fits(wanted: &str, line: &str) -> bool {
    let Some((head, rest)) = wanted.split_once("...") else { return wanted == line };
    let Some(mut line) = line.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split("...").collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    line.ends_with(tail)
}

/// `(0.025 secs)` becomes `(N secs)`.
fn without_times(line: &str) -> String {
    let Some((head, tail)) = line.split_once(" secs)") else { return line.to_owned() };
    match head.rsplit_once('(') {
        Some((before, number)) if number.parse::<f64>().is_ok() => format!("{before}(N secs){tail}"),
        Some(_) | None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_fit_whatever_the_time() {
        assert!(fits("a\n2 rows in set (0.025 secs)\n", "a  \n2 rows in set (1.5 secs)"));
        assert!(!fits("a\n", "a\nb\n"));
        assert!(!fits("a\nb\n", "a\n"));
        assert!(!fits("1 row in set (0.0 secs)", "2 rows in set (0.0 secs)"));
    }

    #[test]
    fn dots_stand_for_anything() {
        assert!(fits("a...c...e", "a b c d e"));
        assert!(!fits("a...c...e", "a b d e"));
        assert!(!fits("a...", "b"));
        assert!(fits("first\n...\nlast", "first\n1\n2\nlast"));
        assert!(fits("first\n...", "first"));
        assert!(!fits("first\n...\nlast", "first\n1"));
    }
}
