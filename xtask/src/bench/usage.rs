//! What another process has used, from its CPU clock and from /proc.

use std::{
    fs::{read_dir, read_to_string},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::{time::ClockId, unistd::Pid};

/// CPU time, user and system, of all threads that a process has or had, to the nanosecond.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let clock =
        ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed())).context("find the process' CPU clock")?;
    Ok(clock.now().context("read the process' CPU clock")?.into())
}

/// Memory in KiB, and threads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) peak: u64,
    pub(crate) resident: u64,
    /// Resident, with shared pages divided among those who share them.
    pub(crate) proportional: u64,
    pub(crate) anonymous: u64,
    pub(crate) n_threads: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let rollup = read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(Memory {
        peak: field(&status, "VmHWM:")?,
        resident: field(&status, "VmRSS:")?,
        proportional: field(&rollup, "Pss:")?,
        anonymous: field(&status, "RssAnon:")?,
        n_threads: field(&status, "Threads:")?,
    })
}

/// How often its present threads went to sleep.
pub(crate) fn voluntary_switches(pid: u32) -> Result<u64> {
    let mut switches = 0;
    for task in read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we walk.
        if let Ok(status) = read_to_string(task?.path().join("status")) {
            switches += field(&status, "voluntary_ctxt_switches:")?;
        }
    }
    Ok(switches)
}

fn field(text: &str, key: &str) -> Result<u64> {
    let value = text.lines().find_map(|it| it.strip_prefix(key)).with_context(|| format!("no `{key}`"))?;
    let number = value.split_ascii_whitespace().next().with_context(|| format!("nothing after `{key}`"))?;
    number.parse().with_context(|| format!("{key} {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_field_that_was_asked_for() {
        let status = "VmPeak:\t 9 kB\nVmRSS:\t    5120 kB\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(field(status, "VmRSS:").unwrap(), 5120);
        assert_eq!(
            field(status, "voluntary_ctxt_switches:").unwrap_err().to_string(),
            "no `voluntary_ctxt_switches:`"
        );
    }
}
