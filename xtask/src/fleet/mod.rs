//! `cargo xtask fleet`: hundreds of agents on this machine, each in a network namespace of its own, and what they cost a
//! Prometheus that scrapes them.

mod hosts;
mod page;
mod prometheus;
mod report;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt as _};
use nix::sched::{CloneFlags, unshare};

use self::{
    hosts::Hosts,
    prometheus::{Role, Server},
    report::{Count, Report, Row},
};
use crate::{bench::exporter, peers, process::require};

pub(crate) const SUMMARY: &str =
    "scrape hundreds of agents in network namespaces; what that costs Prometheus";
pub(crate) const HELP: &str = "\
usage: cargo xtask fleet [options]
       cargo xtask fleet --check

  --preset NAME     a fleet with this preset; may be repeated (default: minimal and node_exporter)
  --hosts N         measure with so many; may be repeated, rising (default: 50, 100 and 200)
  --minutes M       how long the largest fleet is measured, each way; smaller ones take a third (default: 10)
  --probes N        hosts that load the preset's probes and those of runqueue and block_io; the others load none
                    (default: 4)
  --hostlens FILE   the agent (default: target/release/hostlens, built first)
  --check           start nothing: promtool checks the configs of agent/docs/fleet.md

Needs root, iproute2 and Prometheus, which it fetches (`cargo xtask peers`). The server's config is the first of
agent/docs/fleet.md, its rules are those of config/prometheus. After that, the largest fleet is scraped by a Prometheus in
agent mode that writes to a second one. Fails when an agent is not up, a scrape was missed or brought nothing, or when
native histograms of hosts with probes do not arrive. Prints the table for that page.
";

/// Of the page's configs.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// For all of a fleet to be up.
const START_LIMIT: Duration = Duration::from_secs(180);

struct Options {
    presets: Vec<String>,
    counts: Vec<usize>,
    time: Duration,
    n_probes: usize,
    hostlens: Option<PathBuf>,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if args == ["--check"] {
        return page::check();
    }
    let options = parse(args)?;
    require("ip", "iproute2")?;
    let hostlens = exporter::hostlens(options.hostlens.as_deref())?.canonicalize()?;
    let prometheus = peers::get("prometheus")?;
    // Everything that is started from here on is in there, and it ends with the last of them.
    unshare(CloneFlags::CLONE_NEWNET).context("enter a network namespace, as root")?;
    hosts::make_bridge()?;
    let mut report = Report::default();
    for preset in &options.presets {
        measure(preset, &options, &hostlens, &prometheus, &mut report)?;
    }
    println!("\n{}", report.render());
    ensure!(report.faults.is_empty(), "{}", report.faults.join("\n"));
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let (mut presets, mut counts, mut minutes, mut n_probes, mut hostlens) = (vec![], vec![], 10.0, 4, None);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("preset") => presets.push(parser.value()?.string()?),
            Arg::Long("hosts") => counts.push(parser.value()?.parse()?),
            Arg::Long("minutes") => minutes = parser.value()?.parse()?,
            Arg::Long("probes") => n_probes = parser.value()?.parse()?,
            Arg::Long("hostlens") => hostlens = Some(PathBuf::from(parser.value()?)),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if presets.is_empty() {
        presets = ["minimal", "node_exporter"].map(str::to_owned).into();
    }
    if counts.is_empty() {
        counts = vec![50, 100, 200];
    }
    ensure!(counts.is_sorted() && counts[0] >= n_probes, "--hosts rises, from --probes on");
    let time = Duration::try_from_secs_f64(minutes * 60.0).context("so many minutes")?;
    ensure!(time / 3 >= SCRAPE_INTERVAL * 3, "in so short a time there are too few scrapes");
    Ok(Options { presets, counts, time, n_probes, hostlens })
}

/// A fleet of one preset, as it grows, and then scraped the other way.
fn measure(
    preset: &str,
    options: &Options,
    hostlens: &Path,
    prometheus: &Path,
    report: &mut Report,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut hosts = Hosts::new(hostlens, preset, options.n_probes, folder.path());
    let server = Server::start(prometheus, Role::Server, folder.path())?;
    let largest = options.counts.last().copied().unwrap_or_default();
    for &n_hosts in &options.counts {
        hosts.grow(n_hosts)?;
        let time = if n_hosts == largest { options.time } else { options.time / 3 };
        observe(preset, &hosts, &[&server], time, report)?;
    }
    drop(server);
    let receiver = Server::start(prometheus, Role::Receiver, folder.path())?;
    let agent = Server::start(prometheus, Role::Agent, folder.path())?;
    observe(preset, &hosts, &[&receiver, &agent], options.time, report)
}

/// Rows of the fleet as it is, a server each; the first of them has the samples.
fn observe(
    preset: &str,
    hosts: &Hosts,
    servers: &[&Server],
    time: Duration,
    report: &mut Report,
) -> Result<()> {
    let n_hosts = hosts.len();
    let started = Instant::now();
    let asked = servers[0];
    while asked.number("sum(up) or vector(0)")? < n_hosts as f64 {
        ensure!(
            started.elapsed() < START_LIMIT,
            "of {n_hosts} {preset} hosts some are not up: {}",
            hosts.log()
        );
        thread::sleep(Duration::from_secs(1));
    }
    // The scrapes of a host that was just found are not in step yet.
    thread::sleep(SCRAPE_INTERVAL * 2);
    println!("{preset}, {n_hosts} hosts: all up after {} s", started.elapsed().as_secs());
    let before = Count::take(hosts, servers)?;
    thread::sleep(time);
    let after = Count::take(hosts, servers)?;
    let faults = asked.missed(n_hosts, time)?.into_iter().chain(asked.histograms(hosts.n_probes())?);
    let faults: Vec<_> =
        faults.map(|it| format!("{preset}, {n_hosts} hosts, {}: {it}", asked.role.name())).collect();
    if !faults.is_empty() {
        println!("{}\nthe agents said:\n{}", faults.join("\n"), hosts.log());
    }
    report.faults.extend(faults);
    for row in Row::each(preset, hosts, servers, &before, &after)? {
        report.add(row);
    }
    Ok(())
}
