//! `cargo xtask dashboards`: every query of every dashboard, asked of a real Prometheus that scrapes the agent.

mod groups;
mod hosts;
mod load;
mod queries;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    bench::exporter::Exporter,
    peers,
    process::{cargo, output, run as run_command, workspace},
    prometheus::Prometheus,
};
use groups::Group;
use load::Load;
use queries::{Query, Reads};

pub(crate) const SUMMARY: &str = "ask a real Prometheus every query of every dashboard, which wants data";
pub(crate) const HELP: &str = "\
usage: cargo xtask dashboards

Starts the agent with the collectors that the dashboards read, some load, and two Prometheuses that scrape it: one with
native histograms, one without. Every query wants data of both, but for those of the other kind of histogram, and those
that this host has nothing for: they are named with the reason, which is checked. Needs root. Takes a minute.
";

/// The job of the rules and the dashboards.
const JOB: &str = "node";

/// Of scrapes that are two seconds apart.
const RATE_INTERVAL: &str = "20s";

/// So long the queries' rates need.
const WARM_UP: Duration = Duration::from_secs(25);

/// So long rare events may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "dashboards takes no argument");
    run_command(cargo().args(["build", "--package", "hostlens"]))?;
    let program = workspace().join("target/debug/hostlens");
    let listed: Value =
        serde_json::from_str(&output(Command::new(&program).args(["collectors", "--json"]))?)?;
    let queries = queries::all(&listed)?;
    let folder = tempfile::tempdir()?;
    let flags = queries::collectors(&listed, &queries)?.into_iter().map(|it| format!("--collector.{it}"));
    let agent = Exporter::start("hostlens", &program, &flags.collect::<Vec<_>>(), "identity")?;
    let load = (Load::start(folder.path())?, Group::start(&workspace().join("target"))?);
    let databases = [true, false].map(|has_native| Database::start(folder.path(), agent.address, has_native));
    let databases: Vec<Database> = databases.into_iter().collect::<Result<_>>()?;
    sleep(WARM_UP);
    let mut faults = Vec::new();
    for database in &databases {
        let name = &database.prometheus.name;
        let (mut n_answered, mut n_other) = (0, 0);
        println!("{name}:");
        let deadline = Instant::now() + PATIENCE;
        for query in &queries {
            let is_other = match query.reads {
                Reads::All => false,
                Reads::Native => !database.has_native,
                Reads::Classic => database.has_native,
            };
            let lack = if is_other { None } else { hosts::lack(query) };
            let until = if is_other || lack.is_some() { Instant::now() } else { deadline };
            let has_data = database.has_data(query, agent.address, until)?;
            match (has_data, is_other, lack) {
                (true, false, None) => n_answered += 1,
                (false, true, _) => n_other += 1,
                (false, false, Some(why)) => println!("  no data, as {why}: {query}"),
                (false, false, None) => faults.push(format!("{name}: no data: {query}")),
                (true, true, _) => faults.push(format!("{name}: data of the other histograms: {query}")),
                (true, false, Some(why)) => faults.push(format!("{name}: data, though {why}: {query}")),
            }
        }
        println!(
            "  {n_answered} of {} queries have data, {n_other} read the other histograms alone",
            queries.len()
        );
    }
    drop(load);
    for fault in &faults {
        eprintln!("{fault}");
    }
    ensure!(faults.is_empty(), "{} queries are not as they should be", faults.len());
    Ok(())
}

/// A Prometheus that scrapes the agent every other second.
struct Database {
    prometheus: Prometheus,
    has_native: bool,
}

impl Database {
    fn start(folder: &Path, agent: SocketAddr, has_native: bool) -> Result<Self> {
        let name = if has_native { "with native histograms" } else { "without" };
        let program = peers::get("prometheus")?;
        // A flag up to 3.7, then a key.
        let version = output(Command::new(&program).arg("--version"))?;
        let has_key = !(0..8).any(|minor| version.contains(&format!("version 3.{minor}.")));
        let key = if has_native && has_key { ", scrape_native_histograms: true" } else { "" };
        let mut flags = vec!["--storage.tsdb.path=data"];
        flags.extend((has_native && !has_key).then_some("--enable-feature=native-histograms"));
        let config = format!(
            "global: {{scrape_interval: 2s{key}}}\nscrape_configs:\n  - job_name: {JOB}\n    static_configs: \
             [{{targets: [\"{agent}\"]}}]\n"
        );
        // Free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let prometheus = Prometheus::start(&program, name, folder, address, &config, &flags)?;
        Ok(Self { prometheus, has_native })
    }

    /// Whether there is an answer with a number, or a histogram, by the `deadline`.
    fn has_data(&self, query: &Query, agent: SocketAddr, deadline: Instant) -> Result<bool> {
        let expression = query.filled(JOB, &agent.to_string(), RATE_INTERVAL);
        loop {
            let series = self.prometheus.query(&expression)?;
            let is_number = |it: &Value| {
                it.get("histogram").is_some() || it["value"][1].as_str().is_some_and(|it| it != "NaN")
            };
            if series.iter().any(is_number) || Instant::now() >= deadline {
                return Ok(series.iter().any(is_number));
            }
            sleep(Duration::from_secs(1));
        }
    }
}
