//! The closest known name to a mistyped one.

/// A sentence that names the closest of `known`, or nothing when none is close.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name: String = name.chars().take(64).collect();
    let close = known.map(|candidate| (distance(&name, candidate), candidate)).min();
    match close {
        Some((steps, candidate)) if steps <= 2 => format!(": did you mean '{candidate}'?"),
        Some(_) | None => String::new(),
    }
}

/// How many single-character edits lead from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (right, cell) in to.chars().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(left != right));
            diagonal = *cell;
            before = replaced.min(diagonal.saturating_add(1)).min(before.saturating_add(1));
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, hint};

    #[test]
    fn counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn names_only_what_is_close() {
        let known = ["default-ttl", "nsup-period"];
        assert_eq!(hint("defalt-ttl", known.into_iter()), ": did you mean 'default-ttl'?");
        assert_eq!(hint("colour", known.into_iter()), "");
    }
}
