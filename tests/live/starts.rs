//! Since when counters count, as OpenMetrics 2.0 tells it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hostlens_tests::Agent;

const FORMATS: &str = "[web]\nformats = ['openmetrics2']\n";
const WAITS: &str = "node_sched_runqueue_latency_seconds";
/// Of the kernel and of the agent itself.
const OTHERS: [&str; 2] = ["node_context_switches_total", "hostlens_scrape_seconds_total"];

/// A reload that loads a probe anew makes its counters younger, and no others; one that leaves it alone makes none so.
pub(crate) fn begin_with_the_probe() -> Result<()> {
    let agent = Agent::start(FORMATS, &["--web.enable-lifecycle", "--security.privileges=retain"])?;
    // Some of what the agent says of itself is there from the second answer on.
    agent.scrape()?;
    let starts = || -> Result<(f64, Vec<f64>)> {
        let starts = agent.starts()?;
        let of = |name: &str| starts.get(name).copied().with_context(|| format!("{name} has no start"));
        Ok((of(WAITS)?, OTHERS.into_iter().map(of).collect::<Result<_>>()?))
    };
    let reload = |change: &str| -> Result<()> {
        agent.configure(&format!("{FORMATS}{change}"))?;
        let answer = agent.reload()?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(())
    };
    let n_waits = || agent.scrape()?.value(&format!("{WAITS}_count"), &[]);
    let first = starts()?;
    let counted = n_waits()?;
    reload("[collector.sched_turns]\nenabled = false\n")?;
    ensure!(
        starts()? == first,
        "since {first:?}, after a reload that leaves the probe alone {:?}",
        starts()?
    );
    ensure!(n_waits()? >= counted, "of {counted} waits some are gone");

    let reloaded = unix_time()?;
    reload("[ebpf]\nclassic_buckets = 'pow2'\n")?;
    let second = starts()?;
    let now = unix_time()?;
    ensure!(
        first.0 < reloaded && reloaded - 0.01 <= second.0 && second.0 <= now,
        "{WAITS} since {}, then {}, loaded between {reloaded} and {now}",
        first.0,
        second.0
    );
    ensure!(second.1 == first.1, "{OTHERS:?} since {:?}, then {:?}", first.1, second.1);
    Ok(())
}

fn unix_time() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
