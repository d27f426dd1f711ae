//! Version 1: a tree a controller.

use super::{Cpu, Disk, Memory, Usage, for_keys, in_folder, limit, pressure};
use crate::source::{Attributes, FirstError, number, words};
use std::path::{Path, PathBuf};

/// The limits that mean "none" are a page less than 2^63, whatever a page is.
const UNLIMITED: u64 = 1 << 62;
/// `USER_HZ`, in which `cpuacct.stat` counts: include/asm-generic/param.h.
const TICKS_A_SECOND: f64 = 100.0;

/// Where each controller's tree is, if it has one. Controllers that share a tree have a link each.
#[derive(Debug)]
pub(crate) struct Trees {
    pub(super) cpu: Option<PathBuf>,
    pub(super) accounting: Option<PathBuf>,
    memory: Option<PathBuf>,
    io: Option<PathBuf>,
    pids: Option<PathBuf>,
    /// The tree of version 2 that systemd has beside the others.
    pub(super) unified: Option<PathBuf>,
}

impl Trees {
    pub(super) fn find(root: &Path) -> Option<Self> {
        let tree = |name| Some(root.join(name)).filter(|it| it.is_dir());
        let trees = Self {
            cpu: tree("cpu"),
            accounting: tree("cpuacct"),
            memory: tree("memory"),
            io: tree("blkio"),
            pids: tree("pids"),
            unified: tree("unified"),
        };
        let is_any = trees.roots().next().is_some();
        is_any.then_some(trees)
    }

    /// Of those that count something.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        let Self { cpu, accounting, memory, io, pids, unified: _ } = self;
        [cpu, accounting, memory, io, pids].into_iter().filter_map(|it| it.as_deref())
    }

    pub(super) fn usage(&self, path: &str, errors: &FirstError) -> Usage {
        let (threads, max_threads) = read(&self.pids, path, errors, |files| {
            (files.unsigned("pids.current"), limit(files, "pids.max"))
        });
        let [cpu_pressure, memory_pressure, io_pressure] = read(&self.unified, path, errors, |files| {
            ["cpu.pressure", "memory.pressure", "io.pressure"].map(|it| pressure(files, it))
        });
        let mut cpu = read(&self.accounting, path, errors, accounting);
        read(&self.cpu, path, errors, |files| throttling(files, &mut cpu));
        Usage {
            cpu,
            memory: read(&self.memory, path, errors, memory),
            threads,
            max_threads,
            cpu_pressure,
            memory_pressure,
            io_pressure,
            disks: read(&self.io, path, errors, disks),
        }
    }
}

/// What one controller says of a group.
pub(super) fn read<T: Default>(
    tree: &Option<PathBuf>,
    path: &str,
    errors: &FirstError,
    read: impl FnOnce(&Attributes<'_>) -> T,
) -> T {
    tree.as_ref().map(|root| in_folder(root, path, errors, read)).unwrap_or_default()
}

fn accounting(files: &Attributes<'_>) -> Cpu {
    let mut cpu = Cpu { usage: files.unsigned("cpuacct.usage").map(nanoseconds), ..Cpu::default() };
    for_keys(files, "cpuacct.stat", |key, value| match key {
        b"user" => cpu.user = Some(value as f64 / TICKS_A_SECOND),
        b"system" => cpu.system = Some(value as f64 / TICKS_A_SECOND),
        _ => {}
    });
    cpu
}

fn throttling(files: &Attributes<'_>, cpu: &mut Cpu) {
    for_keys(files, "cpu.stat", |key, value| match key {
        b"nr_periods" => cpu.periods = Some(value),
        b"nr_throttled" => cpu.throttled_periods = Some(value),
        b"throttled_time" => cpu.throttled = Some(nanoseconds(value)),
        _ => {}
    });
    // -1: none.
    let quota = files.parsed("cpu.cfs_quota_us", "a number", number::<i64>);
    cpu.quota = quota.and_then(|it| u64::try_from(it).ok());
    cpu.period = files.unsigned("cpu.cfs_period_us");
}

fn memory(files: &Attributes<'_>) -> Memory {
    let limit = files.unsigned("memory.limit_in_bytes");
    let mut memory = Memory {
        usage: files.unsigned("memory.usage_in_bytes"),
        peak: files.unsigned("memory.max_usage_in_bytes"),
        limit: limit.map(|it| if it < UNLIMITED { it } else { 0 }),
        ..Memory::default()
    };
    // Those without `total_` are the group's own, less what is below it.
    for_keys(files, "memory.stat", |key, value| match key {
        b"total_rss" => memory.anonymous = Some(value),
        b"total_cache" => memory.cache = Some(value),
        b"total_swap" => memory.swap = Some(value),
        b"total_inactive_file" => memory.inactive_file = Some(value),
        b"total_pgfault" => memory.faults = Some(value),
        b"total_pgmajfault" => memory.major_faults = Some(value),
        _ => {}
    });
    for_keys(files, "memory.oom_control", |key, value| {
        if key == b"oom_kill" {
            memory.oom_kills = Some(value);
        }
    });
    memory
}

/// Lines as `8:0 Read 4096`, and a total at the end.
fn disks(files: &Attributes<'_>) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for (name, is_bytes) in
        [("blkio.throttle.io_service_bytes_recursive", true), ("blkio.throttle.io_serviced_recursive", false)]
    {
        files.lines(name, "a disk's number, an operation and a count", |_, line| {
            let mut words = words(line);
            let (disk, operation) = (std::str::from_utf8(words.next()?).ok()?, words.next()?);
            let Some(count) = words.next() else { return Some(()) };
            let index = disks.iter().position(|it| it.number == disk).unwrap_or_else(|| {
                disks.push(Disk { number: disk.to_owned(), ..Disk::default() });
                disks.len() - 1
            });
            let disk = &mut disks[index];
            let which = match (operation, is_bytes) {
                (b"Read", true) => &mut disk.read_bytes,
                (b"Write", true) => &mut disk.written_bytes,
                (b"Read", false) => &mut disk.reads,
                (b"Write", false) => &mut disk.writes,
                _ => return Some(()),
            };
            *which = Some(number(count)?);
            Some(())
        });
    }
    disks
}

fn nanoseconds(value: u64) -> f64 {
    value as f64 / 1e9
}
