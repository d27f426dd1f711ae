//! Whether the kernel runs programs while a thread of process 1 has the CPU: some do not. Procfs counts how often its
//! threads were taken off the CPU (proc_pid_status(5), `voluntary_ctxt_switches`), a probe counts what it sees of that.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ebpf_probes::probes::first_process::{SPEC, SWITCHES};
use rustix::io::Errno;

use super::{Error, Kernel, Probe, Settings, Table};

/// Looks on until it is dropped.
pub struct FirstProcess {
    tasks: PathBuf,
    before: BTreeMap<u32, u64>,
    seen: Table<u64>,
    _probe: Arc<Probe>,
}

/// Times that a thread of process 1 was taken off the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// At least so many: of threads that were there all the time.
    pub counted: u64,
    pub seen: u64,
}

/// What programs get to see of process 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// What happens while it has the CPU, as of any other.
    Open,
    /// Nothing of that.
    Barred,
    /// It did not run often enough to tell.
    Unknown,
}

impl FirstProcess {
    /// `procfs` must be the host's: process 1 of a container is another.
    pub fn watch(kernel: &Kernel, procfs: &Path) -> Result<Self, Error> {
        let probe = kernel.probe(&SPEC, &[], &Settings::default())?;
        let seen = probe.table(SWITCHES)?;
        let tasks = procfs.join("1/task");
        let before = switches(&tasks).map_err(|source| Error::call("read what process 1 did", source))?;
        Ok(Self { tasks, before, seen, _probe: probe })
    }

    /// Since it looks on.
    pub fn switches(&self) -> io::Result<Switches> {
        let now = switches(&self.tasks)?;
        let grown = now.iter().filter_map(|(task, n)| Some(n.saturating_sub(*self.before.get(task)?)));
        Ok(Switches { counted: grown.sum(), seen: self.seen.sum(0..self.seen.len()) })
    }

    /// Waits until it is known, for `limit` at most.
    pub fn sight(&self, limit: Duration) -> io::Result<Sight> {
        const POLL: Duration = Duration::from_millis(20);
        let end = Instant::now() + limit;
        loop {
            let sight = self.switches()?.sight();
            if sight != Sight::Unknown || Instant::now() >= end {
                return Ok(sight);
            }
            thread::sleep(POLL);
        }
    }
}

impl Switches {
    /// The kernel counts a switch just before it runs the programs for it, so that one may be on its way on each CPU.
    pub fn sight(self) -> Sight {
        const ENOUGH: u64 = 5;
        match self {
            Self { seen: 1.., .. } => Sight::Open,
            Self { counted: ENOUGH.., .. } => Sight::Barred,
            _ => Sight::Unknown,
        }
    }
}

/// By thread.
fn switches(tasks: &Path) -> io::Result<BTreeMap<u32, u64>> {
    let mut switches = BTreeMap::new();
    for task in fs::read_dir(tasks)? {
        let task = task?;
        let Some(id) = task.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        match fs::read_to_string(task.path().join("status")) {
            Ok(status) => drop(switches.insert(id, of_thread(&status))),
            // It has ended.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(switches)
}

/// Both kinds: those of its own will, and those that were forced on it.
fn of_thread(status: &str) -> u64 {
    let numbers = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
    numbers.filter_map(|(_, number)| number.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_both_kinds_of_switches() {
        let status =
            "Name:\tinit\nSeccomp:\t0\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(of_thread(status), 157);
    }

    #[test]
    fn what_is_counted_and_not_seen_is_barred() {
        let sight = |counted, seen| Switches { counted, seen }.sight();
        assert_eq!([sight(0, 0), sight(4, 0)], [Sight::Unknown; 2]);
        assert_eq!(sight(5, 0), Sight::Barred);
        assert_eq!([sight(5, 1), sight(0, 1)], [Sight::Open; 2]);
    }
}
