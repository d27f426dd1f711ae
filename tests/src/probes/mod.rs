//! What each probe counts, against what somebody else counts under a known load: a file a probe. The live tests run all
//! of it on this machine, and the guest of `cargo xtask vm` on other kernels.

mod block_bio;
mod block_io;
mod block_io_stages;
mod dns;
mod fs_sync;
mod irq_time;
mod lock_contention;
mod memory_stalls;
mod napi;
mod offcpu;
mod oom_kills;
mod packet_drops;
mod page_cache;
mod page_faults;
mod process_events;
mod process_top;
mod runqueue;
mod sched_blame;
mod sched_turns;
mod signals;
mod socket_drops;
mod softirq_time;
mod syscall_latency;
mod syscalls;
mod tcp_connections;
mod tcp_events;
mod timer_handlers;
mod tlb_flushes;
mod workqueues;
mod writeback_throttle;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs::{self, File, read_to_string},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use hostlens::ebpf::btf::Btf;

use crate::{Agent, Exposition, first_process, truth::Bounded};

/// A claim about the families of a collector, held against a judge of its own.
#[derive(Debug)]
pub struct Check {
    pub collector: &'static str,
    /// What is claimed, in a few words.
    pub claim: &'static str,
    /// Puts the load on, and fails when the agent is off by more than the check's bound. The text has the figures.
    pub run: fn(&Agent) -> Result<String>,
}

/// All checks, probe by probe.
pub const ALL: &[&[Check]] = &[
    block_bio::CHECKS,
    block_io::CHECKS,
    block_io_stages::CHECKS,
    dns::CHECKS,
    fs_sync::CHECKS,
    irq_time::CHECKS,
    lock_contention::CHECKS,
    memory_stalls::CHECKS,
    offcpu::CHECKS,
    oom_kills::CHECKS,
    napi::CHECKS,
    packet_drops::CHECKS,
    page_cache::CHECKS,
    page_faults::CHECKS,
    process_events::CHECKS,
    process_top::CHECKS,
    runqueue::CHECKS,
    sched_blame::CHECKS,
    sched_turns::CHECKS,
    signals::CHECKS,
    socket_drops::CHECKS,
    softirq_time::CHECKS,
    syscall_latency::CHECKS,
    syscalls::CHECKS,
    tcp_connections::CHECKS,
    tcp_events::CHECKS,
    timer_handlers::CHECKS,
    tlb_flushes::CHECKS,
    workqueues::CHECKS,
    writeback_throttle::CHECKS,
];

/// Those whose checks hold in guests, too: the others were seen on the machine alone, and an emulated CPU starves.
const IN_GUESTS: &[&str] = &["runqueue"];

/// What is checked here.
pub fn here() -> impl Iterator<Item = &'static Check> {
    let is_all = !is_emulated() || env::var_os(CHECKS).is_some();
    let more = if is_emulated() { runqueue::IN_GUESTS } else { &[] };
    let all = ALL.iter().copied().flatten();
    all.filter(move |it| is_all || IN_GUESTS.contains(&it.collector)).chain(more)
}

/// A config in which all that is checked is enabled.
pub fn config() -> String {
    let collectors: BTreeSet<&str> = here().map(|it| it.collector).collect();
    let more = |it| match it {
        // Loop devices, too.
        "fs_sync" => "device_include = '.'\n",
        "packet_drops" => "by_device = true\n",
        "oom_kills" => "by = ['cgroup', 'unit', 'pod']\n",
        "sched_blame" => "id_include = ':cri-containerd:'\nby = ['cgroup', 'unit', 'pod']\n",
        "process_top" => "top = 1000\n",
        _ => "",
    };
    collectors.iter().map(|it| format!("[collector.{it}]\nenabled = true\n{}", more(*it))).collect()
}

/// Runs the checks of one agent whose collectors are `wanted`, one after the other. Fails with all that failed, when each
/// has been run.
///
/// # Errors
/// When a collector is not running, or a check fails.
pub fn run_all(agent: &Agent, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut failures = Vec::new();
    for Check { collector, claim, run } in here().filter(|it| wanted(it.collector)) {
        match first_process::undisturbed(|| run(agent)) {
            Ok(figures) => println!("{collector}: {claim}: {figures}"),
            Err(error) => failures.push(format!("{collector}: {claim}: {error:#}")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// The kernel hands parameters that it does not know to init: see `src/bin/guest.rs`.
const GUEST: &str = "hostlens_guest";
/// It is there where a guest shall make all checks (`cargo xtask vm --checks all`).
const CHECKS: &str = "hostlens_checks";

fn is_emulated() -> bool {
    env::var_os(GUEST).is_some()
}

/// Runs a check of what anybody on this machine may do at the same time, until it holds: others upset a run or two, a
/// fault upsets all.
///
/// # Errors
/// When none of the runs holds.
pub fn undisturbed(check: impl Fn() -> Result<String>) -> Result<String> {
    const RUNS: usize = 5;
    let mut outcome = check();
    for _ in 1..RUNS {
        if let Err(error) = &outcome {
            println!("again: {error:#}");
            outcome = check();
        }
    }
    outcome
}

/// What the running kernel has hooks for.
fn hooks() -> Result<Btf> {
    let types = fs::read("/sys/kernel/btf/vmlinux").context("read the kernel's types")?;
    Btf::parse(types).map_err(|why| anyhow::anyhow!("{why}"))
}

/// By how much the samples of a name grew with these labels, all together, while `load` ran. One that is not there counts
/// as 0: it may be the first of its kind.
fn growth(
    agent: &Agent,
    name: &str,
    labels: &[(&str, &str)],
    load: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let before = total(&agent.scrape()?, name, labels);
    load()?;
    Ok(total(&agent.scrape()?, name, labels) - before)
}

/// The same beside a counter of the kernel's, which is read before and after the agent.
fn beside(
    agent: &Agent,
    name: &str,
    labels: &[(&str, &str)],
    kernel: impl Fn() -> Result<f64>,
    load: impl FnOnce() -> Result<()>,
) -> Result<Bounded> {
    let first = kernel()?;
    let (mut second, mut third) = (first, first);
    let grown = growth(agent, name, labels, || {
        second = kernel()?;
        load()?;
        third = kernel()?;
        Ok(())
    })?;
    Ok(Bounded { low: third - second, agent: grown, high: kernel()? - first })
}

fn total(page: &Exposition, name: &str, labels: &[(&str, &str)]) -> f64 {
    page.samples(name, labels).map(|it| it.value).sum()
}

/// The number behind a key at the beginning of a line of a kernel file.
pub(crate) fn counter(path: &str, key: &str) -> Result<f64> {
    let text = read_to_string(path).with_context(|| format!("read {path}"))?;
    let mut lines =
        text.lines().filter_map(|it| it.trim_start().strip_prefix(key)?.split_whitespace().next());
    lines.next().with_context(|| format!("{path} has no {key}"))?.parse().context("read a number")
}

/// A file to write and read, or in a guest its disk: not in memory, as a guest's files are.
fn on_disk() -> Result<File> {
    let file = match is_emulated() {
        true => File::options().read(true).write(true).open("/dev/nvme0n1"),
        false => tempfile::tempfile_in("."),
    };
    file.context("open what is on a disk")
}

/// Runs a tool to its end.
fn run(program: &str, args: &[&OsStr]) -> Result<()> {
    let output = Command::new(program).args(args).output().with_context(|| format!("start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
