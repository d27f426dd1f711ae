//! Writers of a file system that is frozen, which wait for its lock as long as it is; and threads that want memory at
//! once.

use std::{
    fs::File,
    hint,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use super::{Check, beside, growth, run, total};
use crate::{Agent, loop_device::Loop, truth::Bounded};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "lock_contention", claim: "each wait is as long as its lock is held", run: frozen },
    Check {
        collector: "lock_contention",
        claim: "each wait is one, as the kernel's tracepoint says",
        run: counted,
    },
];

const WAITS: &str = "node_lock_contention_seconds_count";
const LOST: &str = "node_lock_contention_lost_total";

/// Nobody else waits for this kind of lock for so long.
fn frozen(agent: &Agent) -> Result<String> {
    const WRITERS: usize = 8;
    const FROZEN: Duration = Duration::from_millis(500);
    let folder = TempDir::new()?;
    let disk = Loop::of_size(32 << 20)?;
    run("mkfs.ext4", &["-q".as_ref(), disk.path().as_ref()])?;
    mount(disk.path(), folder.path(), "ext4", MountFlags::empty(), None)?;
    let outcome = (|| {
        let labels = [("type", "percpu_rwsem_read")];
        let before = agent.scrape()?;
        let own = write_frozen(folder.path(), WRITERS, FROZEN)?;
        let after = agent.scrape()?;
        let grown = |name| total(&after, name, &labels) - total(&before, name, &labels);
        let (n_waits, seconds) = (grown(WAITS), grown("node_lock_contention_seconds_sum"));
        let figures = format!("{seconds:.3} s in {n_waits}, {WRITERS} writers stood for {own:.3} s");
        let is_near = n_waits >= WRITERS as f64 && (0.95..=1.05).contains(&(seconds / own));
        ensure!(is_near, "{figures}");
        Ok(figures)
    })();
    unmount(folder.path(), UnmountFlags::DETACH)?;
    outcome
}

/// The seconds for which the writers stood, all together.
fn write_frozen(folder: &Path, n_writers: usize, time: Duration) -> Result<f64> {
    let files = (0..n_writers).map(|idx| Ok(File::create(folder.join(idx.to_string()))?));
    let files: Vec<File> = files.collect::<Result<_>>()?;
    run("fsfreeze", &["--freeze".as_ref(), folder.as_os_str()])?;
    thread::scope(|scope| {
        let write = |mut file: File| -> Result<f64> {
            let begin = Instant::now();
            file.write_all(b"1")?;
            Ok(begin.elapsed().as_secs_f64())
        };
        let writers: Vec<_> = files.into_iter().map(|file| scope.spawn(move || write(file))).collect();
        thread::sleep(time);
        let thawed = run("fsfreeze", &["--unfreeze".as_ref(), folder.as_os_str()]);
        let stood = writers.into_iter().map(|it| it.join().expect("a writer does not panic")).sum();
        thawed.and(stood)
    })
}

/// Of all kinds together, by another agent's counter of `contention_end`.
fn counted(agent: &Agent) -> Result<String> {
    const JUDGE: &str = "collector.disable_defaults = true\n[collector.perf]\nenabled = true\n\
                         tracepoint = ['lock:contention_end']\n";
    const ENDS: &str = "node_perf_lock_contention_end";
    let judge = Agent::start(JUDGE, &[])?;
    let ends = || Ok::<_, anyhow::Error>(total(&judge.scrape()?, ENDS, &[]));
    let mut lost = 0.0;
    let waits = beside(agent, WAITS, &[], ends, || {
        lost = growth(agent, LOST, &[], || {
            map_at_once();
            Ok(())
        })?;
        Ok(())
    })?;
    let all = Bounded { agent: waits.agent + lost, ..waits };
    ensure!(all.low > 100.0, "the load contends for nothing: {all}");
    ensure!(lost <= 0.02 * all.high, "{lost} lost, of {all}");
    all.inside()?;
    Ok(format!("{all}, {lost} of them lost"))
}

/// Threads that ask for memory and give it back: those of a process have one lock for it.
fn map_at_once() {
    const THREADS: usize = 8;
    const PIECES: usize = 10_000;
    /// So much that it goes back at once.
    const PIECE: usize = 64 << 20;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..PIECES {
                    let mut memory: Vec<u8> = Vec::with_capacity(PIECE);
                    memory.push(1);
                    hint::black_box(&memory);
                }
            });
        }
    });
}
