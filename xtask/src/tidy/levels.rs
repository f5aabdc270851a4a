//! Imports between rooms point down: a package may depend only on packages of a lower level.
//!
//! Dev-dependencies count too, because a test that needs the room above it belongs to that room.

use crate::console::Finding;
use crate::workspace::Package;

/// The rooms and their levels, from the plan of the house. A new room gets its level here.
const LEVELS: &[(&str, u8)] = &[
    ("shipload-value", 0),
    ("shipload-wire", 0),
    ("shipload-store", 1),
    ("shipload-lua", 1),
    ("shipload-cluster", 1),
    ("shipload-lua", 1),
    ("shipload-node", 2),
    ("shipload-sim", 3),
    ("shipload-console", 3),
    ("shipload-sql", 3),
    ("shipload-web", 4),
    ("shipload-server", 5),
    ("shipload-fleet", 5),
    ("shipload", 6),
    ("shipload-voyage", 5),
    ("xtask", 7),
];

/// Rooms up to this level hold no sockets, threads, files, clocks or randomness.
const PURE_UP_TO: u8 = 2;

/// The level of a package, when it has one.
pub(crate) fn level(name: &str) -> Option<u8> {
    LEVELS.iter().find(|(room, _)| *room == name).map(|(_, level)| *level)
}

/// True for the machines and the engine, which must run in a simulator.
pub(crate) fn is_pure(name: &str) -> bool {
    level(name).is_some_and(|level| level <= PURE_UP_TO)
}

/// Finds arrows that do not point down.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some(from) = level(&package.name) else {
        let text = format!("`{}` has no level yet; give it one in xtask/src/tidy/levels.rs", package.name);
        return vec![Finding::file(&package.manifest, text)];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| level(&dependency.name).is_none_or(|to| to >= from))
        .map(|dependency| {
            let to = level(&dependency.name).map_or("no level".to_owned(), |to| format!("level {to}"));
            let text = format!(
                "`{}` (level {from}) has a {} dependency on `{}` ({to}); imports point down only",
                package.name, dependency.kind, dependency.name
            );
            Finding::file(&package.manifest, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, &str)]) -> Package {
        let dependency =
            |(name, kind): &(&str, &str)| Dependency { name: (*name).to_owned(), kind: (*kind).to_owned() };
        Package {
            name: name.to_owned(),
            manifest: PathBuf::from("m"),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    #[test]
    fn down_is_fine_and_sideways_or_up_is_not() {
        assert_eq!(check(&[package("shipload-store", &[("shipload-value", "normal")])]), []);
        let sideways = check(&[package("shipload-wire", &[("shipload-value", "normal")])]);
        assert!(sideways[0].text.contains("(level 0) has a normal dependency on `shipload-value` (level 0)"));
        let up = check(&[package("shipload-value", &[("shipload-node", "dev")])]);
        assert!(up[0].text.contains("dev dependency"));
    }

    #[test]
    fn a_room_without_level_is_named() {
        assert!(check(&[package("shipload-attic", &[])])[0].text.contains("no level yet"));
    }
}
