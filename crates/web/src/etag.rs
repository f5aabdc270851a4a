//! Versions of records as entity tags, and the conditions of requests on them.
//!
//! A generation alone is no version: it has 16 bits, and begins at 1 again after a record was deleted. With the
//! last-update time beside it, `"<milliseconds since 1970, hexadecimal>-<generation>"`, a tag does not come back for
//! other content. `If-Match` is checked where the record is, under its lock: the generation by the command's policy,
//! the last-update time by a filter in the same command.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use std::fmt;

/// A record's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// When it was last written, milliseconds since 1970.
    pub last_update_ms: u64,
    /// How often it was written.
    pub generation: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{:x}-{}\"", self.last_update_ms, self.generation)
    }
}

impl Version {
    /// The version that an entity tag with its quotes names; none for one that was never ours.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Version> {
        let (time, generation) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
        let version = Version {
            last_update_ms: u64::from_str_radix(time, 16).ok()?,
            generation: generation.parse().ok().filter(|generation| *generation <= 0xffff)?,
        };
        (version.to_string() == tag).then_some(version)
    }
}

/// What a request demands of the record as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// `If-Match: *`: it exists.
    Exists,
    /// `If-Match` with a tag: it is of this version.
    Is(Version),
    /// `If-Match` with a tag that was never ours: nothing can be right.
    Never,
    /// `If-None-Match: *`: it does not exist.
    Absent,
}

/// Conditions that can't be checked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported(pub &'static str);

impl Condition {
    /// The condition of a request that writes.
    ///
    /// # Errors
    /// Several tags, or both headers.
    pub fn of_write(headers: &HeaderMap) -> Result<Condition, Unsupported> {
        let tags = values(headers, &IF_MATCH);
        let none = values(headers, &IF_NONE_MATCH);
        match (tags.as_slice(), none.as_slice()) {
            ([], []) => Ok(Condition::None),
            (["*"], []) => Ok(Condition::Exists),
            ([tag], []) => Ok(Version::parse(tag).map_or(Condition::Never, Condition::Is)),
            ([], ["*"]) => Ok(Condition::Absent),
            ([], _) => Err(Unsupported("If-None-Match of a write can only be *")),
            (_, []) => Err(Unsupported("If-Match takes one tag")),
            (_, _) => Err(Unsupported("If-Match and If-None-Match exclude each other")),
        }
    }
}

/// Whether `If-None-Match` of a read names this version. Weak tags count, as the standard has it for reads.
#[must_use]
pub fn is_known(headers: &HeaderMap, version: Version) -> bool {
    let version = version.to_string();
    values(headers, &IF_NONE_MATCH).iter().any(|tag| *tag == "*" || tag.trim_start_matches("W/") == version)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Condition, Version, is_known};
    use axum::http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};

    const VERSION: Version = Version { last_update_ms: 0x19a_0000_0001, generation: 3 };

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header"))])
    }

    #[test]
    fn tags_name_one_version() {
        assert_eq!(VERSION.to_string(), "\"19a00000001-3\"");
        assert_eq!(Version::parse("\"19a00000001-3\""), Some(VERSION));
        for other in
            ["19a00000001-3", "\"19A00000001-3\"", "\"019a00000001-3\"", "\"1-65536\"", "\"\"", "\"-1\""]
        {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }

    #[test]
    fn conditions_of_writes() {
        let of = |name, value| Condition::of_write(&headers(name, value));
        assert_eq!(Condition::of_write(&HeaderMap::new()), Ok(Condition::None));
        assert_eq!(of(IF_MATCH, "*"), Ok(Condition::Exists));
        assert_eq!(of(IF_MATCH, "\"19a00000001-3\""), Ok(Condition::Is(VERSION)));
        assert_eq!(of(IF_MATCH, "W/\"19a00000001-3\""), Ok(Condition::Never));
        assert_eq!(of(IF_NONE_MATCH, "*"), Ok(Condition::Absent));
        assert!(of(IF_NONE_MATCH, "\"1-1\"").is_err());
        assert!(of(IF_MATCH, "\"1-1\", \"2-2\"").is_err());
    }

    #[test]
    fn reads_take_weak_tags_and_lists() {
        assert!(is_known(&headers(IF_NONE_MATCH, "\"1-1\", W/\"19a00000001-3\""), VERSION));
        assert!(is_known(&headers(IF_NONE_MATCH, "*"), VERSION));
        assert!(!is_known(&headers(IF_NONE_MATCH, "\"19a00000001-4\""), VERSION));
    }
}
