//! What the block probes count of loop devices, against the application's own clock and `/proc/diskstats`.
//!
//! Their requests are completed by the kernel's own threads, so that all are seen also where the kernel runs no program
//! for what interrupts process 1.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{
    Agent, Exposition,
    first_process::{self, undisturbed},
    load,
};
use rustix::{
    fs::OFlags,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};
use tempfile::{NamedTempFile, TempDir};

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

const REQUESTS: &str = "node_block_io_latency_seconds";
const SUBMITTED: &str = "node_block_bio_latency_seconds";
const ERRORS: &str = "node_block_io_errors_total";

const MIB: usize = 1 << 20;

/// Whose probes are attached by now.
fn agent() -> Result<Agent> {
    let agent = Agent::start(CONFIG, &[])?;
    // It listens before it has opened its collectors.
    agent.scrape()?;
    Ok(agent)
}

/// A file as a device; detached when it is dropped.
struct Loop {
    name: String,
    _file: NamedTempFile,
}

impl Loop {
    fn attach(file: NamedTempFile) -> Result<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file.path()).output();
        let output = output.context("start losetup (util-linux)")?;
        ensure!(output.status.success(), "losetup: {}", String::from_utf8_lossy(&output.stderr));
        let device = String::from_utf8(output.stdout)?;
        let name = device.trim().strip_prefix("/dev/").context("losetup names no device")?.to_owned();
        let it = Self { name, _file: file };
        // Its thread completes what it has done, and interrupts nobody for it.
        it.set("rq_affinity", "0")?;
        Ok(it)
    }

    fn of_size(n_bytes: usize) -> Result<Self> {
        let file = NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        file.as_file().set_len(n_bytes as u64)?;
        Self::attach(file)
    }

    fn set(&self, setting: &str, value: &str) -> Result<()> {
        let path = format!("/sys/block/{}/queue/{setting}", self.name);
        fs::write(&path, value).with_context(|| format!("write {value} to {path}"))
    }

    fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    fn open(&self) -> Result<File> {
        let direct = OFlags::DIRECT.bits().cast_signed();
        Ok(OpenOptions::new().read(true).write(true).custom_flags(direct).open(self.path())?)
    }

    /// Reads and writes completed: /proc/diskstats.
    fn completed(&self) -> Result<[u64; 2]> {
        let text = fs::read_to_string("/proc/diskstats")?;
        let mut lines = text.lines().map(|it| it.split_ascii_whitespace().collect::<Vec<_>>());
        let line = lines.find(|it| it[2] == self.name).context("it is not in /proc/diskstats")?;
        Ok([line[3].parse()?, line[7].parse()?])
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(error) = Command::new("losetup").arg("--detach").arg(self.path()).status() {
            eprintln!("detach {}: {error}", self.name);
        }
    }
}

/// Requests of a device and an operation; 0 before the first.
fn count(page: &Exposition, family: &str, device: &str, operation: &str) -> f64 {
    page.sum(&format!("{family}_count"), &[("device", device), ("operation", operation)]).unwrap_or(0.0)
}

fn seconds(page: &Exposition, family: &str, device: &str) -> Result<f64> {
    page.sum(&format!("{family}_sum"), &[("device", device), ("operation", "read")])
}

const QUEUED: &str = "node_block_io_queue_seconds";
const DEVICE: &str = "node_block_io_device_seconds";
const SIZE: &str = "node_block_io_size_bytes";

/// Memory for direct I/O.
fn buffer(n_bytes: usize) -> Vec<u8> {
    // Large blocks come from the kernel page by page, but for a header: so there is room to begin at one.
    vec![0xA5; n_bytes + 4096]
}

fn aligned(buffer: &mut [u8]) -> &mut [u8] {
    let start = buffer.as_ptr().align_offset(4096);
    let n_bytes = buffer.len() - 4096;
    &mut buffer[start..start + n_bytes]
}

/// Requests and flushes are counted, each once and as what it is.
pub(crate) fn counts_are_exact() -> Result<()> {
    let agent = agent()?;
    println!("{}", undisturbed(|| counts_of_a_device(&agent))?);
    Ok(())
}

fn counts_of_a_device(agent: &Agent) -> Result<String> {
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
    Ok(format!("{found:?} of {reads} reads, {writes} writes, 100 of them flushes"))
}

/// What failed is counted as a request, and by its kind.
pub(crate) fn failures_are_told() -> Result<()> {
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
        println!("{n_failures} failures among {all} writes");
        Ok(())
    })();
    unmount(folder.path(), UnmountFlags::DETACH)?;
    outcome
}

/// With one request under way at a time, the application waits for nothing else but a CPU.
pub(crate) fn latencies_are_those_of_the_application() -> Result<()> {
    let agent = agent()?;
    let device = Loop::of_size(64 * MIB)?;
    device.set("max_sectors_kb", "1024")?;
    let file = device.open()?;
    let mut buffer = buffer(MIB / 2);
    let mut own = Duration::ZERO;
    let for_cpu = load::waited()?;
    for idx in 0..2000 {
        let begin = Instant::now();
        file.read_exact_at(aligned(&mut buffer), idx % 64 * MIB as u64)?;
        own += begin.elapsed();
    }
    let for_cpu = load::waited()? - for_cpu;
    let page = agent.scrape()?;
    let own = own.as_secs_f64();
    let [request, submitted] = [REQUESTS, SUBMITTED].map(|it| seconds(&page, it, &device.name));
    let (request, submitted) = (request?, submitted?);
    println!(
        "of {own:.3} s in 2000 reads, {for_cpu:.3} for a CPU, {request:.3} are requests, {submitted:.3} from \
         submission"
    );
    ensure!(request <= submitted && submitted <= own, "more than the application waited");
    ensure!(request > 0.7 * (own - for_cpu), "less than the application waited");
    Ok(())
}

/// Many readers of a device with few requests wait for one of them, which only the time from submission has.
pub(crate) fn waits_for_a_request_are_in_the_time_from_submission() -> Result<()> {
    const READERS: u64 = 24;
    let agent = agent()?;
    let device = Loop::of_size(64 * MIB)?;
    device.set("nr_requests", "4")?;
    let spent = AtomicU64::new(0);
    let n_reads = AtomicU64::new(0);
    thread::scope(|scope| {
        let read = |reader: u64| -> Result<()> {
            let file = device.open()?;
            let mut buffer = buffer(64 << 10);
            for idx in 0..100 {
                let begin = Instant::now();
                file.read_exact_at(aligned(&mut buffer), (reader + idx * 7) % 64 * MIB as u64)?;
                spent.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
                n_reads.fetch_add(1, Relaxed);
            }
            Ok(())
        };
        let readers: Vec<_> = (0..READERS).map(|it| scope.spawn(move || read(it))).collect();
        readers.into_iter().try_for_each(|it| it.join().expect("a reader does not panic"))
    })?;
    let page = agent.scrape()?;
    let own = spent.into_inner() as f64 / 1e9;
    let n_reads = n_reads.into_inner() as f64;
    ensure!(count(&page, SUBMITTED, &device.name, "read") == n_reads, "not all of {n_reads} reads");
    let request = seconds(&page, REQUESTS, &device.name)? / own;
    let submitted = seconds(&page, SUBMITTED, &device.name)? / own;
    println!("of {own:.3} s in {n_reads} reads {request:.3} are requests, {submitted:.3} from submission");
    // The rest is what readers wait for a CPU.
    ensure!(submitted > 0.6 && submitted <= 1.0, "not what the readers waited");
    ensure!(request < submitted / 2.0, "waiting for a request is in the request's time");
    Ok(())
}

/// Devices that come and go by the dozen, while another is read: each has its name, and all have rows.
pub(crate) fn rows_come_free() -> Result<()> {
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
            undisturbed(|| come_and_go(&agent, DEVICES)).with_context(|| format!("round {round} of {ROUNDS}"))
        });
        ended.store(true, Relaxed);
        reader.join().expect("the reader does not panic")?;
        outcome
    })?;
    let found = count(&agent.scrape()?, REQUESTS, &steady.name, "read");
    let expected = (steady.completed()?[0] - before) as f64;
    let is_exact = found == expected || found < expected && first_process::may_have_missed(&watch)?;
    ensure!(is_exact, "{found} of {expected} reads beside it");
    println!("{ROUNDS} times {DEVICES} devices, {found} of {expected} reads beside them");
    Ok(())
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
pub(crate) fn rows_begin_anew() -> Result<()> {
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
    Ok(())
}

pub(crate) fn unix_time() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// A disk that is stopped for a while keeps what it has got, and lets the rest wait.
pub(crate) fn stages_are_apart() -> Result<()> {
    let agent = agent()?;
    println!("{}", undisturbed(|| sizes_of_a_device(&agent))?);
    println!("{}", undisturbed(|| stops_of_a_device(&agent))?);
    Ok(())
}

fn sizes_of_a_device(agent: &Agent) -> Result<String> {
    const READS: u64 = 300;
    let device = Loop::of_size(64 * MIB)?;
    // The kernel goes on counting where the device's name was used before.
    let before = device.completed()?[0];
    let file = device.open()?;
    for (n_bytes, n_reads) in [(4 << 10, READS), (64 << 10, READS / 3)] {
        let mut buffer = buffer(n_bytes);
        (0..n_reads).try_for_each(|it| file.read_exact_at(aligned(&mut buffer), it * 2 * n_bytes as u64))?;
    }
    let page = agent.scrape()?;
    let of = |family| count(&page, family, &device.name, "read");
    let [sizes, queued, at_device, requests] = [SIZE, QUEUED, DEVICE, REQUESTS].map(of);
    let completed = (device.completed()?[0] - before) as f64;
    ensure!(
        [sizes, queued, at_device, requests] == [completed; 4],
        "{sizes}, {queued}, {at_device} and {requests} of {completed} reads"
    );
    let n_bytes = seconds(&page, SIZE, &device.name)?;
    let expected = (READS * (4 << 10) + READS / 3 * (64 << 10)) as f64;
    ensure!(n_bytes == expected, "{n_bytes} of {expected} bytes");
    let [queued, at_device, all] = [QUEUED, DEVICE, REQUESTS].map(|it| seconds(&page, it, &device.name));
    let (stages, all) = (queued? + at_device?, all?);
    ensure!((stages / all - 1.0).abs() < 0.05, "{stages:.4} s in stages of {all:.4}");
    Ok(format!("{completed} reads, {n_bytes} bytes, {stages:.4} s in stages of {all:.4}"))
}

/// The file of a device is on a file system that is frozen for a while: as many writes as the device has tags are with it
/// by then, the rest wait.
fn stops_of_a_device(agent: &Agent) -> Result<String> {
    const STOP: Duration = Duration::from_millis(500);
    /// Seconds; a classic bound.
    const LONG: &str = "0.25";
    let folder = TempDir::new()?;
    let disk = Loop::of_size(32 * MIB)?;
    run("mkfs.ext4", &["-q".as_ref(), disk.path().as_ref()])?;
    mount(disk.path(), folder.path(), "ext4", MountFlags::empty(), None)?;
    let outcome = (|| {
        let file = NamedTempFile::new_in(folder.path())?;
        fs::write(file.path(), vec![1; 4 * MIB])?;
        file.as_file().sync_all()?;
        let device = Loop::attach(file)?;
        device.set("scheduler", "mq-deadline")?;
        let tags = fs::read_to_string(format!("/sys/block/{}/mq/0/nr_tags", device.name))?;
        let n_tags: usize = tags.trim().parse()?;
        let n_waiting = 32;
        run("fsfreeze", &["--freeze".as_ref(), folder.path().as_ref()])?;
        let written = thread::scope(|scope| {
            let write = |idx: usize| -> Result<()> {
                // Far apart, so that none merge.
                device.open()?.write_all_at(aligned(&mut buffer(4096)), (idx * 4 * 4096) as u64)?;
                Ok(())
            };
            let writers: Vec<_> = (0..n_tags + n_waiting).map(|it| scope.spawn(move || write(it))).collect();
            thread::sleep(STOP);
            let thawed = run("fsfreeze", &["--unfreeze".as_ref(), folder.path().as_ref()]);
            writers.into_iter().try_for_each(|it| it.join().expect("a writer does not panic"))?;
            thawed
        });
        written?;
        let page = agent.scrape()?;
        let labels = [("device", &*device.name), ("operation", "write")];
        let long = |family: &str| {
            let [device, operation] = labels;
            let short = page.value(&format!("{family}_bucket"), &[device, operation, ("le", LONG)])?;
            Ok::<_, anyhow::Error>(page.value(&format!("{family}_count"), &labels)? - short)
        };
        let (queued, at_device) = (long(QUEUED)?, long(DEVICE)?);
        ensure!(
            queued == n_waiting as f64 && at_device == n_tags as f64,
            "{queued} waited of {n_waiting}, and {at_device} were with the device of {n_tags}"
        );
        Ok(format!(
            "{queued} of {n_waiting} waited for {STOP:?}, {at_device} of {n_tags} were with the device"
        ))
    })();
    unmount(folder.path(), UnmountFlags::DETACH)?;
    outcome
}

fn run(program: &str, args: &[&OsStr]) -> Result<()> {
    let output = Command::new(program).args(args).output().with_context(|| format!("start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
