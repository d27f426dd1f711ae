//! One who writes faster than the kernel lets it.

use std::{
    fs::{read_to_string, write},
    io::Write,
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use super::{Check, on_disk};
use crate::Agent;

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "writeback_throttle",
    claim: "who writes pauses for no longer than its writes take",
    run: pauses,
}];

const DIRTY: &str = "/proc/sys/vm/dirty_bytes";
const LIMIT: u64 = 4 << 20;
const WRITTEN: usize = 96 << 20;

fn pauses(agent: &Agent) -> Result<String> {
    let mut file = on_disk()?;
    let name = "node_writeback_throttle_seconds";
    let before = agent.scrape()?.histogram(name, &[])?;
    let limit = Limit::set()?;
    let begin = Instant::now();
    let chunk = vec![1; 64 << 10];
    for _ in 0..WRITTEN / chunk.len() {
        file.write_all(&chunk)?;
    }
    let time = begin.elapsed().as_secs_f64();
    drop(limit);
    let grown = agent.scrape()?.histogram(name, &[])?.since(&before);
    ensure!(grown.count > 0.0, "no pause in {time:.3} s");
    // Others may write at the same time.
    ensure!(grown.sum > 0.3 * time, "{:.3} s of pauses in {time:.3} s", grown.sum);
    Ok(format!("{:.3} s in {} pauses, the writes took {time:.3} s", grown.sum, grown.count))
}

/// How much may wait to be written, host-wide, until this is dropped.
struct Limit {
    before: String,
}

impl Limit {
    fn set() -> Result<Self> {
        // 0 if a share of memory is set instead.
        let path = if read_to_string(DIRTY)?.trim() == "0" { "/proc/sys/vm/dirty_ratio" } else { DIRTY };
        let before = read_to_string(path)?;
        write(DIRTY, LIMIT.to_string()).context("limit what waits to be written")?;
        Ok(Self { before: format!("{path} {before}") })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some((path, value)) = self.before.split_once(' ') {
            write(path, value.trim()).ok();
        }
    }
}
