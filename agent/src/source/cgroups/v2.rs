//! Version 2: all files of a group in one folder.

use super::{Disk, Usage, for_keys, limit, microseconds, pressure};
use crate::source::{Attributes, number, words};

pub(super) fn usage(files: &Attributes<'_>) -> Usage {
    let mut usage = Usage {
        threads: files.unsigned("pids.current"),
        max_threads: limit(files, "pids.max"),
        cpu_pressure: pressure(files, "cpu.pressure"),
        memory_pressure: pressure(files, "memory.pressure"),
        io_pressure: pressure(files, "io.pressure"),
        disks: disks(files),
        ..Usage::default()
    };
    let cpu = &mut usage.cpu;
    for_keys(files, "cpu.stat", |key, value| match key {
        b"usage_usec" => cpu.usage = Some(microseconds(value)),
        b"user_usec" => cpu.user = Some(microseconds(value)),
        b"system_usec" => cpu.system = Some(microseconds(value)),
        b"nr_periods" => cpu.periods = Some(value),
        b"nr_throttled" => cpu.throttled_periods = Some(value),
        b"throttled_usec" => cpu.throttled = Some(microseconds(value)),
        _ => {}
    });
    let quota = files.parsed("cpu.max", "a quota or `max`, and a period", |value| {
        let mut words = words(value);
        let quota = words.next()?;
        let quota = if quota == b"max" { None } else { Some(number(quota)?) };
        Some((quota, number(words.next()?)?))
    });
    (cpu.quota, cpu.period) = quota.map_or((None, None), |(quota, period)| (quota, Some(period)));

    let memory = &mut usage.memory;
    memory.usage = files.unsigned("memory.current");
    memory.peak = files.unsigned("memory.peak");
    memory.limit = limit(files, "memory.max");
    memory.swap = files.unsigned("memory.swap.current");
    for_keys(files, "memory.stat", |key, value| match key {
        b"anon" => memory.anonymous = Some(value),
        b"file" => memory.cache = Some(value),
        b"inactive_file" => memory.inactive_file = Some(value),
        b"pgfault" => memory.faults = Some(value),
        b"pgmajfault" => memory.major_faults = Some(value),
        _ => {}
    });
    for_keys(files, "memory.events", |key, value| {
        if key == b"oom_kill" {
            memory.oom_kills = Some(value);
        }
    });
    usage
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. Some kernels before 6.3 write the numbers of disks without any
/// before those of the next one, on the same line.
fn disks(files: &Attributes<'_>) -> Vec<Disk> {
    let mut disks = Vec::new();
    files.lines("io.stat", "a disk's number and its counts", |_, line| {
        let mut disk = Disk::default();
        for word in words(line) {
            let Some(at) = word.iter().position(|&it| it == b'=') else {
                disk.number = std::str::from_utf8(word).ok()?.to_owned();
                continue;
            };
            let which = match &word[..at] {
                b"rbytes" => &mut disk.read_bytes,
                b"wbytes" => &mut disk.written_bytes,
                b"rios" => &mut disk.reads,
                b"wios" => &mut disk.writes,
                // Those of cost models have values that are no numbers.
                _ => continue,
            };
            *which = Some(number(&word[at + 1..])?);
        }
        if disk.reads.is_some() {
            disks.push(disk);
        }
        Some(())
    });
    disks
}
