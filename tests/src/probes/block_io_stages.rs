//! Where requests spend their time, against how many there were, and a disk that is stopped for a while.

use std::{fs, os::unix::fs::FileExt, thread, time::Duration};

use anyhow::{Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::{NamedTempFile, TempDir};

use super::{
    Check,
    block_io::{MIB, REQUESTS, agent, count, seconds},
    run,
};
use crate::{
    Agent,
    loop_device::{Loop, aligned, buffer},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "block_io_stages",
        claim: "sizes and times are those of the requests",
        run: |_| sizes(&agent()?),
    },
    Check {
        collector: "block_io_stages",
        claim: "a request waits in the queue or at the device",
        run: |_| stops(&agent()?),
    },
];

const QUEUED: &str = "node_block_io_queue_seconds";
const DEVICE: &str = "node_block_io_device_seconds";
const SIZE: &str = "node_block_io_size_bytes";

fn sizes(agent: &Agent) -> Result<String> {
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
fn stops(agent: &Agent) -> Result<String> {
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
