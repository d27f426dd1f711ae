//! `/proc/stat`: see proc_stat(5). Read by hand: the procfs crate counts CPUs by their position, which is wrong when
//! one is offline, and drops the interrupts.

use crate::source::{lines, number, words};
use std::collections::BTreeMap;

/// Counters of the whole host since boot. A line that the kernel lacks is `None`.
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
    pub softirqs: Option<[u64; SOFTIRQS.len()]>,
}

/// The kinds of soft interrupts, as the kernel orders them (`include/linux/interrupt.h`).
pub const SOFTIRQS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

impl Stat {
    /// # Errors
    /// The number of the line that holds no number.
    pub fn parse(text: &[u8]) -> Result<Self, usize> {
        let mut it = Self::default();
        for (line_number, line) in lines(text) {
            let mut words = words(line);
            let field = match words.next() {
                Some(b"btime") => &mut it.boot_time,
                Some(b"ctxt") => &mut it.context_switches,
                Some(b"processes") => &mut it.forks,
                Some(b"intr") => &mut it.interrupts,
                Some(b"procs_blocked") => &mut it.processes_blocked,
                Some(b"procs_running") => &mut it.processes_running,
                Some(b"softirq") => {
                    // The first number is their sum.
                    it.softirqs = Some(numbers(words.skip(1)).ok_or(line_number)?);
                    continue;
                }
                _ => continue,
            };
            *field = Some(words.next().and_then(number).ok_or(line_number)?);
        }
        Ok(it)
    }
}

/// Exactly `N` numbers from the front of `words`; `None` when there are fewer.
fn numbers<'a, const N: usize>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for it in &mut numbers {
        *it = number(words.next()?)?;
    }
    Some(numbers)
}

/// What one CPU did since boot, in ticks of 1/100 s: user, nice, system, idle, iowait, irq, softirq, steal, guest
/// (also in user) and guest_nice (also in nice). What an old kernel does not count is 0.
pub type CpuTicks = [u64; 10];

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

/// The times of the CPUs that are online, as counters: the kernel lets idle and iowait go back a little now and then.
#[derive(Debug, Default)]
pub struct CpuTimes {
    cpus: BTreeMap<u32, CpuTicks>,
}

impl CpuTimes {
    /// Goes on to the times in `text`. Returns whether other CPUs are online than before.
    ///
    /// # Errors
    /// The number of the line that is not a CPU's.
    pub fn advance(&mut self, text: &[u8]) -> Result<bool, usize> {
        let now = cpu_ticks(text)?;
        let has_changed = !now.iter().map(|(cpu, _)| cpu).eq(self.cpus.keys());
        if has_changed {
            self.cpus.retain(|known, _| now.iter().any(|(cpu, _)| cpu == known));
        }
        for (cpu, now) in now {
            advance(self.cpus.entry(cpu).or_default(), &now);
        }
        Ok(has_changed)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &CpuTicks)> {
        self.cpus.iter().map(|(&cpu, ticks)| (cpu, ticks))
    }
}

/// Takes the larger of each time; all of `now` when idle fell by 3 s or more, as it does when a CPU comes back online.
fn advance(known: &mut CpuTicks, now: &CpuTicks) {
    const IDLE: usize = 3;
    if known[IDLE].saturating_sub(now[IDLE]) >= 300 {
        *known = CpuTicks::default();
    }
    for (known, now) in known.iter_mut().zip(now) {
        *known = (*known).max(*now);
    }
}

/// Number and times of each CPU.
fn cpu_ticks(text: &[u8]) -> Result<Vec<(u32, CpuTicks)>, usize> {
    // The CPUs stand in front; what follows may be long.
    let cpus = lines(text).take_while(|(_, line)| line.starts_with(b"cpu"));
    cpus.filter(|(_, line)| !line.starts_with(b"cpu "))
        .map(|(line_number, line)| parse_cpu(line).ok_or(line_number))
        .collect()
}

fn parse_cpu(line: &[u8]) -> Option<(u32, CpuTicks)> {
    let mut words = words(line);
    let cpu = number(words.next()?.strip_prefix(b"cpu")?)?;
    let mut ticks = CpuTicks::default();
    for (ticks, word) in ticks.iter_mut().zip(words) {
        *ticks = number(word)?;
    }
    Some((cpu, ticks))
}
