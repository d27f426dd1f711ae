//! Disks that come and go by the dozen, in a guest: the driver `null_blk` makes them.

use std::{
    fs::{File, read_to_string},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use anyhow::{Context, Result, ensure};
use rustix::{
    io::Errno,
    system::{delete_module, finit_module},
};

use crate::{Agent, Exposition, load, truth::BLOCK_IO_LATENCY};

/// What the agent must be told besides, to count them from their submission, too. An emulated CPU spends more on programs
/// than they may cost.
pub const CONFIG: &str = "[collector.block_bio]\nenabled = true\n[ebpf.budget]\non_exceed = 'warn'\n";

/// By probe.
const FAMILIES: [(&str, &str); 2] =
    [(BLOCK_IO_LATENCY, "block_io"), ("node_block_bio_latency_seconds", "block_bio")];
const MISSED: &str = "hostlens_bpf_program_recursion_missed_total";
const ROUNDS: usize = 20;
const DEVICES: u64 = 40;

/// Attaches and detaches all of them, while `steady` is read: each has its name and its requests, none has no row, and
/// rows come free, as there are not enough for all that ever were. `modules`: where the driver is, and what it needs.
///
/// # Errors
/// When a count is off.
pub fn come_and_go(agent: &Agent, modules: &Path, steady: &Path) -> Result<String> {
    insert(&modules.join("configfs.ko"), "")?;
    let ended = AtomicBool::new(false);
    let n_reads = thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<u64> {
            let mut n_reads = 0;
            while !ended.load(Relaxed) {
                load::direct_reads(steady, 16)?;
                n_reads += 16;
            }
            Ok(n_reads)
        });
        let outcome = (0..ROUNDS).try_for_each(|round| {
            once(agent, &modules.join("null_blk.ko")).with_context(|| format!("round {round} of {ROUNDS}"))
        });
        ended.store(true, Relaxed);
        let n_reads = reader.join().expect("the reader does not panic");
        outcome.and(n_reads)
    })?;
    Ok(format!("{ROUNDS} times {DEVICES} devices, beside {n_reads} reads"))
}

/// Each device is read another number of times.
fn once(agent: &Agent, driver: &Path) -> Result<()> {
    let before = agent.scrape()?;
    insert(driver, &format!("nr_devices={DEVICES}"))?;
    for idx in 0..DEVICES {
        load::direct_reads(&Path::new("/dev").join(format!("nullb{idx}")), 1 + idx % 8)?;
    }
    let page = agent.scrape()?;
    let mut unseen = [0.0; 2];
    for idx in 0..DEVICES {
        let name = format!("nullb{idx}");
        // The kernel itself looks for partitions.
        let expected = completed_reads(&name)?;
        ensure!(expected > idx % 8, "{name} was read {expected} times");
        for ((family, _), unseen) in FAMILIES.iter().zip(&mut unseen) {
            let found = count(&page, family, &name);
            ensure!(found <= expected as f64, "{family} has {found} reads of {name}, not {expected}");
            *unseen += expected as f64 - found;
        }
    }
    for ((family, probe), unseen) in FAMILIES.iter().zip(unseen) {
        // While a program runs on a CPU, the kernel does not run it there for another event.
        let missed = |page: &Exposition| page.value(MISSED, &[("probe", probe)]).unwrap_or(0.0);
        let n_missed = missed(&agent.scrape()?) - missed(&before);
        ensure!(unseen <= n_missed, "{family} lacks {unseen} reads, and the kernel tells of {n_missed}");
    }
    for (family, _) in FAMILIES {
        let others = page.sum(&format!("{family}_count"), &[("device", "~other")]).unwrap_or(0.0);
        ensure!(others == 0.0, "{others} of {family} have no device");
    }
    delete_module(c"null_blk", 0).context("take the devices away")
}

fn count(page: &Exposition, family: &str, device: &str) -> f64 {
    page.sum(&format!("{family}_count"), &[("device", device), ("operation", "read")]).unwrap_or(0.0)
}

/// As /proc/diskstats has them.
fn completed_reads(disk: &str) -> Result<u64> {
    let text = read_to_string("/proc/diskstats")?;
    let mut lines = text.lines().map(|it| it.split_ascii_whitespace().collect::<Vec<_>>());
    let line = lines.find(|it| it.get(2) == Some(&disk)).with_context(|| format!("{disk} is not there"))?;
    Ok(line.get(3).context("a short line")?.parse()?)
}

/// Lets the kernel have a module, unless it has it.
fn insert(module: &Path, parameters: &str) -> Result<()> {
    let file = File::open(module).with_context(|| format!("open {}", module.display()))?;
    let parameters = std::ffi::CString::new(parameters)?;
    match finit_module(&file, &parameters, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("load {}", module.display())),
    }
}
