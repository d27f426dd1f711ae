//! `/proc/stat`: see proc_stat(5). Read by hand: the procfs crate counts CPUs by their position, which is wrong when
//! one is offline, and drops the interrupts.

use crate::source::{count, for_each_line, lines, number, words};
use std::collections::BTreeMap;

/// Counters of the whole host since boot. What the kernel lacks is `None`, and a counter that wrapped below zero.
#[derive(Debug, Default)]
pub struct Stat {
    /// Unix time in seconds.
    pub boot_time: Option<u64>,
    pub context_switches: Option<u64>,
    pub forks: Option<u64>,
    pub interrupts: Option<u64>,
    pub processes_blocked: Option<u64>,
    pub processes_running: Option<u64>,
    /// By kind, in the order of [`SOFTIRQS`].
    pub softirqs: [Option<u64>; SOFTIRQS.len()],
}

/// The kinds of soft interrupts, as the kernel orders them (`include/linux/interrupt.h`).
pub const SOFTIRQS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];
/// The kind that Linux before 2.6.32 lacks.
const BLOCK_IOPOLL: usize = 5;

impl Stat {
    /// Takes in a file.
    ///
    /// # Errors
    /// The number of the first line that holds no number; the others are taken in all the same.
    pub fn add(&mut self, text: &[u8]) -> Result<(), usize> {
        for_each_line(lines(text), |_, line| {
            let mut words = words(line);
            let field = match words.next() {
                Some(b"btime") => &mut self.boot_time,
                Some(b"ctxt") => &mut self.context_switches,
                Some(b"processes") => &mut self.forks,
                Some(b"intr") => &mut self.interrupts,
                Some(b"procs_blocked") => &mut self.processes_blocked,
                Some(b"procs_running") => &mut self.processes_running,
                // The first number is their sum.
                Some(b"softirq") => return self.add_softirqs(words.skip(1).map(count).collect()),
                _ => return Some(()),
            };
            *field = count(words.next()?)?;
            Some(())
        })
    }

    /// `None` when there are fewer than ever were, or one is no number.
    fn add_softirqs(&mut self, mut counts: Vec<Option<Option<u64>>>) -> Option<()> {
        if counts.len() == SOFTIRQS.len() - 1 {
            counts.insert(BLOCK_IOPOLL, Some(None));
        }
        if counts.len() < SOFTIRQS.len() {
            return None;
        }
        for (known, count) in self.softirqs.iter_mut().zip(&counts) {
            *known = count.flatten();
        }
        counts.iter().all(Option::is_some).then_some(())
    }
}

/// What one CPU did since boot, in ticks of 1/100 s: user, nice, system, idle, iowait, irq, softirq, steal, guest
/// (also in user) and guest_nice (also in nice). What an old kernel does not count is `None`, and so is a counter that
/// wrapped below zero.
pub type CpuTicks = [Option<u64>; 10];

/// Modes of [`CpuTicks`] and their places in it. Sorted by name, as the exposition is.
pub const MODES: [(&str, usize); 8] = [
    ("idle", 3),
    ("iowait", 4),
    ("irq", 5),
    ("nice", 1),
    ("softirq", 6),
    ("steal", 7),
    ("system", 2),
    ("user", 0),
];

/// The modes of guests.
pub const GUEST_MODES: [(&str, usize); 2] = [("nice", 9), ("user", 8)];

/// Since when the time in a mode counts, in seconds after the boot. Before Linux 6.8 a CPU that comes online again begins
/// anew with what it spends without work.
pub fn start(mode: &str) -> Option<f64> {
    (!matches!(mode, "idle" | "iowait")).then_some(0.0)
}

/// The times of the CPUs that are online, as counters: the kernel lets idle and iowait go back a little now and then.
#[derive(Debug, Default)]
pub struct CpuTimes {
    cpus: BTreeMap<u32, CpuTicks>,
    /// Whether the last text had other CPUs than the one before.
    pub others_are_online: bool,
}

impl CpuTimes {
    /// Goes on to the times in `text`.
    ///
    /// # Errors
    /// The number of the first line that is not a CPU's; the others' times are taken all the same.
    pub fn advance(&mut self, text: &[u8]) -> Result<(), usize> {
        let mut now = Vec::with_capacity(self.cpus.len());
        // The CPUs stand in front; what follows may be long.
        let cpus = lines(text).take_while(|(_, line)| !line.starts_with(b"intr"));
        let read = for_each_line(cpus, |_, line| match line.strip_prefix(b"cpu") {
            Some([b' ', ..]) | None => Some(()),
            Some(cpu) => parse_cpu(cpu, &mut now),
        });
        self.others_are_online = !now.iter().map(|(cpu, _)| cpu).eq(self.cpus.keys());
        if self.others_are_online {
            self.cpus.retain(|known, _| now.iter().any(|(cpu, _)| cpu == known));
        }
        for (cpu, now) in now {
            advance(self.cpus.entry(cpu).or_default(), &now);
        }
        read
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &CpuTicks)> {
        self.cpus.iter().map(|(&cpu, ticks)| (cpu, ticks))
    }
}

/// Takes the larger of each time; all of `now` when idle fell by 3 s or more, as it does when a CPU comes back online.
fn advance(known: &mut CpuTicks, now: &CpuTicks) {
    const IDLE: usize = 3;
    if known[IDLE].zip(now[IDLE]).is_some_and(|(known, now)| known.saturating_sub(now) >= 300) {
        *known = CpuTicks::default();
    }
    for (known, now) in known.iter_mut().zip(now) {
        *known = now.and_then(|_| (*known).max(*now));
    }
}

/// Number and times of a CPU. `None` when a part of the line is not as documented; the rest is taken.
fn parse_cpu(line: &[u8], cpus: &mut Vec<(u32, CpuTicks)>) -> Option<()> {
    let mut words = words(line);
    let cpu = number(words.next()?)?;
    let mut ticks = CpuTicks::default();
    let mut is_whole = true;
    for (ticks, word) in ticks.iter_mut().zip(words) {
        let count = count(word);
        is_whole &= count.is_some();
        *ticks = count.flatten();
    }
    cpus.push((cpu, ticks));
    is_whole.then_some(())
}
