//! TCP over loopback, which the kernel receives in softirqs.

use std::{
    fs::read_to_string,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Check, beside, growth};
use crate::{Agent, load, truth::Bounded};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "softirq_time", claim: "their time is that of /proc/stat", run: times },
    Check { collector: "softirq_latency", claim: "each softirq that runs has one duration", run: durations },
    Check { collector: "softirq_latency", claim: "each softirq that runs has waited once", run: waits },
];

const N_BYTES: usize = 200 << 20;

/// One that is raised while it is about to run runs again, and is in no latency.
const RAISED_MEANWHILE: f64 = 0.2;

/// The kernel takes samples of the time, a tick apart, unless it has CONFIG_IRQ_TIME_ACCOUNTING: what the tick itself
/// raises runs behind it and is in no sample. And a virtual CPU gets its tick when it leaves to its host, as it does to wake
/// another CPU, which is in a softirq more often than not: seen were shares from 0.6 on.
const SAMPLED: RangeInclusive<f64> = 0.4..=2.5;

/// Seconds of softirqs to compare.
const ENOUGH: f64 = 0.5;
const LONG: Duration = Duration::from_secs(15);

/// Ticks of /proc/stat a second: `USER_HZ`, the same on all machines.
const USER_HZ: f64 = 100.0;

fn durations(agent: &Agent) -> Result<String> {
    let runs = received(agent, "node_softirq_duration_seconds_count")?;
    runs.inside()?;
    Ok(runs.to_string())
}

fn waits(agent: &Agent) -> Result<String> {
    let runs = received(agent, "node_softirq_latency_seconds_count")?;
    ensure!(
        runs.agent <= runs.high && runs.agent >= runs.low * (1.0 - RAISED_MEANWHILE),
        "out of bounds: {runs}"
    );
    Ok(runs.to_string())
}

/// Softirqs of TCP over loopback, beside those that the kernel counts.
fn received(agent: &Agent, name: &str) -> Result<Bounded> {
    let runs = beside(agent, name, &[("type", "NET_RX")], net_rx, || load::loopback_tcp(N_BYTES))?;
    ensure!(runs.low > 1000.0, "only {} softirqs", runs.low);
    Ok(runs)
}

fn net_rx() -> Result<f64> {
    let text = read_to_string("/proc/softirqs")?;
    let row = text.lines().find_map(|it| it.trim_start().strip_prefix("NET_RX:")).context("no NET_RX")?;
    row.split_whitespace().map(|it| it.parse::<f64>().context("read a count")).sum()
}

fn times(agent: &Agent) -> Result<String> {
    let begin = Instant::now();
    let before = softirq_seconds()?;
    let agent = growth(agent, "node_softirq_seconds_total", &[], || {
        while softirq_seconds()? - before < ENOUGH && begin.elapsed() < LONG {
            load::loopback_tcp(N_BYTES)?;
        }
        Ok(())
    })?;
    let kernel = softirq_seconds()? - before;
    ensure!(SAMPLED.contains(&(agent / kernel)), "{agent:.3} s, and {kernel} s in /proc/stat");
    Ok(format!("{agent:.3} s, {kernel} s in /proc/stat"))
}

/// The seventh number of the first line: see proc_stat(5).
fn softirq_seconds() -> Result<f64> {
    let text = read_to_string("/proc/stat")?;
    let ticks = text.split_whitespace().nth(7).context("/proc/stat has no softirq time")?;
    Ok(ticks.parse::<f64>()? / USER_HZ)
}
