//! Waits for a CPU of which each one is known exactly, and what the agent makes of them.
//!
//! Two threads share a CPU and hand a token to and fro; who has passed it on stays busy for a while, which is what the
//! other waits. Each reads its own schedstat after each wait: the run delay that one more arrival on the CPU has added
//! is the wait of that arrival, in nanoseconds of the same clock that the kernel stamps tasks with
//! (`sched_info_arrive` in kernel/sched/stats.h).

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    hint,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    ops::Range,
    os::unix::fs::FileExt,
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    Agent, NativeHistogram,
    load::{self, Work},
    truth::RUN_QUEUE_LATENCY,
};

/// The quantiles that dashboards show.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// What the agent counted while the threads ran, and the waits of the threads.
#[derive(Debug)]
pub struct Replay {
    agent: NativeHistogram,
    /// In nanoseconds, ascending.
    waits: Vec<u64>,
}

/// A quantile by Prometheus' rules from the agent's histogram, and from the waits themselves, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    pub q: f64,
    pub agent: f64,
    pub exact: f64,
    /// Between these lies the exact quantile of all waits of the machine, whatever those of others were.
    pub bounds: (f64, f64),
}

/// Hands the token over `n_handovers` times. How long a thread stays busy after each is drawn from `busy`, short
/// times more often.
pub fn run_queue(agent: &Agent, busy: Range<Duration>, n_handovers: u32) -> Result<Replay> {
    let (send, receive) = channel();
    let (first_in, mut second_out) = pipe()?;
    let (second_in, first_out) = pipe()?;
    second_out.write_all(&[0]).context("bring the token into play")?;
    let work = |seed, from, to| -> Work<'static> {
        let (send, busy) = (send.clone(), busy.clone());
        Box::new(move || hand_over(n_handovers / 2, Draw { state: seed, busy }, from, to, &send))
    };
    let works = vec![work(1, first_in, first_out), work(2, second_in, second_out)];
    drop(send);
    let before = agent.native_histogram(RUN_QUEUE_LATENCY)?;
    let after = load::on_one_cpu(works, || agent.native_histogram(RUN_QUEUE_LATENCY))?;
    let mut waits: Vec<u64> = receive.iter().flat_map(|it| it.0).collect();
    ensure!(!waits.is_empty(), "no thread has waited: a kernel without CONFIG_SCHED_INFO");
    waits.sort_unstable();
    Ok(Replay { agent: after.since(&before), waits })
}

/// What one thread does. Its end of the pipe goes with the waits: the other may still pass the token on.
fn hand_over(
    n_rounds: u32,
    mut draw: Draw,
    mut from: PipeReader,
    mut to: PipeWriter,
    send: &Sender<(Vec<u64>, PipeReader)>,
) -> Result<()> {
    let mut own = Own::open()?;
    for _ in 0..n_rounds {
        from.read_exact(&mut [0])?;
        own.look()?;
        to.write_all(&[0])?;
        let end = Instant::now() + draw.next();
        while Instant::now() < end {
            hint::spin_loop();
        }
        // The other may have come first when it got the token.
        own.look()?;
    }
    send.send((own.waits, from)).context("hand in the waits")
}

/// What the kernel says of the calling thread.
struct Own {
    schedstat: File,
    seen: Schedstat,
    waits: Vec<u64>,
}

/// Documentation/scheduler/sched-stats.rst, `/proc/<pid>/schedstat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedstat {
    run_delay: u64,
    n_arrivals: u64,
}

impl Own {
    fn open() -> Result<Self> {
        let schedstat = File::open("/proc/thread-self/schedstat").context("open schedstat")?;
        let seen = Schedstat::read(&schedstat)?;
        Ok(Self { schedstat, seen, waits: Vec::new() })
    }

    /// Notes the wait of an arrival since the last look. Of several at once only the sum is known: they are left out.
    fn look(&mut self) -> Result<()> {
        let now = Schedstat::read(&self.schedstat)?;
        if now.n_arrivals - self.seen.n_arrivals == 1 {
            self.waits.push(now.run_delay - self.seen.run_delay);
        }
        self.seen = now;
        Ok(())
    }
}

impl Schedstat {
    fn read(file: &File) -> Result<Self> {
        let mut text = [0; 80];
        let len = file.read_at(&mut text, 0).context("read schedstat")?;
        Self::parse(std::str::from_utf8(&text[..len])?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut numbers = text.split_ascii_whitespace().skip(1).map(str::parse);
        let mut number = || Ok::<_, anyhow::Error>(numbers.next().context("schedstat is short")??);
        Ok(Self { run_delay: number()?, n_arrivals: number()? })
    }
}

/// Durations of all orders of magnitude, the short ones more often, the same in each run.
struct Draw {
    state: u64,
    busy: Range<Duration>,
}

impl Draw {
    fn next(&mut self) -> Duration {
        // Knuth's MMIX; the high bits are the good ones.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (self.state >> 11) as f64 / (1u64 << 53) as f64;
        let (low, high) = (self.busy.start.as_secs_f64(), self.busy.end.as_secs_f64());
        // Even at first, with a long tail: p50 must not be where all begin, and p99 not in the last bucket, of which the
        // longest wait cuts off a part.
        let place = (share + share.powi(5)) / 2.0;
        Duration::from_secs_f64(low * (high / low).powf(place))
    }
}

impl Replay {
    /// Fails unless each wait of the threads is in its bucket of the agent's histogram. Hands back the same without the
    /// waits of others: what is in the buckets besides.
    pub fn without_others(self) -> Result<Self> {
        let mut own = NativeHistogram {
            zero_count: 0,
            count: self.waits.len() as u64,
            sum: self.waits.iter().copied().map(seconds).sum(),
            buckets: BTreeMap::new(),
            ..self.agent
        };
        for wait in self.waits.iter().copied().map(seconds) {
            match own.index(wait) {
                None => own.zero_count += 1,
                Some(index) => *own.buckets.entry(index).or_default() += 1,
            }
        }
        ensure!(own.zero_count <= self.agent.zero_count, "waits that count as zero are missing");
        for (index, expected) in &own.buckets {
            let counted = self.agent.buckets.get(index).copied().unwrap_or(0);
            ensure!(
                counted >= *expected,
                "bucket {index} has {counted} waits, of ours alone are {expected} in it"
            );
        }
        Ok(Self { agent: own, ..self })
    }

    /// How many waits of the threads are known.
    pub fn n_waits(&self) -> usize {
        self.waits.len()
    }

    /// The share of waits that were others'.
    pub fn others(&self) -> f64 {
        self.n_others() as f64 / self.agent.count as f64
    }

    pub fn quantiles(&self) -> Vec<Quantile> {
        QUANTILES.into_iter().map(|q| self.quantile(q)).collect()
    }

    fn quantile(&self, q: f64) -> Quantile {
        let n_others = self.n_others();
        // That many of all waits are at most the quantile.
        let rank = (q * self.agent.count as f64).ceil() as u64;
        let ranked = |rank: u64, beyond: f64| {
            let wait = self.waits.get(usize::try_from(rank.max(1) - 1).unwrap_or(usize::MAX));
            wait.map_or(beyond, |it| seconds(*it))
        };
        let own_rank = (q * self.waits.len() as f64).ceil() as u64;
        Quantile {
            q,
            agent: self.agent.quantile(q),
            exact: ranked(own_rank, f64::NAN),
            // Others' waits were all shorter, or all longer.
            bounds: (ranked(rank.saturating_sub(n_others), 0.0), ranked(rank, f64::INFINITY)),
        }
    }

    fn n_others(&self) -> u64 {
        self.agent.count.saturating_sub(self.waits.len() as u64)
    }
}

impl Quantile {
    /// Fails when it is off by more than `bound` (0.01 is one percent), whatever others waited.
    pub fn within(self, bound: f64) -> Result<Self> {
        let (low, high) = self.bounds;
        ensure!(
            low * (1.0 - bound) <= self.agent && self.agent <= high * (1.0 + bound),
            "off by more than {bound}: {self}"
        );
        Ok(self)
    }

    /// By which share of the exact one of the threads' own waits it is off.
    pub fn error(self) -> f64 {
        self.agent / self.exact - 1.0
    }

    /// [`Quantile::within`] of the threads' own waits: right where there is hardly anybody else.
    pub fn alone_within(self, bound: f64) -> Result<Self> {
        ensure!(self.error().abs() <= bound, "off by more than {bound}: {self}");
        Ok(self)
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.error() * 100.0;
        write!(
            f,
            "p{} {:.1} of {:.1} us, {percent:+.1} %",
            self.q * 100.0,
            self.agent * 1e6,
            self.exact * 1e6
        )
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(counted: &[(i32, u64)], waits: &[u64]) -> Replay {
        let agent = NativeHistogram {
            count: counted.iter().map(|it| it.1).sum(),
            buckets: counted.iter().copied().collect(),
            ..NativeHistogram::default()
        };
        Replay { agent, waits: waits.to_vec() }
    }

    #[test]
    fn misses_a_wait_that_is_in_another_bucket() {
        let (second, two, three) = (1_000_000_000, 2_000_000_000, 3_000_000_000);
        let own = replay(&[(0, 1), (1, 2)], &[second, two]).without_others().unwrap();
        assert_eq!(own.agent.buckets, BTreeMap::from([(0, 1), (1, 1)]));
        assert_eq!((own.n_waits(), own.others()), (2, 0.0));
        let missing = replay(&[(0, 1), (1, 1)], &[second, three]).without_others().unwrap_err();
        assert_eq!(missing.to_string(), "bucket 2 has 0 waits, of ours alone are 1 in it");
    }

    #[test]
    fn others_widen_the_bounds_and_no_more() {
        let waits: Vec<u64> = (1..=100).map(|it| it * 1_000_000_000).collect();
        let alone = replay(&[(6, 40), (7, 60)], &waits).quantile(0.5);
        assert_eq!((alone.exact, alone.bounds), (50.0, (50.0, 50.0)));
        alone.within(0.5).unwrap();
        let crowded = replay(&[(6, 65), (7, 60)], &waits).quantile(0.5);
        assert_eq!((crowded.exact, crowded.bounds), (50.0, (38.0, 63.0)));
        let beyond = replay(&[(6, 65), (7, 60)], &waits).quantile(0.99);
        assert_eq!(beyond.bounds, (99.0, f64::INFINITY));
        beyond.within(0.01).unwrap();
        assert!(Quantile { agent: 90.0, ..beyond }.within(0.01).is_err());
    }

    #[test]
    fn a_quantile_that_is_off_says_by_how_much() {
        let off = Quantile { q: 0.99, agent: 1.1e-3, exact: 1e-3, bounds: (1e-3, 1e-3) };
        assert_eq!(
            off.alone_within(0.045).unwrap_err().to_string(),
            "off by more than 0.045: p99 1100.0 of 1000.0 us, +10.0 %"
        );
    }

    #[test]
    fn reads_schedstat() {
        let read = Schedstat::parse("8123 456 7\n").unwrap();
        assert_eq!(read, Schedstat { run_delay: 456, n_arrivals: 7 });
        assert!(Schedstat::parse("8123 456").is_err());
    }
}
