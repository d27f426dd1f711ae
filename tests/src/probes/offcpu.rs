//! Threads that sleep for known times, that take turns on too few CPUs, and that wait for a child in the kernel.

use std::{
    thread::{self, available_parallelism},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{Check, counter};
use crate::{Agent, exposition::Histogram, load};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "offcpu", claim: "each sleep is as long as it was", run: sleeps },
    Check { collector: "offcpu", claim: "who computes waits as often and long as /proc says", run: turns },
];

const THREADS: u32 = 4;
const SLEEPS: u32 = 50;
const SLEEP: Duration = Duration::from_millis(10);

fn sleeps(agent: &Agent) -> Result<String> {
    let grown = grown(agent, "sleep", || {
        thread::scope(|scope| {
            (0..THREADS).for_each(|_| {
                scope.spawn(|| (0..SLEEPS).for_each(|_| thread::sleep(SLEEP)));
            });
        });
        Ok(())
    })?;
    let (n, time) = (THREADS * SLEEPS, (THREADS * SLEEPS * SLEEP).as_secs_f64());
    // Others sleep as well.
    ensure!(
        grown.count >= f64::from(n) && grown.sum >= time,
        "{} s in {} of {time} s in {n}",
        grown.sum,
        grown.count
    );
    Ok(format!("{:.3} s in {}, ours {time} s in {n}", grown.sum, grown.count))
}

fn turns(agent: &Agent) -> Result<String> {
    let mut own = [0.0; 2];
    let grown = grown(agent, "preempted", || {
        let n_threads = 2 * available_parallelism()?.get();
        let threads: Vec<_> = (0..n_threads)
            .map(|_| {
                thread::spawn(|| {
                    let before = load::waited()?;
                    load::compute(Duration::from_secs(1));
                    let lost = counter("/proc/thread-self/status", "nonvoluntary_ctxt_switches:")?;
                    anyhow::Ok([lost, load::waited()? - before])
                })
            })
            .collect();
        for thread in threads {
            let [lost, waited] = thread.join().ok().context("join a thread")??;
            own = [own[0] + lost, own[1] + waited];
        }
        Ok(())
    })?;
    let [lost, waited] = own;
    // Others compute as well.
    ensure!(
        lost > 0.0 && grown.count >= lost && grown.sum >= 0.95 * waited,
        "{} s in {} of {waited} s in {lost}",
        grown.sum,
        grown.count
    );
    Ok(format!("{:.3} s in {}, the kernel says {waited:.3} s in {lost} of ours", grown.sum, grown.count))
}

fn grown(agent: &Agent, reason: &str, load: impl FnOnce() -> Result<()>) -> Result<Histogram> {
    let read = || agent.scrape()?.histogram("node_sched_offcpu_seconds", &[("reason", reason)]);
    let before = read();
    load()?;
    let after = read()?;
    // It is not there before the first.
    Ok(before.map_or(after.clone(), |it| after.since(&it)))
}
