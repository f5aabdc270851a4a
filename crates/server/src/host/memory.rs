//! How much memory there is for this process: of the machine, or of its control group when that is less.
//!
//! Guarantees: a hard limit of the container counts, in version 1 and 2 of control groups, on every level of the
//! tree, so that the engine can stop writes and evict before the kernel ends the process.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that bounds this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What it may have in all, in bytes.
    pub limit_bytes: u64,
    /// What of that is still free, in bytes; page cache that can be dropped counts as free.
    pub free_bytes: u64,
    /// Whether the limit is a control group's.
    pub of_container: bool,
}

impl Memory {
    /// What is free, in percent of the limit.
    #[must_use]
    pub fn free_pct(&self) -> u64 {
        self.free_bytes.saturating_mul(100) / self.limit_bytes.max(1)
    }
}

/// The memory as it is now.
#[must_use]
pub fn read() -> Option<Memory> {
    read_below(Path::new("/"))
}

/// As [`read`], with another root in front of `/proc` and `/sys`.
fn read_below(root: &Path) -> Option<Memory> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| parse_meminfo(&text))?;
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut tightest = machine;
    for folder in memory_folders(root, &groups) {
        if let Some(group) = read_group(&folder, machine.limit_bytes)
            && group.free_bytes < tightest.free_bytes
        {
            tightest = group;
        }
    }
    Some(tightest)
}

fn parse_meminfo(text: &str) -> Option<Memory> {
    let value = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let limit_bytes = value("MemTotal")?;
    let free_bytes = value("MemAvailable").or_else(|| value("MemFree"))?;
    Some(Memory { limit_bytes, free_bytes, of_container: false })
}

/// The folders of this process's memory group and of all groups around it.
fn memory_folders(root: &Path, groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let base = match controllers {
            "" => root.join("sys/fs/cgroup"),
            _ if controllers.split(',').any(|one| one == "memory") => root.join("sys/fs/cgroup/memory"),
            _ => continue,
        };
        // Inside a container the path may be the one outside, which is not mounted here; then the groups above
        // it, up to the mount itself, still tell the truth.
        let mut folder = base.join(path.trim_start_matches('/'));
        while folder.starts_with(&base) {
            folders.push(folder.clone());
            if !folder.pop() {
                break;
            }
        }
    }
    folders
}

/// One group's limit and use; none when it has no limit below the machine's memory.
fn read_group(folder: &Path, machine_bytes: u64) -> Option<Memory> {
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let limit_bytes = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    if limit_bytes >= machine_bytes {
        return None;
    }
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let counter = |key: &str| -> Option<u64> {
        stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
    };
    let cache = counter("total_inactive_file").or_else(|| counter("inactive_file")).unwrap_or(0);
    let free_bytes = limit_bytes.saturating_sub(used.saturating_sub(cache));
    Some(Memory { limit_bytes, free_bytes, of_container: true })
}

#[cfg(test)]
mod tests {
    use super::{Memory, read_below};
    use std::fs;
    use std::path::Path;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("inside the root")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn machine(groups: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        put(root.path(), "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 600 kB\n");
        put(root.path(), "proc/self/cgroup", groups);
        root
    }

    #[test]
    fn without_a_limit_the_machine_counts() {
        let root = machine("0::/\n");
        put(root.path(), "sys/fs/cgroup/memory.max", "max\n");
        let memory = read_below(root.path()).expect("readable");
        assert_eq!(memory, Memory { limit_bytes: 1_024_000, free_bytes: 614_400, of_container: false });
        assert_eq!(memory.free_pct(), 60);
    }

    #[test]
    fn a_limit_on_any_level_counts_in_version_2() {
        let root = machine("0::/a/b\n");
        put(root.path(), "sys/fs/cgroup/a/b/memory.max", "max\n");
        put(root.path(), "sys/fs/cgroup/a/memory.max", "100000\n");
        put(root.path(), "sys/fs/cgroup/a/memory.current", "90000\n");
        put(root.path(), "sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 15000\n");
        let memory = read_below(root.path()).expect("readable");
        assert_eq!(memory, Memory { limit_bytes: 100_000, free_bytes: 25_000, of_container: true });
    }

    #[test]
    fn a_limit_counts_in_version_1_though_the_outer_path_is_not_mounted() {
        let root = machine("5:cpu:/x\n4:memory:/docker/0123\n0::/\n");
        put(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "200000\n");
        put(root.path(), "sys/fs/cgroup/memory/memory.usage_in_bytes", "150000\n");
        let memory = read_below(root.path()).expect("readable");
        assert_eq!(memory, Memory { limit_bytes: 200_000, free_bytes: 50_000, of_container: true });
    }
}
