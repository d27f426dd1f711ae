//! `cargo xtask dashboards`: every query of every dashboard, asked of a real Prometheus that scrapes the agent.

mod groups;
mod hosts;
mod load;
mod queries;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    peers,
    process::{cargo, output, run as run_command, workspace},
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
    let agent_address = free_address()?;
    let flags = queries::collectors(&listed, &queries)?.into_iter().map(|it| format!("--collector.{it}"));
    let mut agent = Command::new(&program);
    agent.arg(format!("--web.listen-address={agent_address}")).args(flags);
    let _agent = Running::start(&mut agent)?;
    let load = (Load::start(folder.path())?, Group::start(&workspace().join("target"))?);
    let databases = [
        ("with native histograms", Prometheus::start(folder.path(), agent_address, true)?),
        ("without", Prometheus::start(folder.path(), agent_address, false)?),
    ];
    sleep(WARM_UP);
    let mut faults = Vec::new();
    for (name, database) in &databases {
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
            let has_data = database.has_data(query, agent_address, until)?;
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
struct Prometheus {
    _running: Running,
    address: SocketAddr,
    client: ureq::Agent,
    has_native: bool,
}

impl Prometheus {
    fn start(folder: &Path, agent: SocketAddr, has_native: bool) -> Result<Self> {
        let address = free_address()?;
        let name = if has_native { "native" } else { "classic" };
        let config = folder.join(format!("{name}.yml"));
        let program = peers::get("prometheus")?;
        let mut command = Command::new(&program);
        // A flag up to 3.7, then a key.
        let version = output(Command::new(&program).arg("--version"))?;
        let has_key = !(0..8).any(|minor| version.contains(&format!("version 3.{minor}.")));
        let key = if has_native && has_key { ", scrape_native_histograms: true" } else { "" };
        if has_native && !has_key {
            command.arg("--enable-feature=native-histograms");
        }
        fs::write(
            &config,
            format!(
                "global: {{scrape_interval: 2s{key}}}\nscrape_configs:\n  - job_name: {JOB}\n    static_configs: \
                 [{{targets: [\"{agent}\"]}}]\n"
            ),
        )?;
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join(name).display()))
            .arg(format!("--web.listen-address={address}"));
        let client = ureq::Agent::config_builder().proxy(None).build().into();
        Ok(Self { _running: Running::start(&mut command)?, address, client, has_native })
    }

    /// Whether there is an answer with a number, or a histogram, by the `deadline`.
    fn has_data(&self, query: &Query, agent: SocketAddr, deadline: Instant) -> Result<bool> {
        let expression = query.filled(JOB, &agent.to_string(), RATE_INTERVAL);
        loop {
            let answer = self.ask(&expression).with_context(|| format!("ask {expression}"))?;
            let series = answer["data"]["result"].as_array().context("an answer without a result")?;
            let is_number = |it: &Value| {
                it.get("histogram").is_some() || it["value"][1].as_str().is_some_and(|it| it != "NaN")
            };
            if series.iter().any(is_number) || Instant::now() >= deadline {
                return Ok(series.iter().any(is_number));
            }
            sleep(Duration::from_secs(1));
        }
    }

    fn ask(&self, expression: &str) -> Result<Value> {
        let url = format!("http://{}/api/v1/query", self.address);
        let text = self.client.get(url).query("query", expression).call()?.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// A program that is ended on drop.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut running =
            Self(child.with_context(|| format!("start {}", command.get_program().to_string_lossy()))?);
        sleep(Duration::from_secs(1));
        if let Some(status) = running.0.try_wait()? {
            bail!("{} ended: {status}", command.get_program().to_string_lossy());
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
