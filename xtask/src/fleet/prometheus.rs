//! A Prometheus of the fleet, and what it says when it is asked.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{SCRAPE_INTERVAL, page};
use crate::{process::workspace, prometheus::Prometheus};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Scrapes, stores and evaluates rules.
    Server,
    /// Scrapes and writes to a [`Role::Receiver`].
    Agent,
    /// Is written to, stores and evaluates rules.
    Receiver,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent mode",
            Self::Receiver => "receiver",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Server | Self::Receiver => 9090,
            Self::Agent => 9091,
        }
    }
}

pub(super) struct Server {
    pub(super) role: Role,
    prometheus: Prometheus,
}

impl Server {
    /// In a folder of its own in `folder`, which has the hosts under `targets`.
    pub(super) fn start(program: &Path, role: Role, folder: &Path) -> Result<Self> {
        let rules = workspace().join("config/prometheus/rules");
        let config = match role {
            Role::Server => page::config("files")?,
            Role::Agent => page::config("agent mode")?,
            Role::Receiver => page::config("receiver")?,
        };
        let config = config
            .replace("/etc/prometheus/targets", &folder.join("targets").display().to_string())
            .replace("/etc/prometheus/rules", &rules.display().to_string())
            .replace("https://metrics.example", "http://127.0.0.1:9090");
        let mut flags = vec!["--enable-feature=native-histograms"];
        flags.extend(match role {
            Role::Server => ["--storage.tsdb.path=data"].as_slice(),
            Role::Agent => &["--agent", "--storage.agent.path=data"],
            Role::Receiver => &["--storage.tsdb.path=data", "--web.enable-remote-write-receiver"],
        });
        let address = (Ipv4Addr::LOCALHOST, role.port()).into();
        let prometheus = Prometheus::start(program, role.name(), folder, address, &config, &flags)?;
        Ok(Self { role, prometheus })
    }

    pub(super) fn pid(&self) -> u32 {
        self.prometheus.pid()
    }

    /// What it says of itself: a family's samples, added up.
    pub(super) fn own(&self, family: &str) -> Result<f64> {
        let text = self.prometheus.get("/metrics", &[])?;
        let samples = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(family)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        let samples: Vec<f64> = samples.collect();
        ensure!(!samples.is_empty(), "the {} has no {family}", self.role.name());
        Ok(samples.iter().sum())
    }

    /// The value of a query with one.
    pub(super) fn number(&self, query: &str) -> Result<f64> {
        let result = self.prometheus.query(query)?;
        let value = result
            .first()
            .and_then(|it| it["value"][1].as_str())
            .with_context(|| format!("{query}: none"))?;
        value.parse().with_context(|| format!("{query}: {value}"))
    }

    /// What is wrong with the scrapes of the last `time`, a line a host.
    pub(super) fn missed(&self, n_hosts: usize, time: Duration) -> Result<Vec<String>> {
        let seconds = time.as_secs();
        let mut faults = Vec::new();
        for (what, query) in [("up", "up"), ("scrape_samples_scraped", "scrape_samples_scraped > bool 0")] {
            let series = self.prometheus.query(&match what {
                "up" => format!("{query}[{seconds}s]"),
                _ => format!("({query})[{seconds}s:{}s]", SCRAPE_INTERVAL.as_secs()),
            })?;
            if series.len() != n_hosts {
                faults.push(format!("{} of {n_hosts} hosts have {what}", series.len()));
            }
            for it in &series {
                if let Some(fault) = gap(&it["values"], time) {
                    faults.push(format!("{what} of {}: {fault}", it["metric"]["instance"]));
                }
            }
        }
        let count = |how: &str| self.number(&format!("{how}(count_over_time(up[{seconds}s]))"));
        let samples = |how: &str| self.number(&format!("{how}(scrape_samples_scraped)"));
        println!(
            "  {}: {} up, {} to {} scrapes of each in {seconds} s, {} to {} samples in each, {} faults",
            self.role.name(),
            self.number("count(up == 1)")?,
            count("min")?,
            count("max")?,
            samples("min")?,
            samples("max")?,
            faults.len()
        );
        Ok(faults)
    }

    /// What is wrong with native histograms: those of hosts, and their sum by a rule.
    pub(super) fn histograms(&self, n_probes: usize) -> Result<Vec<String>> {
        if n_probes == 0 {
            return Ok(Vec::new());
        }
        let n_hosts =
            self.number("count(histogram_count(node_sched_runqueue_latency_seconds)) or vector(0)")?;
        // Counts over five minutes of all hosts, added up here and by the rule.
        let each = self.number("sum(histogram_count(rate(node_sched_runqueue_latency_seconds[5m])))")?;
        let rule = self.number(
            "sum(histogram_count(job:node_sched_runqueue_latency_seconds:sum_rate5m)) or vector(0)",
        )?;
        println!(
            "  {}: native histograms of {n_hosts} hosts, {each:.0} waits/s of all, {rule:.0} by the rule",
            self.role.name()
        );
        let mut faults = Vec::new();
        if n_hosts != n_probes as f64 {
            faults.push(format!("native histograms of {n_hosts} hosts, {n_probes} have probes"));
        }
        if each == 0.0 {
            faults.push("no host counted a wait for five minutes".to_owned());
        }
        // The rule was evaluated up to a minute ago.
        if !(each / 2.0..=each * 2.0).contains(&rule) {
            faults.push(format!("the rule adds up {rule} waits a second, the hosts have {each}"));
        }
        Ok(faults)
    }
}

/// Where a series of 1 has another value, or nothing for more than an interval and a half.
fn gap(values: &Value, time: Duration) -> Option<String> {
    let points: Option<Vec<(f64, &str)>> =
        values.as_array().into_iter().flatten().map(|it| Some((it[0].as_f64()?, it[1].as_str()?))).collect();
    let points = points?;
    if let Some((at, value)) = points.iter().find(|it| it.1 != "1") {
        return Some(format!("{value} at {at}"));
    }
    let limit = SCRAPE_INTERVAL.as_secs_f64() * 1.5;
    let late = points.windows(2).find(|it| it[1].0 - it[0].0 > limit);
    if let Some(it) = late {
        return Some(format!("{:.1} s between two", it[1].0 - it[0].0));
    }
    let covered = points.last()?.0 - points.first()?.0;
    // At each end there is less than an interval, and a moment for who asks.
    let most = time.as_secs_f64() - 2.0 * SCRAPE_INTERVAL.as_secs_f64() - 1.0;
    (covered < most).then(|| format!("only {covered:.0} s of {}", time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_what_is_not_up_and_what_is_missing() {
        let time = Duration::from_secs(75);
        let series = |points: &[(f64, &str)]| gap(&json!(points), time);
        let good = [(0.0, "1"), (15.0, "1"), (30.002, "1"), (45.0, "1"), (60.0, "1")];
        assert_eq!(series(&good), None);
        let mut down = good;
        down[2].1 = "0";
        assert_eq!(series(&down).unwrap(), "0 at 30.002");
        assert_eq!(series(&[good[0], good[1], good[3], good[4]]).unwrap(), "30.0 s between two");
        assert_eq!(series(&good[..2]).unwrap(), "only 15 s of 75");
    }
}
