//! How long tasks waited for a CPU, by the probe of the agent and by one that follows each task: the judge
//! (`ebpf-probes/src/probes/judge.rs`), whose waits are known one by one.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use anyhow::{Result, anyhow, ensure};
use ebpf_probes::probes::{
    judge::{self, COUNTS, WAITS},
    runqueue,
};
use hostlens::ebpf::{self, Histogram, Kernel, Probe, QueueClock, Settings, Table, histogram};

use crate::{NativeHistogram, load};

/// Waits that there is room for on each CPU: 4 MiB.
const ROOM: u32 = 1 << 19;

/// Words of a CPU's counts, and what the first are.
const WORDS: u32 = 8;
const KNOWN: usize = 0;
const UNKNOWN: usize = 1;

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// A load that no CPU is fixed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Nearly all CPUs are idle when a task wakes up.
    Quiet,
    /// More tasks than CPUs, which take turns.
    Busy,
    /// Many tasks that begin at once and are moved about.
    Forks,
}

/// What a wait begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// That the task can run.
    Runnable,
    /// That it was put on the queue it is taken from: moves begin it anew.
    Queued,
}

/// Whose waits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    All,
    ThisProcess,
}

/// The judge, at work.
pub struct Judge {
    waits: Table<u64>,
    counts: Table<u64>,
    _probe: Arc<Probe>,
}

/// What one side saw while a load ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Tasks other than the idle one that were given a CPU.
    pub count: f64,
    /// Those of them whose waits are in no slot, as they are known to be wrong.
    pub told: f64,
    /// Seconds.
    pub sum: f64,
    /// p50, p90 and p99, in seconds.
    pub quantiles: [f64; 3],
    /// Of waits that are too short for the histogram.
    pub lowest: f64,
    /// Arrivals of which it is not known when they had begun to wait.
    pub unknown: f64,
}

/// Both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub load: Load,
    pub judge: Account,
    /// One that came later, where CPUs are slow.
    pub second: Option<Account>,
    pub probe: Account,
}

/// What a single wait may be off by beside a share of it, in seconds: the kernel stamps a task before it queues it and the
/// judge hears of it after, and the clocks of two CPUs are tied to each other once a millisecond.
const OF_ONE: f64 = 1.5e-6;

/// What the mean of all waits may be off by beside a share of it.
const OF_MEAN: f64 = 0.25e-6;

/// By how much the two may differ: shares of the judge's figures, and for the lowest slot the difference of shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub count: f64,
    pub sum: f64,
    pub quantile: f64,
    pub lowest: f64,
}

impl Load {
    pub const ALL: [Self; 3] = [Self::Quiet, Self::Busy, Self::Forks];

    pub fn run(self) -> Result<()> {
        let ms = Duration::from_millis;
        match self {
            Self::Quiet => load::sleepers(200, ms(1)..ms(50), 5000),
            Self::Busy => load::on_and_off(8, ms(3), ms(2000)),
            Self::Forks => load::forks(600, ms(3)),
        }
    }
}

impl Judge {
    pub fn load(begin: Begin, of: Of) -> Result<Self> {
        let kernel = Kernel::new(None);
        let only = if of == Of::ThisProcess { std::process::id() } else { u32::MAX };
        let entries =
            |n_cpus| vec![("WAITING", 16384), (WAITS.name, n_cpus * ROOM), (COUNTS.name, n_cpus * WORDS)];
        let constants = [("ROOM", ROOM), ("ANEW", u32::from(begin == Begin::Queued)), ("ONLY", only)];
        let settings = Settings { entries: &entries, constants: &constants, ..Settings::default() };
        let probe = kernel
            .probe(&judge::SPEC, &[], &settings)
            .map_err(|error| anyhow!("load the judge: {}", error.reason()))?;
        let table = |map| probe.table(map).map_err(|error| anyhow!(error.reason()));
        let (waits, counts) = (table(WAITS)?, table(COUNTS)?);
        Ok(Self { waits, counts, _probe: probe })
    }

    /// How many waits are known and how many arrivals are not, by CPU.
    fn mark(&self) -> Vec<[u64; 2]> {
        let first_words = (0..self.counts.len()).step_by(WORDS as usize);
        first_words.map(|it| [KNOWN, UNKNOWN].map(|idx| self.count(it + idx))).collect()
    }

    fn count(&self, idx: usize) -> u64 {
        self.counts.sum(idx..idx + 1)
    }

    fn account(&self, before: &[[u64; 2]], after: &[[u64; 2]]) -> Result<Account> {
        let mut waits = Vec::new();
        let mut n_unknown = 0;
        for (cpu, (before, after)) in before.iter().zip(after).enumerate() {
            ensure!(after[KNOWN] < u64::from(ROOM), "more waits than there is room for");
            let places = Range { start: before[KNOWN], end: after[KNOWN] }.map(|it| it as usize);
            waits.extend(
                places.map(|it| cpu * ROOM as usize + it).map(|it| seconds(self.waits.sum(it..it + 1))),
            );
            n_unknown += after[UNKNOWN] - before[UNKNOWN];
        }
        ensure!(!waits.is_empty(), "no task waited");
        waits.sort_by(f64::total_cmp);
        let rank = |q: f64| ((q * waits.len() as f64).ceil() as usize).saturating_sub(1);
        let lowest = waits.partition_point(|it| *it <= histogram::ZERO_THRESHOLD);
        Ok(Account {
            count: (waits.len() as u64 + n_unknown) as f64,
            sum: waits.iter().sum(),
            quantiles: QUANTILES.map(|q| waits[rank(q)]),
            lowest: lowest as f64 / waits.len() as f64,
            unknown: n_unknown as f64,
            told: 0.0,
        })
    }

    /// The seconds that this process' threads have waited by the judge, and those for which they found themselves
    /// stopped, while there are more of them than CPUs.
    pub fn check() -> Result<(f64, f64)> {
        let judge = Self::load(Begin::Runnable, Of::ThisProcess)?;
        let before = judge.mark();
        let stopped = load::stops(8, Duration::from_secs(2))?;
        Ok((judge.account(&before, &judge.mark())?.sum, stopped.as_secs_f64()))
    }
}

impl Account {
    /// Of waits that the probe counted between the two.
    fn counted(before: &Histogram, after: &Histogram, told: u64) -> Self {
        let mut counts = after.slots.iter().zip(before.slots).map(|(after, before)| after - before);
        let zero_count = counts.next().expect("a histogram has slots");
        let buckets = (histogram::FIRST_INDEX..).zip(counts).collect();
        let mut counted = NativeHistogram {
            schema: histogram::SCHEMA,
            zero_threshold: histogram::ZERO_THRESHOLD,
            zero_count,
            sum: seconds(after.sum - before.sum),
            buckets,
            ..NativeHistogram::default()
        };
        counted.count = zero_count + counted.buckets.values().sum::<u64>();
        Self {
            count: (counted.count + told) as f64,
            told: told as f64,
            sum: counted.sum,
            quantiles: QUANTILES.map(|q| counted.quantile(q)),
            lowest: zero_count as f64 / counted.count as f64,
            unknown: 0.0,
        }
    }
}

impl Verdict {
    /// Runs `load` and has the probe and the judge look on, and if `is_slow` a second judge.
    pub fn on(load: Load, begin: Begin, is_slow: bool) -> Result<Self> {
        let kernel = Kernel::new(None);
        let reason = |error: ebpf::Error| anyhow!(error.reason());
        let probe = kernel.probe(&runqueue::SPEC, &[], &Settings::default()).map_err(reason)?;
        let waits: Table<Histogram> = probe.table(runqueue::WAITS).map_err(reason)?;
        let clocks: Table<QueueClock> = probe.table(runqueue::CLOCKS).map_err(reason)?;
        kernel.release();
        // It takes ten times as long at a switch, and so must come after the probe, which would find the clock advanced.
        let judge = Judge::load(begin, Of::All)?;
        let second = if is_slow { Some(Judge::load(begin, Of::All)?) } else { None };
        let look = || {
            let told = told(&clocks.sum(0..clocks.len()));
            (waits.sum(0..waits.len()), told, judge.mark(), second.as_ref().map(Judge::mark))
        };
        // What the probe remembers of tasks begins when it is loaded.
        std::thread::sleep(Duration::from_millis(500));
        let before = look();
        load.run()?;
        let after = look();
        let second = match (&second, &before.3, &after.3) {
            (Some(second), Some(before), Some(after)) => Some(second.account(before, after)?),
            _ => None,
        };
        Ok(Self {
            load,
            judge: judge.account(&before.2, &after.2)?,
            second,
            probe: Account::counted(&before.0, &after.0, after.1 - before.1),
        })
    }

    /// Fails when the probe is off by more than `bounds`, or by more than two judges are.
    pub fn within(self, bounds: Bounds) -> Result<Self> {
        let (probe, judge, second) = (&self.probe, &self.judge, self.second.as_ref());
        let is_near = |of: fn(&Account) -> f64, bound: f64| {
            let judges = second.map_or(0.0, |it| (of(it) - of(judge)).abs());
            (of(probe) - of(judge)).abs() <= bound.max(judges)
        };
        let quantile = |judge: f64| judge * bounds.quantile + OF_ONE;
        let holds = is_near(|it| it.count, judge.count * bounds.count)
            && is_near(|it| it.sum, judge.sum * bounds.sum + judge.count * OF_MEAN)
            && is_near(|it| it.quantiles[0], quantile(judge.quantiles[0]))
            && is_near(|it| it.quantiles[1], quantile(judge.quantiles[1]))
            && is_near(|it| it.quantiles[2], quantile(judge.quantiles[2]))
            && is_near(|it| it.lowest, bounds.lowest);
        ensure!(holds, "{self}");
        Ok(self)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, judge, probe, .. } = self;
        let percent = |probe: f64, judge: f64| format!("{:+.1} %", (probe / judge - 1.0) * 100.0);
        write!(f, "{load:?}: count {} of {}", probe.count, judge.count)?;
        write!(
            f,
            ", sum {:.1} of {:.1} ms ({})",
            probe.sum * 1e3,
            judge.sum * 1e3,
            percent(probe.sum, judge.sum)
        )?;
        for ((q, probe), judge) in QUANTILES.into_iter().zip(probe.quantiles).zip(judge.quantiles) {
            let [probe_us, judge_us] = [probe, judge].map(|it| it * 1e6);
            write!(f, ", p{} {probe_us:.1} of {judge_us:.1} us ({})", q * 100.0, percent(probe, judge))?;
        }
        let (probe, others) = (probe.lowest * 100.0, judge.lowest * 100.0);
        write!(
            f,
            ", lowest {probe:.1} of {others:.1} %, {} told, {} unknown to the judge",
            self.probe.told, judge.unknown
        )
    }
}

/// Waits that the probe knows to be wrong and does not count.
fn told(clock: &QueueClock) -> u64 {
    clock.negative + clock.unqueued + clock.asleep
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
