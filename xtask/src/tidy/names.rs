//! Names that may not be written: the outside world below the shell, and file names that say nothing.
//!
//! The machines and the engine are plain values: event and time in, effects out. A socket, a thread,
//! a file, a clock or ambient randomness in them would end both the fast path and the simulator.

use std::path::Path;

use super::source::{NamedPath, Source};
use crate::console::Finding;

/// How a forbidden name is recognised.
enum Pattern {
    /// These segments in a row, anywhere in a path.
    Segments(&'static [&'static str]),
    /// A crate: the first segment of a longer path or of an import.
    Crate(&'static str),
}

/// What is forbidden in rooms up to level 2, and the reason that is shown.
const FORBIDDEN: &[(Pattern, &str)] = &[
    (Pattern::Segments(&["std", "net"]), "sockets belong to the shell"),
    (Pattern::Segments(&["std", "thread"]), "threads belong to the shell"),
    (Pattern::Segments(&["std", "fs"]), "files belong to the shell"),
    (Pattern::Segments(&["std", "process"]), "processes belong to the shell"),
    (Pattern::Segments(&["std", "env"]), "the environment belongs to the shell"),
    (Pattern::Segments(&["std", "os"]), "the operating system belongs to the shell"),
    (Pattern::Segments(&["Instant", "now"]), "the time comes in as an argument"),
    (Pattern::Segments(&["SystemTime"]), "the time comes in as an argument"),
    (Pattern::Segments(&["async"]), "machines do not wait"),
    (Pattern::Crate("tokio"), "machines do not wait"),
    (Pattern::Crate("mio"), "sockets belong to the shell"),
    (Pattern::Crate("socket2"), "sockets belong to the shell"),
    (Pattern::Crate("rustix"), "the operating system belongs to the shell"),
    (Pattern::Crate("libc"), "the operating system belongs to the shell"),
    // A generator that is seeded from outside is a plain value; what seeds itself is not.
    (Pattern::Segments(&["rand", "rng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["rand", "random"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["thread_rng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["ThreadRng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["OsRng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["SysRng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["from_os_rng"]), "randomness comes in as an argument"),
    (Pattern::Segments(&["from_entropy"]), "randomness comes in as an argument"),
    (Pattern::Crate("getrandom"), "randomness comes in as an argument"),
    (Pattern::Crate("fastrand"), "randomness comes in as an argument"),
];

/// Addresses are plain values, which machines may hold; a socket is not among them.
const ADDRESSES: &[&str] =
    &["AddrParseError", "IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6"];

/// File and directory names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "utils", "util", "types", "helpers", "misc"];

/// Finds the outside world in a source file of a pure room.
pub(crate) fn check_purity(path: &Path, source: &Source) -> Vec<Finding> {
    source
        .paths
        .iter()
        .filter(|named| !named.in_test && !is_address(named))
        .filter_map(|named| {
            let (_, reason) = FORBIDDEN.iter().find(|(pattern, _)| pattern.matches(named))?;
            let name = named.segments.join("::");
            Some(Finding::line(path, named.line, format!("`{name}` below the shell: {reason}")))
        })
        .collect()
}

/// `std::net::IpAddr` and what belongs to it.
fn is_address(path: &NamedPath) -> bool {
    match path.segments.as_slice() {
        [std, net, name, ..] => std == "std" && net == "net" && ADDRESSES.contains(&name.as_str()),
        _ => false,
    }
}

impl Pattern {
    fn matches(&self, path: &NamedPath) -> bool {
        match self {
            Self::Segments(wanted) => path.segments.windows(wanted.len()).any(|window| window == *wanted),
            Self::Crate(name) => {
                let first = path.segments.first().is_some_and(|segment| segment == name);
                first && (path.imported || path.segments.len() > 1)
            }
        }
    }
}

/// Finds names of files and directories that say nothing.
pub(crate) fn check_file_name(path: &Path) -> Option<Finding> {
    let empty = path.iter().find(|part| {
        let stem = Path::new(part).file_stem().unwrap_or_default();
        EMPTY_NAMES.iter().any(|name| stem == *name)
    })?;
    let text = format!("`{}` says nothing about what is inside; name the concept", empty.display());
    Some(Finding::file(path, text))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = source::read(text, false).unwrap();
        check_purity(Path::new("a.rs"), &source)
            .into_iter()
            .map(|f| format!("{} {}", f.place, f.text))
            .collect()
    }

    #[test]
    fn the_outside_world_is_found_with_its_line() {
        let found = findings(
            "use std::{fmt, net::TcpStream};\nfn f() {\n    let t = std::time::Instant::now();\n}\n",
        );
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("a.rs:1 `std::net::TcpStream`"));
        assert!(found[1].starts_with("a.rs:3 `std::time::Instant::now`"));
        assert_eq!(findings("async fn f() { tokio::spawn(x); }").len(), 2);
        assert_eq!(findings("use fastrand;\nuse std::time::SystemTime;").len(), 2);
        assert_eq!(findings("fn f() { let a = rand::rng(); let b = SmallRng::from_os_rng(); }").len(), 2);
    }

    #[test]
    fn a_variable_named_like_a_crate_and_tests_are_left_alone() {
        assert_eq!(findings("fn f(fastrand: u64) -> u64 { fastrand + 1 }"), [""; 0]);
        assert_eq!(findings("use rand::rngs::SmallRng; fn f() { SmallRng::seed_from_u64(1); }"), [""; 0]);
        assert_eq!(findings("#[cfg(test)] mod tests { use std::thread; }"), [""; 0]);
        assert_eq!(findings("use std::time::Duration; // std::fs"), [""; 0]);
        assert_eq!(findings("use std::net::{IpAddr, SocketAddr}; fn f(a: std::net::Ipv4Addr) {}"), [""; 0]);
        assert_eq!(findings("use std::net::{self, SocketAddr};").len(), 1);
    }

    #[test]
    fn file_names_name_a_concept() {
        assert!(check_file_name(Path::new("crates/a/src/utils.rs")).is_some());
        assert!(check_file_name(Path::new("crates/types/src/lib.rs")).is_some());
        assert!(check_file_name(Path::new("crates/a/src/prototypes.rs")).is_none());
    }
}
