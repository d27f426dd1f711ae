//! How long tasks waited for a CPU, by the probe of the agent and by one that follows each task: the judge
//! (`ebpf-probes/src/probes/judge.rs`), whose waits are known one by one.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Result, anyhow, ensure};
use ebpf_probes::probes::{
    judge::{self, COUNTS, WAITS},
    runqueue,
};
use hostlens::ebpf::{self, Histogram, Kernel, Probe, QueueClock, Settings, Table, histogram};

use crate::{NativeHistogram, load};

/// Waits that there is room for on each CPU: 8 MiB.
const ROOM: u32 = 1 << 19;

/// Words of a CPU's counts, and what the first are.
const WORDS: u32 = 8;
const KNOWN: usize = 0;
const UNSEEN: usize = 1;

const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// The wait in the middle is one of so many of them, as a few begin or end when the two are read.
const RANKS: f64 = 0.005;

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

/// The agent's probe, at work.
pub struct Accused {
    waits: Table<Histogram>,
    clocks: Table<QueueClock>,
    _probe: Arc<Probe>,
}

/// What the judge saw while a load ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// In seconds, each as short and as long as it can have been, from the shortest to the longest.
    pub waits: [Vec<f64>; 2],
    /// Those of them whose begins were not seen.
    pub unseen: u64,
}

/// What the probe counted meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub waits: NativeHistogram,
    /// Arrivals whose waits are in no slot, as they are known to be wrong.
    pub told: u64,
}

/// Both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub load: Load,
    /// Two where CPUs are slow: the second one came later.
    pub judges: Vec<Opinion>,
    pub probe: Account,
}

/// By how much the two may differ: shares of the judge's figures, and for the lowest slot the difference of shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub count: f64,
    pub sum: f64,
    pub quantile: f64,
    pub lowest: f64,
}

impl Bounds {
    /// A quantile may be off by one slot.
    pub const NATIVE: Self = Self { count: 0.005, sum: 0.02, quantile: 0.0906, lowest: 0.02 };

    /// Emulated CPUs are slow, and starve now and then.
    pub const EMULATED: Self = Self { count: 0.05, sum: 0.05, ..Self::NATIVE };
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
    pub fn load(of: Of) -> Result<Self> {
        let kernel = Kernel::new(None);
        let only = if of == Of::ThisProcess { std::process::id() } else { u32::MAX };
        let entries = |n_cpus| {
            let words = [(WAITS.name, n_cpus * ROOM * 2), (COUNTS.name, n_cpus * WORDS)];
            vec![("WAKING", 16384), ("WAITING", 16384)].into_iter().chain(words).collect()
        };
        let constants = [("ROOM", ROOM), ("ONLY", only)];
        let settings = Settings { entries: &entries, constants: &constants, ..Settings::default() };
        let probe = kernel
            .probe(&judge::SPEC, &[], &settings)
            .map_err(|error| anyhow!("load the judge: {}", error.reason()))?;
        let table = |map| probe.table(map).map_err(|error| anyhow!(error.reason()));
        let (waits, counts) = (table(WAITS)?, table(COUNTS)?);
        Ok(Self { waits, counts, _probe: probe })
    }

    /// How many waits there are, and how many of them are unseen, by CPU.
    fn mark(&self) -> Vec<[u64; 2]> {
        let first_words = (0..self.counts.len()).step_by(WORDS as usize);
        first_words.map(|it| [KNOWN, UNSEEN].map(|idx| word(&self.counts, it + idx))).collect()
    }

    fn opinion(&self, before: &[[u64; 2]], after: &[[u64; 2]]) -> Result<Opinion> {
        let mut waits = [Vec::new(), Vec::new()];
        let mut unseen = 0;
        for (cpu, (before, after)) in before.iter().zip(after).enumerate() {
            ensure!(after[KNOWN] < u64::from(ROOM), "more waits than there is room for");
            let first = cpu * ROOM as usize;
            for place in (before[KNOWN]..after[KNOWN]).map(|it| first + it as usize) {
                for (idx, waits) in waits.iter_mut().enumerate() {
                    waits.push(seconds(word(&self.waits, place * 2 + idx)));
                }
            }
            unseen += after[UNSEEN] - before[UNSEEN];
        }
        ensure!(!waits[0].is_empty(), "no task waited");
        for waits in &mut waits {
            waits.sort_by(f64::total_cmp);
        }
        Ok(Opinion { waits, unseen })
    }

    /// The seconds that this process' threads have waited by the judge, and those for which they found themselves
    /// stopped, while there are more of them than CPUs.
    pub fn check() -> Result<(f64, f64)> {
        let judge = Self::load(Of::ThisProcess)?;
        let before = judge.mark();
        let stopped = load::stops(8, Duration::from_secs(2))?;
        Ok((sum(&judge.opinion(&before, &judge.mark())?.waits[0]), stopped.as_secs_f64()))
    }
}

impl Account {
    /// Of waits that the probe counted between the two.
    fn counted(before: &Histogram, after: &Histogram, told: u64) -> Self {
        let mut counts = after.slots.iter().zip(before.slots).map(|(after, before)| after - before);
        let zero_count = counts.next().expect("a histogram has slots");
        let mut waits = NativeHistogram {
            schema: histogram::SCHEMA,
            zero_threshold: histogram::ZERO_THRESHOLD,
            zero_count,
            sum: seconds(after.sum - before.sum),
            buckets: (histogram::FIRST_INDEX..).zip(counts).collect(),
            ..NativeHistogram::default()
        };
        waits.count = zero_count + waits.buckets.values().sum::<u64>();
        Self { waits, told }
    }
}

impl Accused {
    pub fn load() -> Result<Self> {
        let kernel = Kernel::new(None);
        let reason = |error: ebpf::Error| anyhow!(error.reason());
        let probe = kernel.probe(&runqueue::SPEC, &[], &Settings::default()).map_err(reason)?;
        let waits = probe.table(runqueue::WAITS).map_err(reason)?;
        let clocks = probe.table(runqueue::CLOCKS).map_err(reason)?;
        kernel.release();
        Ok(Self { waits, clocks, _probe: probe })
    }
}

impl Verdict {
    /// Runs `load` and has the probe and the judge look on, and if `is_slow` a second judge.
    pub fn on(load: Load, is_slow: bool) -> Result<Self> {
        Self::of(&Accused::load()?, load, is_slow)
    }

    /// The same of a probe that is at work already.
    pub fn of(Accused { waits, clocks, .. }: &Accused, load: Load, is_slow: bool) -> Result<Self> {
        // They take ten times as long at a switch, and so must come after the probe, which would find the clock advanced.
        let n_judges = if is_slow { 2 } else { 1 };
        let judges = (0..n_judges).map(|_| Judge::load(Of::All)).collect::<Result<Vec<_>>>()?;
        let look = || {
            let told = told(&clocks.sum(0..clocks.len()));
            (waits.sum(0..waits.len()), told, judges.iter().map(Judge::mark).collect::<Vec<_>>())
        };
        // What the probe remembers of tasks begins when it is loaded.
        std::thread::sleep(Duration::from_millis(500));
        let before = look();
        load.run()?;
        let after = look();
        let marks = before.2.iter().zip(&after.2);
        let opinions = judges.iter().zip(marks).map(|(judge, (before, after))| judge.opinion(before, after));
        let probe = Account::counted(&before.0, &after.0, after.1 - before.1);
        Ok(Self { load, judges: opinions.collect::<Result<_>>()?, probe })
    }

    /// Fails when the probe is off by more than `bounds` from all that the judges hold possible.
    pub fn within(self, bounds: Bounds) -> Result<Self> {
        let Account { waits, told } = &self.probe;
        let is_within = |found: f64, [least, most]: [f64; 2], by: f64| {
            (least * (1.0 - by)..=most * (1.0 + by)).contains(&found)
        };
        let is_quantile = |q: f64| {
            let span = |q| self.span(&|waits| quantile(waits, q));
            let ([least, _], [_, most]) = (span(q - RANKS), span(q + RANKS));
            is_within(waits.quantile(q), [least, most], bounds.quantile)
        };
        let n_waits = (waits.count + told) as f64;
        let [least, most] = self.span(&lowest);
        let found = waits.zero_count as f64 / waits.count as f64;
        let holds = is_within(n_waits, self.span(&|it| it.len() as f64), bounds.count)
            && is_within(waits.sum, self.span(&sum), bounds.sum)
            && QUANTILES.into_iter().all(is_quantile)
            && (least - bounds.lowest..=most + bounds.lowest).contains(&found);
        ensure!(holds, "{self}");
        Ok(self)
    }

    /// The least and the most that the judges make of a figure.
    fn span(&self, of: &dyn Fn(&[f64]) -> f64) -> [f64; 2] {
        let figures = || self.judges.iter().flat_map(|it| &it.waits).map(|it| of(it));
        [figures().fold(f64::INFINITY, f64::min), figures().fold(0.0, f64::max)]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, judges, probe: Account { waits, told } } = self;
        let [count, _] = self.span(&|it| it.len() as f64);
        write!(f, "{load:?}: count {} of {count}", waits.count + told)?;
        let [least, most] = self.span(&sum);
        write!(f, ", sum {:.1} of {:.1} to {:.1} ms", waits.sum * 1e3, least * 1e3, most * 1e3)?;
        for q in QUANTILES {
            let [least, most] = self.span(&|waits| quantile(waits, q)).map(|it| it * 1e6);
            let found = waits.quantile(q) * 1e6;
            let off = if found < least { found / least - 1.0 } else { (found / most - 1.0).max(0.0) };
            write!(f, ", p{} {found:.1} of {least:.1} to {most:.1} us ({:+.1} %)", q * 100.0, off * 100.0)?;
        }
        let found = waits.zero_count as f64 / waits.count as f64 * 100.0;
        let [least, most] = self.span(&lowest).map(|it| it * 100.0);
        let unseen: u64 = judges.iter().map(|it| it.unseen).sum();
        write!(
            f,
            ", lowest {found:.1} of {least:.1} to {most:.1} %, {told} told, {unseen} not seen by judges"
        )
    }
}

fn sum(waits: &[f64]) -> f64 {
    waits.iter().sum()
}

/// Of waits in their order.
fn quantile(waits: &[f64], q: f64) -> f64 {
    let rank = (q * waits.len() as f64).ceil() as usize;
    waits[rank.clamp(1, waits.len()) - 1]
}

/// The share of waits that are too short for the histogram.
fn lowest(waits: &[f64]) -> f64 {
    waits.partition_point(|it| *it <= histogram::ZERO_THRESHOLD) as f64 / waits.len() as f64
}

/// Waits that the probe knows to be wrong and does not count.
fn told(clock: &QueueClock) -> u64 {
    clock.negative + clock.unqueued + clock.asleep
}

fn word(table: &Table<u64>, idx: usize) -> u64 {
    table.sum(idx..idx + 1)
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
