//! What the block probes count of loop devices, against the application's own clock and `/proc/diskstats`.

use std::{
    collections::BTreeMap,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::{NamedTempFile, TempDir};

use super::{Check, undisturbed};
use crate::{
    Agent, Exposition, first_process, load,
    loop_device::{Loop, aligned, buffer},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "block_io",
        claim: "requests and flushes are counted as what they are",
        run: |_| counts(),
    },
    Check { collector: "block_io", claim: "what failed is told", run: |_| failures() },
    Check {
        collector: "block_io",
        claim: "a request takes what the application waits for it",
        run: |_| latencies(),
    },
    Check {
        collector: "block_io",
        claim: "disks that come and go leave their rows to others",
        run: |_| rows_come_free(),
    },
    Check {
        collector: "block_io",
        claim: "a disk that comes again counts since then",
        run: |_| rows_begin_anew(),
    },
];

const CONFIG: &str = "
[web]
formats = ['protobuf', 'openmetrics2']
[ebpf]
classic_buckets = 'pow2'
[collector.block_io]
device_include = '^loop'
[collector.block_bio]
enabled = true
device_include = '^loop'
[collector.block_io_stages]
enabled = true
device_include = '^loop'
";

pub(super) const REQUESTS: &str = "node_block_io_latency_seconds";
pub(super) const SUBMITTED: &str = "node_block_bio_latency_seconds";
const ERRORS: &str = "node_block_io_errors_total";

pub(super) const MIB: usize = 1 << 20;

/// Whose probes are attached by now.
pub(super) fn agent() -> Result<Agent> {
    let agent = Agent::start(CONFIG, &[])?;
    // It listens before it has opened its collectors.
    agent.scrape()?;
    Ok(agent)
}

/// Requests of a device and an operation; 0 before the first.
pub(super) fn count(page: &Exposition, family: &str, device: &str, operation: &str) -> f64 {
    page.sum(&format!("{family}_count"), &[("device", device), ("operation", operation)]).unwrap_or(0.0)
}

pub(super) fn seconds(page: &Exposition, family: &str, device: &str) -> Result<f64> {
    page.sum(&format!("{family}_sum"), &[("device", device), ("operation", "read")])
}

/// Requests and flushes are counted, each once and as what it is.
fn counts() -> Result<String> {
    let agent = agent()?;
    let device = Loop::of_size(64 * MIB)?;
    let before = device.completed()?;
    load::direct_reads(&device.path(), 4000)?;
    load::direct_writes(&device.path(), 4000)?;
    let file = device.open()?;
    for _ in 0..100 {
        file.sync_all()?;
    }
    let page = agent.scrape()?;
    let after = device.completed()?;
    let requests = |operation| count(&page, REQUESTS, &device.name, operation);
    let [reads, writes] = [0, 1].map(|it| (after[it] - before[it]) as f64);
    let found = ["read", "write", "sync"].map(requests);
    ensure!(found == [reads, writes - 100.0, 100.0], "{found:?} of {reads} reads and {writes} writes");
    let submitted = ["read", "write", "sync"].map(|it| count(&page, SUBMITTED, &device.name, it));
    ensure!(submitted == found, "{submitted:?} were submitted of {found:?}");
    // One of the disk's may serve several that were asked for, but nobody else asks.
    ensure!(requests("flush") == 100.0, "{} flushes of 100", requests("flush"));
    for family in
        ["node_block_io_skipped_total", "node_block_io_stages_lost_total", "node_block_bio_lost_total"]
    {
        let left_out = page.value(family, &[])?;
        ensure!(left_out == 0.0, "{family} {left_out}");
    }
    Ok(format!("{found:?} of {reads} reads, {writes} writes, 100 of them flushes"))
}

/// What failed is counted as a request, and by its kind.
fn failures() -> Result<String> {
    let folder = TempDir::new()?;
    mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), Some(c"size=64k"))?;
    let outcome = (|| {
        let agent = agent()?;
        let file = NamedTempFile::new_in(folder.path())?;
        file.as_file().set_len(MIB as u64)?;
        let device = Loop::attach(file)?;
        let file = device.open()?;
        let mut buffer = buffer(4096);
        let mut n_failures = 0;
        for idx in 0..50 {
            n_failures += u32::from(file.write_all_at(aligned(&mut buffer), idx * 4096).is_err());
        }
        let page = agent.scrape()?;
        let labels = [("device", &*device.name), ("operation", "write")];
        let found: Vec<_> = page.samples(ERRORS, &labels).collect();
        let [failures] = found[..] else { anyhow::bail!("one kind of failures, not {found:?}") };
        // The driver has said either.
        ensure!(["io", "no_space"].contains(&&*failures.labels["error"]), "{failures:?}");
        ensure!(
            n_failures >= 30 && failures.value == f64::from(n_failures),
            "{failures:?}, not {n_failures}"
        );
        let all = count(&page, REQUESTS, &device.name, "write");
        ensure!(all == 50.0, "{all} of 50 writes");
        Ok(format!("{n_failures} failures among {all} writes"))
    })();
    unmount(folder.path(), UnmountFlags::DETACH)?;
    outcome
}

/// With one request under way at a time, the application sleeps for nothing else.
fn latencies() -> Result<String> {
    let agent = agent()?;
    // A hypervisor that is slow to wake a CPU upsets a run.
    undisturbed(|| reads_one_by_one(&agent))
}

fn reads_one_by_one(agent: &Agent) -> Result<String> {
    const READS: u64 = 2000;
    let device = Loop::of_size(64 * MIB)?;
    device.set("max_sectors_kb", "1024")?;
    let file = device.open()?;
    let mut buffer = buffer(MIB / 2);
    let mut own = Duration::ZERO;
    let awake = || Ok::<_, anyhow::Error>(load::waited()? + load::used()?);
    let before = awake()?;
    for idx in 0..READS {
        let begin = Instant::now();
        file.read_exact_at(aligned(&mut buffer), idx % 64 * MIB as u64)?;
        own += begin.elapsed();
    }
    let awake = awake()? - before;
    let page = agent.scrape()?;
    let own = own.as_secs_f64();
    let [request, submitted] = [REQUESTS, SUBMITTED].map(|it| seconds(&page, it, &device.name));
    let (request, submitted) = (request?, submitted?);
    let figures = format!(
        "of {own:.3} s in {READS} reads, {awake:.3} with a CPU or waiting for one, {request:.3} are requests, \
         {submitted:.3} from submission"
    );
    ensure!(request <= submitted && submitted <= own, "more than the application waited: {figures}");
    ensure!(request > 0.7 * (own - awake), "less than the application waited: {figures}");
    Ok(figures)
}

/// Devices that come and go by the dozen, while another is read: each has its name, and all have rows.
fn rows_come_free() -> Result<String> {
    const DEVICES: u64 = 40;
    const ROUNDS: usize = 20;
    let agent = agent()?;
    let steady = Loop::of_size(MIB)?;
    let ended = AtomicBool::new(false);
    let before = steady.completed()?[0];
    let watch = first_process::watch()?;
    thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<()> {
            let file = steady.open()?;
            let mut buffer = buffer(4096);
            while !ended.load(Relaxed) {
                file.read_exact_at(aligned(&mut buffer), 0)?;
                thread::yield_now();
            }
            Ok(())
        });
        let outcome = (0..ROUNDS).try_for_each(|round| {
            first_process::undisturbed(|| come_and_go(&agent, DEVICES))
                .with_context(|| format!("round {round} of {ROUNDS}"))
        });
        ended.store(true, Relaxed);
        reader.join().expect("the reader does not panic")?;
        outcome
    })?;
    let found = count(&agent.scrape()?, REQUESTS, &steady.name, "read");
    let expected = (steady.completed()?[0] - before) as f64;
    let is_exact = found == expected || found < expected && first_process::may_have_missed(&watch)?;
    ensure!(is_exact, "{found} of {expected} reads beside it");
    Ok(format!("{ROUNDS} times {DEVICES} devices, {found} of {expected} reads beside them"))
}

/// Each device is read another number of times.
fn come_and_go(agent: &Agent, n_devices: u64) -> Result<()> {
    let mut devices = BTreeMap::new();
    for idx in 0..n_devices {
        let device = Loop::of_size(MIB)?;
        let before = device.completed()?[0];
        load::direct_reads(&device.path(), 1 + idx)?;
        devices.insert(device.name.clone(), (device, before));
    }
    let page = agent.scrape()?;
    for (name, (device, before)) in &devices {
        let (found, expected) = (count(&page, REQUESTS, name, "read"), device.completed()?[0] - before);
        ensure!(found == expected as f64, "{name} has {found} reads, not {expected}");
    }
    for family in [REQUESTS, SUBMITTED] {
        let others = page.sum(&format!("{family}_count"), &[("device", "~other")]).unwrap_or(0.0);
        ensure!(others == 0.0, "{others} of {family} have no device");
    }
    Ok(())
}

/// What a device counts began when it was first used, and anew with the next device of its name.
fn rows_begin_anew() -> Result<String> {
    let agent = agent()?;
    let (mut before, mut names) = (0.0, Vec::new());
    for _ in 0..2 {
        let began = unix_time()?;
        let device = Loop::of_size(MIB)?;
        load::direct_reads(&device.path(), 1)?;
        let starts = agent.starts()?;
        for family in [REQUESTS, SUBMITTED] {
            let series = format!("{family}{{device=\"{}\",operation=\"read\"}}", device.name);
            let start = *starts.get(&series).with_context(|| format!("{series} has no start"))?;
            // The clocks tell milliseconds.
            ensure!(
                began - 0.01 <= start && start <= unix_time()? + 0.01,
                "{series} since {start}, not {began}"
            );
            ensure!(before < start, "{series} since {start}, as the device before");
        }
        let start =
            starts.get("node_block_io_skipped_total").context("a counter of the probe has no start")?;
        ensure!(*start < began, "the probe was attached at {start}, after {began}");
        before = unix_time()?;
        names.push(device.name.clone());
    }
    ensure!(names[0] == names[1], "{names:?} are not one name");
    Ok(format!("{} twice, each since it came", names[0]))
}

fn unix_time() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
