//! Whether this process runs in a container.
//!
//! It decides what "listen where?" means without a word from the user: on a laptop loopback, in a container
//! all interfaces, since a container that only talks to itself serves nobody.

use std::path::Path;

/// Whether any of the usual signs of a container is there.
#[must_use]
pub fn is_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    marked
        || std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || std::fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| names_container(&text))
}

/// Whether the control groups of process 1 carry a container engine's name.
fn names_container(cgroups: &str) -> bool {
    ["docker", "kubepods", "containerd", "libpod", "lxc"].iter().any(|engine| cgroups.contains(engine))
}

#[cfg(test)]
mod tests {
    use super::names_container;

    #[test]
    fn engines_are_known_by_their_control_groups() {
        assert!(names_container("12:memory:/docker/0123abc\n"));
        assert!(names_container("0::/kubepods.slice/kubepods-burstable.slice\n"));
        assert!(!names_container("0::/init.scope\n"));
    }
}
