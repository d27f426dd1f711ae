//! A cgroup that reads more than it may keep, compaction on request, and in a guest a host that is short of memory.

use std::{
    fs::{read_to_string, write},
    io::{Read, Seek, Write, copy, sink},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};

use super::{Check, beside, counter, growth, is_emulated, on_disk};
use crate::{Agent, cgroup::Cgroup, truth::Bounded};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "memory_stalls", claim: "threads free as many pages as in vmstat", run: pages },
    Check { collector: "memory_stalls", claim: "a cgroup stalls each time it meets its limit", run: limits },
    Check { collector: "memory_stalls", claim: "direct reclaim is as often as in vmstat", run: direct },
    Check { collector: "memory_stalls", claim: "kswapd begins as often as in vmstat", run: kswapd },
    Check { collector: "memory_stalls", claim: "each zone is compacted once on request", run: compaction },
];

const LIMIT: usize = 16 << 20;
const READ: usize = 64 << 20;
const PAGE: usize = 4096;

const STALLS: &str = "node_memory_reclaim_stall_seconds_count";

/// Before Linux 6.4 what a thread freed of the kernel's own caches counts as well.
const SLABS: f64 = 1.1;

/// Of attempts to free memory, those that are none of their own.
const REPEATED: f64 = 0.9;

fn pages(agent: &Agent) -> Result<String> {
    let cgroup = Cgroup::with_memory(LIMIT as u64)?;
    let mut pages = beside(agent, "node_memory_reclaimed_pages_total", &[], stolen, || press(&cgroup))?;
    let least = ((READ - LIMIT) / PAGE) as f64;
    ensure!(pages.low >= least, "the kernel freed but {} pages of {least}", pages.low);
    pages.high *= SLABS;
    pages.inside()?;
    Ok(pages.to_string())
}

/// Pages that were freed by all but kswapd.
fn stolen() -> Result<f64> {
    let count = |key| counter("/proc/vmstat", key);
    Ok(count("pgsteal_anon ")? + count("pgsteal_file ")? - count("pgsteal_kswapd ")?)
}

fn limits(agent: &Agent) -> Result<String> {
    let cgroup = Cgroup::with_memory(LIMIT as u64)?;
    let stalls = beside(agent, STALLS, &[("kind", "memcg")], || cgroup.n_limited(), || press(&cgroup))?;
    // The first version counts failed attempts to get large pieces, which are given up for small ones, too.
    let least = if cgroup.is_first_version() { 1.0 } else { stalls.low };
    // Others may meet theirs.
    let most = if is_emulated() { stalls.high } else { f64::INFINITY };
    ensure!(stalls.agent >= least && stalls.agent <= most, "out of bounds: {stalls}");
    Ok(stalls.to_string())
}

/// Reads more than the cgroup may keep.
fn press(cgroup: &Cgroup) -> Result<()> {
    let mut disk = on_disk()?;
    disk.write_all(&vec![1; READ])?;
    disk.sync_all()?;
    // None of it stays in memory.
    fadvise(&disk, 0, None, Advice::DontNeed)?;
    cgroup.inside(|| {
        disk.rewind()?;
        let n_bytes = copy(&mut disk.take(READ as u64), &mut sink())?;
        ensure!(n_bytes == READ as u64, "read {n_bytes} of {READ} bytes");
        Ok(())
    })
}

fn direct(agent: &Agent) -> Result<String> {
    let zones = ["dma", "dma32", "normal", "movable", "device", "high"];
    let kernel = || {
        let count = |zone: &&str| counter("/proc/vmstat", &format!("allocstall_{zone} ")).ok();
        Ok(zones.iter().filter_map(count).sum())
    };
    let stalls = beside(agent, STALLS, &[("kind", "direct")], kernel, press_host)?;
    ensure!(stalls.low > 0.0 || !is_emulated(), "the host was not short of memory");
    // The kernel counts an attempt that it repeats twice.
    Bounded { low: stalls.low * REPEATED, ..stalls }.inside()?;
    Ok(stalls.to_string())
}

fn kswapd(agent: &Agent) -> Result<String> {
    let kernel = || counter("/proc/vmstat", "pageoutrun ");
    let wakes = beside(agent, "node_memory_kswapd_wakes_total", &[], kernel, press_host)?;
    ensure!(wakes.low > 0.0 || !is_emulated(), "kswapd had nothing to do");
    wakes.inside()?;
    Ok(wakes.to_string())
}

/// In a guest, makes the kernel think that it has too little memory left, and wants some. Other machines are left alone:
/// they may be short of it by themselves.
fn press_host() -> Result<()> {
    const RESERVE: &str = "/proc/sys/vm/min_free_kbytes";
    if !is_emulated() {
        return Ok(());
    }
    let mut disk = on_disk()?;
    let before = read_to_string(RESERVE)?;
    // So much is left that what is read can make way for what is read next.
    let reserve = counter("/proc/meminfo", "MemFree:")? as u64 - ((READ / 4) >> 10) as u64;
    write(RESERVE, reserve.to_string()).context("raise the kernel's reserve")?;
    let read = copy(&mut (&mut disk).take(READ as u64), &mut sink());
    write(RESERVE, before.trim()).context("lower the kernel's reserve")?;
    read?;
    // kswapd goes back to sleep.
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

fn compaction(agent: &Agent) -> Result<String> {
    let zones = populated_zones()?;
    let load = || write("/proc/sys/vm/compact_memory", "1").context("ask for compaction");
    let stalls = growth(agent, "node_memory_compaction_stall_seconds_count", &[], load)?;
    // Others may want large pieces at the same time.
    ensure!(stalls >= zones, "{stalls} zones compacted of {zones}");
    Ok(format!("{stalls} of {zones}"))
}

fn populated_zones() -> Result<f64> {
    let text = read_to_string("/proc/zoneinfo")?;
    let present = text.lines().filter_map(|it| it.trim_start().strip_prefix("present "));
    Ok(present.filter(|it| it.trim() != "0").count() as f64)
}
