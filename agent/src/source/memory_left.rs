//! How much memory there is for the process: what its control groups leave of their limits, and what the host has.
//! See Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and proc_meminfo(5).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of a control group, by version: its limit, what it uses, and which lines of `memory.stat` say how much of
/// that the kernel takes back when it has to.
const FILES: [(&str, &str, [&str; 2]); 2] = [
    ("memory.max", "memory.current", ["inactive_file", "active_file"]),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ["total_inactive_file", "total_active_file"]),
];

/// In bytes; `None` where nothing says.
#[must_use]
pub fn memory_left() -> Option<u64> {
    left_at(Path::new("/"))
}

fn left_at(root: &Path) -> Option<u64> {
    let of_groups = groups(root).into_iter().filter_map(|group| left_in(&group));
    of_groups.chain(left_of_host(root)).min()
}

/// The folders of the process' control groups that may limit its memory. A container may not see the path that the
/// kernel names, but then its own group is the root of what it sees.
fn groups(root: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let mount = match controllers {
            "" => "sys/fs/cgroup",
            it if it.split(',').any(|it| it == "memory") => "sys/fs/cgroup/memory",
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        groups.extend(path.ancestors().map(|it| root.join(mount).join(it)));
    }
    groups
}

fn left_in(group: &Path) -> Option<u64> {
    FILES.iter().find_map(|(max, used, reclaimable)| {
        let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        let (max, used) = (number(max)?, number(used)?);
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let reclaimable: u64 = reclaimable.iter().filter_map(|name| field(&stat, name)).sum();
        Some(max.saturating_sub(used.saturating_sub(reclaimable)))
    })
}

fn left_of_host(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    field(&text, "MemAvailable:")?.checked_mul(1024)
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut rows = text.lines().map(str::split_ascii_whitespace);
    rows.find_map(|mut words| words.next().filter(|it| *it == name).and_then(|_| words.next()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const MIB: u64 = 1 << 20;

    fn host(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_group_counts_and_what_can_be_taken_back_does_not() {
        let host = host(&[
            ("proc/self/cgroup", "0::/a.slice/b.service\n"),
            ("proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n"),
            ("sys/fs/cgroup/a.slice/memory.max", "67108864\n"),
            ("sys/fs/cgroup/a.slice/memory.current", "50331648\n"),
            ("sys/fs/cgroup/a.slice/memory.stat", "anon 1\ninactive_file 8388608\nactive_file 4194304\n"),
            ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n"),
            ("sys/fs/cgroup/a.slice/b.service/memory.current", "1048576\n"),
        ]);
        assert_eq!(left_at(host.path()), Some(28 * MIB));
    }

    #[test]
    fn a_container_sees_its_group_as_the_root() {
        let host = host(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/kubepods/pod1/c1\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "20971520\n"),
            ("sys/fs/cgroup/memory/memory.stat", "cache 0\ntotal_inactive_file 10485760\n"),
        ]);
        assert_eq!(left_at(host.path()), Some(22 * MIB));
    }

    #[test]
    fn without_limits_the_host_counts_and_without_that_nothing() {
        let unlimited = host(&[
            ("proc/self/cgroup", "4:memory:/\n"),
            ("proc/meminfo", "MemAvailable:    2048 kB\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ]);
        assert_eq!(left_at(unlimited.path()), Some(2 * MIB));
        assert_eq!(left_at(host(&[("proc/self/cgroup", "nonsense\n")]).path()), None);
    }
}
