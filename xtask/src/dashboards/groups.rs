//! A control group with a quota and a process in it that wants more, in each hierarchy that the host has.

use std::{
    fs::{create_dir, read_dir, read_to_string, remove_dir, write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";
const NAME: &str = "hostlens-dashboards";

/// What is written where a group has such a file: half a CPU, and memory of a bound.
const SETTINGS: &[(&str, &str)] = &[
    ("cpu.max", "20000 100000"),
    ("cpu.cfs_quota_us", "20000"),
    ("memory.max", "268435456"),
    ("memory.limit_in_bytes", "268435456"),
];

/// Computes, and writes and reads a file past the memory.
const WORK: &str = "while :; do
  dd if=/dev/zero of=\"$0\" bs=1M count=4 oflag=direct; dd if=\"$0\" of=/dev/null bs=1M iflag=direct
  i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done
done";

/// Gone on drop.
pub(super) struct Group {
    child: Child,
    folders: Vec<PathBuf>,
}

impl Group {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let mut work = Command::new("sh");
        work.args(["-c", WORK]).arg(folder.join("group"));
        let child = work.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut group = Self { child: child.context("start sh")?, folders: Vec::new() };
        for hierarchy in hierarchies()? {
            let path = hierarchy.join(NAME);
            create_dir(&path).with_context(|| format!("make {}", path.display()))?;
            group.folders.push(path.clone());
            for (name, value) in SETTINGS.iter().filter(|it| path.join(it.0).exists()) {
                write(path.join(name), value)
                    .with_context(|| format!("write {name} of {}", path.display()))?;
            }
            let pid = group.child.id().to_string();
            write(path.join("cgroup.procs"), pid).with_context(|| format!("enter {}", path.display()))?;
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        // What dd it started leaves with its next read or write.
        std::thread::sleep(std::time::Duration::from_secs(1));
        for folder in &self.folders {
            if let Err(error) = remove_dir(folder) {
                eprintln!("remove {}: {error}", folder.display());
            }
        }
    }
}

/// The one of version 2, or those of version 1 that count what the dashboards show.
fn hierarchies() -> Result<Vec<PathBuf>> {
    if is_version_2() {
        // Not all of them can be had everywhere.
        for controller in ["+cpu", "+memory", "+io", "+pids"] {
            write(format!("{ROOT}/cgroup.subtree_control"), controller).ok();
        }
        return Ok(vec![ROOT.into()]);
    }
    let counts = |path: &Path| {
        ["cpu.cfs_quota_us", "cpuacct.usage", "memory.limit_in_bytes", "blkio.reset_stats", "pids.max"]
            .iter()
            .any(|it| path.join(it).exists())
            || path.ends_with("pids")
    };
    let found = read_dir(ROOT).with_context(|| format!("list {ROOT}"))?;
    let found = found.filter_map(|it| it.ok()?.path().canonicalize().ok());
    let mut found: Vec<_> = found.filter(|it| counts(it)).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether the kernel counted nothing of what the group wrote and read.
pub(super) fn counts_no_disk() -> bool {
    let counted = format!("{ROOT}/blkio/{NAME}/blkio.throttle.io_service_bytes_recursive");
    read_to_string(counted).is_ok_and(|it| it.trim() == "Total 0")
}

pub(super) fn is_version_2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}
