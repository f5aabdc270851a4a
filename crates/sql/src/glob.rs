//! Names with stars.

/// Whether a name fits a pattern; a star stands for any part of it.
#[must_use]
pub fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.len() >= last.len() && left.ends_with(last)
}

/// The same for paths: a star stands for no slash.
#[must_use]
pub fn is_path_like(path: &str, pattern: &str) -> bool {
    let (mut names, mut patterns) = (path.split('/'), pattern.split('/'));
    loop {
        match (names.next(), patterns.next()) {
            (Some(name), Some(pattern)) if is_like(name, pattern) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_like, is_path_like};

    #[test]
    fn stars_stand_for_anything() {
        for (name, pattern, like) in [
            ("a.csv", "*.csv", true),
            ("a.csv", "a*", true),
            ("a.csv", "a*v*", true),
            ("a.csv", "*b*", false),
            ("aa", "aa*a", false),
            ("x", "x", true),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
        assert!(is_path_like("a/b/c.json", "a/*/c*"));
        assert!(!is_path_like("a/b/c.json", "a/*"));
        assert!(!is_path_like("a", "a/*"));
    }
}
