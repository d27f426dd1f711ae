//! Threads that make files safe, with their own clocks; and files whose disk cannot take what was written.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::{NamedTempFile, TempDir};

use super::{Check, growth, run};
use crate::{Agent, loop_device::Loop};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "fs_sync",
        claim: "each fsync counts, and takes as long as it takes its caller",
        run: syncs,
    },
    Check { collector: "fs_sync", claim: "an fsync that fails is told", run: failures },
];

const THREADS: u64 = 4;
const SYNCS: u64 = 100;
const LATENCY: &str = "node_fs_sync_latency_seconds";

fn syncs(agent: &Agent) -> Result<String> {
    let disk = Loop::of_size(64 << 20)?;
    on_ext4(&disk, |folder| timed(agent, &disk.name, |idx| Ok(File::create(folder.join(idx.to_string()))?)))
}

fn timed(agent: &Agent, device: &str, file: impl Fn(u64) -> Result<File> + Sync) -> Result<String> {
    // There is no disk before its first.
    file(0)?.sync_all()?;
    let labels = [("device", device)];
    let before = agent.scrape()?.histogram(LATENCY, &labels)?;
    let spent = AtomicU64::new(0);
    thread::scope(|scope| {
        let sync = |idx| write_and_sync(&file(idx)?, &spent);
        let threads: Vec<_> = (0..THREADS).map(|idx| scope.spawn(move || sync(idx))).collect();
        threads.into_iter().try_for_each(|it| it.join().expect("no thread panics"))
    })?;
    let grown = agent.scrape()?.histogram(LATENCY, &labels)?.since(&before);
    let (n, spent) = (THREADS * SYNCS, spent.into_inner() as f64 / 1e9);
    let figures = format!("{:.3} s in {}, {n} took {spent:.3} s", grown.sum, grown.count);
    ensure!(grown.count == n as f64, "{figures}");
    // A thread may have to wait for a CPU before it looks at its clock again.
    ensure!(grown.sum <= spent && grown.sum > 0.9 * spent, "{figures}");
    Ok(figures)
}

/// Every other time the data alone.
fn write_and_sync(file: &File, spent: &AtomicU64) -> Result<()> {
    for idx in 0..SYNCS {
        file.write_all_at(&[1; 4096], idx * 4096)?;
        let begin = Instant::now();
        if idx % 2 == 0 {
            file.sync_all()?;
        } else {
            file.sync_data()?;
        }
        spent.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
    }
    Ok(())
}

/// The disk is a file that cannot grow as large as it says.
fn failures(agent: &Agent) -> Result<String> {
    const ROOM: usize = 8 << 20;
    let full = TempDir::new()?;
    mount("tmpfs", full.path(), "tmpfs", MountFlags::empty(), Some(c"size=8m"))?;
    let outcome = NamedTempFile::new_in(full.path()).map_err(Into::into).and_then(|file| {
        file.as_file().set_len(8 * ROOM as u64)?;
        let disk = Loop::attach(file)?;
        on_ext4(&disk, |folder| fail(agent, &disk.name, folder, 2 * ROOM))
    });
    unmount(full.path(), UnmountFlags::DETACH)?;
    outcome
}

fn fail(agent: &Agent, device: &str, folder: &Path, n_bytes: usize) -> Result<String> {
    let file = File::create(folder.join("file"))?;
    file.sync_all()?;
    let mut n_failed = 0;
    let errors = growth(agent, "node_fs_sync_errors_total", &[("device", device)], || {
        for _ in 0..3 {
            file.write_all_at(&vec![1; n_bytes], 0)?;
            n_failed += u32::from(file.sync_all().is_err());
        }
        Ok(())
    })?;
    ensure!(n_failed > 0, "the disk takes more than it has room for");
    ensure!(errors == f64::from(n_failed), "{errors} errors for {n_failed}");
    Ok(format!("{errors} of {n_failed}"))
}

fn on_ext4<T>(disk: &Loop, then: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let folder = TempDir::new()?;
    // Without a journal a failure leaves the file system usable.
    let path = disk.path();
    run("mkfs.ext4", &["-q".as_ref(), "-O".as_ref(), "^has_journal".as_ref(), path.as_ref()])?;
    mount(&path, folder.path(), "ext4", MountFlags::empty(), None)?;
    let outcome = then(folder.path());
    unmount(folder.path(), UnmountFlags::DETACH)?;
    outcome
}
