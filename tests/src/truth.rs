//! What the agent says against what the kernel says elsewhere, under a known load.
//!
//! Each function puts the load on, reads both sides before and after, and hands back the two growths.
//! Both sides are read within milliseconds of each other, the load lasts seconds.

use std::{fmt, fs::read_to_string, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{Agent, Exposition, exposition::Sample, load};

pub const BLOCK_IO_LATENCY: &str = "node_block_io_latency_seconds";

/// A quantity that the kernel's two readings, or the load itself, bound on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    pub low: f64,
    pub agent: f64,
    pub high: f64,
}

/// State of one collector, from `hostlens_collector_state`, and why, from `hostlens_collector_problem`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    pub collector: String,
    pub state: String,
    /// Empty where it is no problem.
    pub reason: String,
    pub remedy: String,
}

/// Which counter of `/proc/diskstats` a request is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Read,
    Write,
}

impl Bounded {
    /// The agent's figure; fails when it lies outside.
    pub fn inside(self) -> Result<f64> {
        ensure!(self.low <= self.agent && self.agent <= self.high, "out of bounds: {self}");
        Ok(self.agent)
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}..{}", short(self.agent), short(self.low), short(self.high))
    }
}

impl Operation {
    /// The value of the label `operation`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The states of all collectors that the agent runs, sorted by name.
pub fn states(page: &Exposition) -> Result<Vec<State>> {
    let label = |it: &Sample, key| it.labels.get(key).cloned();
    let mut states = page
        .samples("hostlens_collector_state", &[])
        .filter(|it| it.value == 1.0)
        .map(|it| {
            let (collector, state) = (label(it, "collector")?, label(it, "state")?);
            let labels = [("collector", &*collector), ("state", &*state)];
            let problem = page.samples("hostlens_collector_problem", &labels).next();
            let [reason, remedy] =
                ["reason", "remedy"].map(|key| problem.and_then(|it| label(it, key)).unwrap_or_default());
            Some(State { collector, state, reason, remedy })
        })
        .collect::<Option<Vec<_>>>()
        .context("hostlens_collector_state without its labels")?;
    ensure!(!states.is_empty(), "no hostlens_collector_state");
    states.sort();
    Ok(states)
}

/// Requests of `disk` (its name in /proc/diskstats) while `n_requests` go to `path` on it: others may use the disk
/// as well, so the kernel is read before and after each scrape.
pub fn block_requests(
    agent: &Agent,
    disk: &str,
    path: &Path,
    operation: Operation,
    n_requests: u64,
) -> Result<Bounded> {
    let labels = [("device", disk), ("operation", operation.label())];
    let kernel = || disk_requests(disk, operation);
    let count = |page: &Exposition| page.sum(&format!("{BLOCK_IO_LATENCY}_count"), &labels);

    // The disk's series may not exist before its first request.
    let before = (kernel()?, count(&agent.scrape()?).unwrap_or(0.0), kernel()?);
    match operation {
        Operation::Read => load::direct_reads(path, n_requests)?,
        Operation::Write => load::direct_writes(path, n_requests)?,
    }
    let after = (kernel()?, count(&agent.scrape()?)?, kernel()?);
    let (low, high) = (after.0 - before.2, after.2 - before.0);
    ensure!(low >= n_requests, "{disk} counts {low} of {n_requests} requests: is {} on it?", path.display());
    Ok(Bounded { low: low as f64, agent: after.1 - before.1, high: high as f64 })
}

/// What `hostlens doctor` says of process 1 and probes.
pub fn doctor_of_process_1(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("doctor").output().context("start a doctor")?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find(|it| it.contains("probes and process 1: "));
    Ok(line.with_context(|| format!("the doctor says nothing of process 1:\n{text}"))?.to_owned())
}

/// The lines of /proc/meminfo that do not change while a machine runs; returns how many there are.
pub fn memory_constants(page: &Exposition) -> Result<usize> {
    const CONSTANT: [&str; 5] = ["MemTotal", "SwapTotal", "VmallocTotal", "HugePages_Total", "Hugepagesize"];
    let text = read_to_string("/proc/meminfo")?;
    let mut n_equal = 0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(key), Some(number), unit) = (words.next(), words.next(), words.next()) else { continue };
        let key = key.trim_end_matches(':');
        if !CONSTANT.contains(&key) {
            continue;
        }
        let (suffix, scale) = if unit == Some("kB") { ("_bytes", 1024.0) } else { ("", 1.0) };
        let name = format!("node_memory_{key}{suffix}");
        let (ours, kernel) = (page.value(&name, &[])?, number.parse::<f64>()? * scale);
        ensure!(ours == kernel, "{name} is {ours}, the kernel's is {kernel}");
        n_equal += 1;
    }
    ensure!(n_equal >= 3, "only {n_equal} constant lines in /proc/meminfo");
    Ok(n_equal)
}

/// `name`, which is `key` of /proc/stat: the kernel is read before and after the agent.
pub fn stat_counter(agent: &Agent, name: &str, key: &str) -> Result<Bounded> {
    let low = stat(key)?;
    let value = agent.scrape()?.value(name, &[])?;
    Ok(Bounded { low: low as f64, agent: value, high: stat(key)? as f64 })
}

/// Bytes received on loopback while `n_bytes` go through one TCP connection: no fewer than those,
/// no more than the interface counts until after the scrape.
pub fn loopback_bytes(agent: &Agent, n_bytes: usize) -> Result<Bounded> {
    let received =
        |agent: &Agent| agent.scrape()?.value("node_network_receive_bytes_total", &[("device", "lo")]);
    let interface = || -> Result<f64> {
        Ok(read_to_string("/sys/class/net/lo/statistics/rx_bytes")?.trim().parse::<f64>()?)
    };
    let (all_before, before) = (interface()?, received(agent)?);
    load::loopback_tcp(n_bytes)?;
    let (after, all_after) = (received(agent)?, interface()?);
    Ok(Bounded { low: n_bytes as f64, agent: after - before, high: all_after - all_before })
}

fn stat(key: &str) -> Result<u64> {
    let text = read_to_string("/proc/stat")?;
    let line = text.lines().find_map(|it| it.strip_prefix(key)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {key} in /proc/stat"))?.trim().parse()?)
}

/// Requests completed; see Documentation/admin-guide/iostats.rst.
fn disk_requests(disk: &str, operation: Operation) -> Result<u64> {
    let field = match operation {
        Operation::Read => 3,
        Operation::Write => 7,
    };
    let text = read_to_string("/proc/diskstats")?;
    let mut lines = text.lines().map(|it| it.split_ascii_whitespace().collect::<Vec<_>>());
    let line =
        lines.find(|it| it.get(2) == Some(&disk)).with_context(|| format!("no {disk} in /proc/diskstats"))?;
    Ok(line.get(field).context("a short line in /proc/diskstats")?.parse()?)
}

/// Whole numbers whole, others with three digits behind the point.
fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_figure_out_of_its_bounds() {
        assert_eq!(Bounded { low: 1.0, agent: 1.0, high: 2.0 }.inside().unwrap(), 1.0);
        let off = Bounded { low: 1.0, agent: 3.0, high: 2.0 }.inside().unwrap_err();
        assert_eq!(off.to_string(), "out of bounds: 3 in 1..2");
    }

    #[test]
    fn lists_the_state_that_each_collector_is_in() {
        let page = Exposition::parse(
            "hostlens_collector_problem{collector=\"runqueue\",state=\"unavailable\",reason=\"no BTF\",remedy=\"\"} 1\n\
             hostlens_collector_state{collector=\"runqueue\",state=\"unavailable\"} 1\n\
             hostlens_collector_state{collector=\"cpu\",state=\"running\"} 1\n",
        )
        .unwrap();
        let states = states(&page).unwrap();
        assert_eq!(states.iter().map(|it| it.collector.as_str()).collect::<Vec<_>>(), ["cpu", "runqueue"]);
        assert_eq!((states[0].state.as_str(), states[0].reason.as_str()), ("running", ""));
        assert_eq!((states[1].state.as_str(), states[1].reason.as_str()), ("unavailable", "no BTF"));
    }
}
