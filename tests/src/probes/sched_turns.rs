//! Threads that sleep, compute and are moved, beside what the kernel says of its run queues.

use std::{
    fs::read_to_string,
    path::Path,
    thread::{self, available_parallelism},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Check, beside, counter, growth};
use crate::{Agent, first_process, load, truth::Bounded};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "sched_turns", claim: "CPUs switch as often as /proc/stat says", run: switches },
    Check {
        collector: "sched_turns",
        claim: "who sleeps leaves of itself, who computes does not",
        run: kinds,
    },
    Check { collector: "sched_turns", claim: "turns are as many as in /proc/schedstat", run: turns },
    Check { collector: "sched_turns", claim: "turns take as long as in /proc/schedstat", run: times },
    Check { collector: "sched_turns", claim: "each move of a thread is one", run: moves },
];

const SWITCHES: &str = "node_sched_context_switches_total";

/// The kernel stamps the beginning of a turn with a clock that it may have read a moment before.
const STAMPS: f64 = 0.03;

const SLEEPS: u64 = 2000;
const MOVES: usize = 200;

fn switches(agent: &Agent) -> Result<String> {
    let switches =
        but_for_process_1(|| beside(agent, SWITCHES, &[], || counter("/proc/stat", "ctxt "), mixed))?;
    ensure!(switches.low >= SLEEPS as f64, "but {} switches", switches.low);
    switches.inside()?;
    Ok(switches.to_string())
}

fn kinds(agent: &Agent) -> Result<String> {
    let voluntary = growth(agent, SWITCHES, &[("kind", "voluntary")], sleep)?;
    ensure!(voluntary >= SLEEPS as f64, "{voluntary} voluntary switches for {SLEEPS} sleeps");
    let mut lost = 0.0;
    let involuntary = growth(agent, SWITCHES, &[("kind", "involuntary")], || {
        lost = compute()?;
        Ok(())
    })?;
    ensure!(lost > 0.0 && involuntary >= lost, "{involuntary} involuntary switches, {lost} of them ours");
    Ok(format!("{voluntary} voluntary for {SLEEPS} sleeps, {involuntary} involuntary, {lost} of them ours"))
}

/// Kernels without CONFIG_SCHEDSTATS have no such file: there the other checks of this collector must do.
const NO_SCHEDSTAT: &str = "not judged: this kernel has no /proc/schedstat";

fn has_schedstat() -> bool {
    Path::new("/proc/schedstat").exists()
}

fn turns(agent: &Agent) -> Result<String> {
    if !has_schedstat() {
        return Ok(NO_SCHEDSTAT.to_owned());
    }
    let kernel = || of_queues(8);
    let turns =
        but_for_process_1(|| beside(agent, "node_sched_timeslice_seconds_count", &[], kernel, mixed))?;
    // A turn counts at its end here and at its beginning there.
    let open = available_parallelism()?.get() as f64;
    let turns = Bounded { low: turns.low - open, high: turns.high + open, ..turns };
    turns.inside()?;
    Ok(turns.to_string())
}

fn times(agent: &Agent) -> Result<String> {
    if !has_schedstat() {
        return Ok(NO_SCHEDSTAT.to_owned());
    }
    let kernel = || Ok(of_queues(6)? / 1e9);
    let times = beside(agent, "node_sched_timeslice_seconds_sum", &[], kernel, mixed)?;
    let times = Bounded { low: times.low * (1.0 - STAMPS), high: times.high * (1.0 + STAMPS), ..times };
    times.inside()?;
    Ok(times.to_string())
}

fn moves(agent: &Agent) -> Result<String> {
    let allowed = sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&it| allowed.is_set(it)).take(2).collect();
    ensure!(cpus.len() == 2, "it takes two CPUs");
    let mut kernel = 0.0;
    let load = || {
        let moved = thread::spawn(move || {
            let own = || counter("/proc/thread-self/sched", "se.nr_migrations");
            let before = own().ok();
            for idx in 0..MOVES {
                let mut cpu = CpuSet::new();
                cpu.set(cpus[idx % 2]);
                sched_setaffinity(None, &cpu)?;
            }
            anyhow::Ok(before.map_or(Ok(0.0), |it| own().map(|now| now - it))?)
        });
        kernel = moved.join().ok().context("join a thread")??;
        Ok(())
    };
    let before = agent.scrape()?;
    let moves = growth(agent, "node_sched_migrations_total", &[], load)?;
    ensure!(moves >= MOVES as f64 - 1.0, "{moves} moves of {MOVES}");
    let unknown = [("distance", "unknown")];
    let unknown = agent.scrape()?.sum("node_sched_migrations_total", &unknown)?
        - before.sum("node_sched_migrations_total", &unknown)?;
    ensure!(unknown == 0.0, "{unknown} moves of an unknown distance");
    Ok(format!("{moves} of {MOVES}, the kernel says {kernel} of the thread"))
}

/// Some that sleep, then some that compute.
fn mixed() -> Result<()> {
    sleep()?;
    compute().map(drop)
}

fn sleep() -> Result<()> {
    load::sleepers(4, Duration::from_micros(50)..Duration::from_micros(500), SLEEPS)
}

/// More threads than CPUs; how often they lost one.
fn compute() -> Result<f64> {
    let n_threads = 2 * available_parallelism()?.get();
    let lost = || counter("/proc/thread-self/status", "nonvoluntary_ctxt_switches:");
    let threads: Vec<_> = (0..n_threads)
        .map(|_| {
            thread::spawn(move || {
                load::compute(Duration::from_millis(500));
                lost()
            })
        })
        .collect();
    threads.into_iter().map(|it| it.join().ok().context("join a thread")?).sum()
}

/// Some kernels run no tracing program while process 1 has a CPU: as many may be missing as it left one.
fn but_for_process_1(count: impl FnOnce() -> Result<Bounded>) -> Result<Bounded> {
    let watch = first_process::watch()?;
    let counted = count()?;
    let missing =
        if first_process::may_have_missed(&watch)? { watch.switches()?.counted as f64 } else { 0.0 };
    Ok(Bounded { low: counted.low - missing, ..counted })
}

/// The sum of a number of each CPU, counted from 0: Documentation/scheduler/sched-stats.rst.
fn of_queues(number: usize) -> Result<f64> {
    let text = read_to_string("/proc/schedstat")?;
    let queues = text.lines().filter(|it| it.starts_with("cpu"));
    queues
        .map(|it| {
            it.split(' ')
                .nth(number + 1)
                .context("a short line in /proc/schedstat")?
                .parse::<f64>()
                .context("read a count")
        })
        .sum()
}
