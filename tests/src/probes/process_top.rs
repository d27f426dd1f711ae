//! What this process takes, and its threads that end between two scrapes, beside what the kernel says of it elsewhere.

use std::{
    fs::read_to_string,
    hint::black_box,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::{Check, beside, counter, growth, on_disk, total};
use crate::{Agent, truth::Bounded};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "process_top", claim: "CPU time is the clock's of the process", run: cpu },
    Check { collector: "process_top", claim: "written bytes are those of /proc/self/io", run: written },
    Check { collector: "process_top", claim: "memory that is touched is in its group's", run: memory },
    Check { collector: "process_top", claim: "what ends between two scrapes is in ~ended", run: ended },
];

/// Of a CPU.
const TIME: Duration = Duration::from_millis(100);
const BYTES: usize = 32 << 20;

fn cpu(agent: &Agent) -> Result<String> {
    let clock = || Ok(seconds(ClockId::ProcessCPUTime));
    let group = group()?;
    let labels = [("group", group.as_str())];
    let cpu = beside(agent, "node_process_top_cpu_seconds_total", &labels, clock, || {
        // In this thread, which is there at both scrapes.
        let used: f64 = (0..10).map(|_| compute()).sum();
        ensure!(used > 0.0, "it took no time");
        Ok(())
    })?;
    cpu.inside()?;
    Ok(cpu.to_string())
}

fn written(agent: &Agent) -> Result<String> {
    let group = group()?;
    let labels = [("group", group.as_str())];
    let io = || counter("/proc/self/io", "write_bytes: ");
    let written = beside(agent, "node_process_top_written_bytes_total", &labels, io, || {
        let mut file = on_disk()?;
        file.write_all(&vec![1; BYTES])?;
        Ok(file.sync_all()?)
    })?;
    ensure!(written.low >= BYTES as f64, "{written}: fewer than {BYTES} bytes");
    written.inside()?;
    Ok(written.to_string())
}

fn memory(agent: &Agent) -> Result<String> {
    let group = group()?;
    let mut touched = Vec::new();
    let grown = growth(agent, "node_process_top_memory_bytes", &[("group", &group)], || {
        touched = black_box(vec![1_u8; BYTES]);
        Ok(())
    })?;
    drop(touched);
    // The kernel counts in the CPUs and adds that up when it is much.
    let slack = (4 << 20) as f64;
    let memory = Bounded { low: BYTES as f64 - slack, agent: grown, high: BYTES as f64 + slack };
    memory.inside()?;
    Ok(memory.to_string())
}

fn ended(agent: &Agent) -> Result<String> {
    const THREADS: u32 = 10;
    let mut used = 0.0;
    let before = total(&agent.scrape()?, "node_process_top_cpu_seconds_total", &[("group", "~ended")]);
    let begin = Instant::now();
    for _ in 0..THREADS {
        used += thread::spawn(compute).join().ok().context("join a thread")?;
    }
    let after = total(&agent.scrape()?, "node_process_top_cpu_seconds_total", &[("group", "~ended")]);
    // Others end, too, on all CPUs.
    let high = begin.elapsed().as_secs_f64() * thread::available_parallelism()?.get() as f64;
    let ended = Bounded { low: used, agent: after - before, high };
    ended.inside()?;
    Ok(ended.to_string())
}

/// Takes a CPU for a while; what that was.
fn compute() -> f64 {
    let begin = seconds(ClockId::ThreadCPUTime);
    loop {
        let used = seconds(ClockId::ThreadCPUTime) - begin;
        if used >= TIME.as_secs_f64() {
            return used;
        }
    }
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What the first thread is called.
fn group() -> Result<String> {
    Ok(read_to_string("/proc/self/comm").context("read the process' name")?.trim_end().to_owned())
}
