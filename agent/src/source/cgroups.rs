//! Control groups: where their trees are, and what the kernel counts in each. See cgroups(7), and
//! Documentation/admin-guide/cgroup-v2.rst and cgroup-v1 of the kernel's source.

mod cpu_groups;
mod ids;
mod pods;
mod remembered;
mod v1;
mod v2;

pub(crate) use cpu_groups::CpuGroup;
pub(crate) use ids::Ids;
pub(crate) use pods::{Name, Names, Place};

use super::{Attributes, FirstError, Folder, number, words};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// How deep the tree is followed. What lies deeper is in the figures of those above it, as everything is.
const MAX_DEPTH: usize = 64;

/// The trees of a host.
#[derive(Debug)]
pub(crate) enum Cgroups {
    /// One tree for all controllers.
    V2(PathBuf),
    /// One for each, and often a v2 one beside them that counts nothing but pressure.
    V1(Box<v1::Trees>),
}

/// What is known of one group, all that is below it included. `None`: nobody counts it here.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
    /// Threads.
    pub(crate) threads: Option<u64>,
    /// 0: as many as they like.
    pub(crate) max_threads: Option<u64>,
    pub(crate) cpu_pressure: Pressure,
    pub(crate) memory_pressure: Pressure,
    pub(crate) io_pressure: Pressure,
    pub(crate) disks: Vec<Disk>,
}

/// In seconds where nothing else is said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) usage: Option<f64>,
    pub(crate) user: Option<f64>,
    pub(crate) system: Option<f64>,
    pub(crate) periods: Option<u64>,
    pub(crate) throttled_periods: Option<u64>,
    pub(crate) throttled: Option<f64>,
    /// In microseconds, as the length of a period. `None` where there is no limit, too.
    pub(crate) quota: Option<u64>,
    pub(crate) period: Option<u64>,
}

/// In bytes where nothing else is said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) usage: Option<u64>,
    pub(crate) peak: Option<u64>,
    /// 0: as much as they like.
    pub(crate) limit: Option<u64>,
    pub(crate) swap: Option<u64>,
    pub(crate) anonymous: Option<u64>,
    pub(crate) cache: Option<u64>,
    pub(crate) inactive_file: Option<u64>,
    /// How often.
    pub(crate) faults: Option<u64>,
    pub(crate) major_faults: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
}

impl Memory {
    /// What would not be given back at once, as the kubelet reckons.
    pub(crate) fn working_set(&self) -> Option<u64> {
        Some(self.usage?.saturating_sub(self.inactive_file?))
    }
}

/// Seconds in which some, or all, of its tasks waited.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pressure {
    pub(crate) some: Option<f64>,
    pub(crate) full: Option<f64>,
}

/// What it read and wrote of one disk.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Disk {
    /// Major and minor number, as `8:0`.
    pub(crate) number: String,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) written_bytes: Option<u64>,
    pub(crate) reads: Option<u64>,
    pub(crate) writes: Option<u64>,
}

impl Cgroups {
    /// Those below `root`, which is /sys/fs/cgroup; `None` where there are none.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        // Of version 1, the folder of the trees is no group.
        if ["cgroup.controllers", "cgroup.procs"].iter().any(|it| root.join(it).exists()) {
            return Some(Self::V2(root.to_owned()));
        }
        v1::Trees::find(root).map(|it| Self::V1(Box::new(it)))
    }

    /// The path of each group that `is_wanted` and is not below one that `is_whole`, from `/` on.
    pub(crate) fn list(&self, is_whole: impl Fn(&str) -> bool, errors: &FirstError) -> BTreeSet<String> {
        let roots: Vec<&Path> = match self {
            Self::V2(root) => vec![root],
            Self::V1(trees) => trees.roots().collect(),
        };
        let mut found = BTreeSet::new();
        for root in roots {
            if let Some(folder) = errors.value(Folder::open(root)) {
                found.insert("/".to_owned());
                walk(&folder, "", 0, &is_whole, errors, &mut found);
            }
        }
        found
    }

    /// What one has used. A group that is gone has used nothing.
    pub(crate) fn usage(&self, path: &str, errors: &FirstError) -> Usage {
        match self {
            Self::V2(root) => in_folder(root, path, errors, v2::usage),
            Self::V1(trees) => trees.usage(path, errors),
        }
    }
}

fn walk(
    folder: &Folder,
    path: &str,
    depth: usize,
    is_whole: &impl Fn(&str) -> bool,
    errors: &FirstError,
    found: &mut BTreeSet<String>,
) {
    for name in errors.value(folder.folder_names().map(Some)).unwrap_or_default() {
        let path = format!("{path}/{name}");
        if depth < MAX_DEPTH
            && !is_whole(&path)
            && let Some(below) = errors.value(folder.folder(&name))
        {
            walk(&below, &path, depth + 1, is_whole, errors, found);
        }
        found.insert(path);
    }
}

/// What `read` makes of a group's files in the tree at `root`; nothing where it is not there.
fn in_folder<T: Default>(
    root: &Path,
    path: &str,
    errors: &FirstError,
    read: impl FnOnce(&Attributes<'_>) -> T,
) -> T {
    let folder = errors.value(Folder::open(root.join(path.trim_start_matches('/'))));
    let Some(folder) = folder else { return T::default() };
    let files = folder.unlisted_attributes();
    let value = read(&files);
    errors.ok(files.end());
    value
}

/// Lines of a name and a number each.
fn for_keys(files: &Attributes<'_>, name: &str, mut each: impl FnMut(&[u8], u64)) {
    files.lines(name, "a name and a number", |_, line| {
        let mut words = words(line);
        let (key, value) = (words.next()?, words.next()?);
        // One that wrapped below zero is left out.
        if let Some(value) = super::count(value)? {
            each(key, value);
        }
        Some(())
    });
}

/// A number, or what the kernel writes for "no limit": then 0.
fn limit(files: &Attributes<'_>, name: &str) -> Option<u64> {
    files.parsed(name, "a number or `max`", |value| if value == b"max" { Some(0) } else { number(value) })
}

fn pressure(files: &Attributes<'_>, name: &str) -> Pressure {
    let mut pressure = Pressure::default();
    files.lines(name, "three averages and `total=` in us", |_, line| {
        let mut words = words(line);
        let which = match words.next()? {
            b"some" => &mut pressure.some,
            b"full" => &mut pressure.full,
            _ => return Some(()),
        };
        let total: u64 = words.nth(3)?.strip_prefix(b"total=").and_then(number)?;
        *which = Some(microseconds(total));
        Some(())
    });
    pressure
}

fn microseconds(value: u64) -> f64 {
    value as f64 / 1e6
}
