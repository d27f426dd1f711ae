//! Few descriptors: probes keep none of the process' own, and count all the same.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use hostlens_tests::{Agent, KernelObjects, truth};

use crate::budget;

fn start(limit: u32, config: &str) -> Result<Agent> {
    let args = ["--web.enable-lifecycle", "--security.privileges=retain"];
    Agent::start_prepared(config, &args, |_, command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        *command = shell;
    })
}

/// What is the matter with each collector at the second scrape: the first one opens what is kept.
fn states(agent: &Agent) -> Result<Vec<truth::State>> {
    agent.scrape()?;
    truth::states(&agent.scrape()?)
}

pub(crate) fn are_enough() -> Result<()> {
    let many = states(&start(1024, "")?)?;
    for limit in [40, 64, 128, 256] {
        let few = states(&start(limit, "")?)?;
        ensure!(few == many, "with {limit} descriptors {few:?}, else {many:?}");
    }
    Ok(())
}

pub(crate) fn probes_count_and_go() -> Result<()> {
    const FEW: u32 = 40;
    budget::is_kept(&start(FEW, budget::CONFIG)?)?;
    let agent = start(FEW, "")?;
    let reload = |config: &str| -> Result<()> {
        agent.configure(config)?;
        let answer = agent.reload()?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(())
    };
    let counted = || -> Result<[f64; 2]> {
        let scrape = agent.scrape()?;
        let stopped = scrape.value("node_sched_runqueue_flawed_waits_total", &[("flaw", "stopped_clock")])?;
        Ok([scrape.value("node_sched_runqueue_latency_seconds_count", &[])?, stopped])
    };
    let before = counted()?;
    agent.wait_until("waits are counted", || Ok(counted()?[0] > before[0] + 100.0))?;
    // It reads the clocks of CPUs, which are gone when their map is closed.
    ensure!(counted()?[1] == before[1], "clocks cannot be read");
    let held = KernelObjects::held_by(agent.pid())?;
    ensure!(held.links.len() >= 2, "it holds but {held}");
    reload("[ebpf]\nenabled = \"never\"\n")?;
    held.wait_until_gone(Duration::from_secs(1))?;
    reload("")?;
    let held = KernelObjects::held_by(agent.pid())?;
    ensure!(held.links.len() >= 2, "after a reload it holds but {held}");
    agent.signal(rustix::process::Signal::KILL)?;
    held.wait_until_gone(Duration::from_secs(1))?;
    Ok(())
}

pub(crate) fn too_few_are_told() -> Result<()> {
    let has_probe = |it: &truth::State| {
        hostlens::all_collectors().any(|entry| entry.name == it.collector && !entry.probes.is_empty())
    };
    let files =
        |states: Vec<truth::State>| states.into_iter().filter(|it| !has_probe(it)).collect::<Vec<_>>();
    let many = files(states(&start(1024, "")?)?);
    let few = states(&start(28, "")?)?;
    let lacking: Vec<_> = few.iter().filter(|it| it.state == "unavailable").cloned().collect();
    ensure!(!lacking.is_empty(), "28 descriptors are enough by now: take fewer");
    ensure!(lacking.iter().all(|it| it.reason.contains("Too many open files")), "{lacking:?}");
    let few = files(few);
    ensure!(few == many, "with few descriptors {few:?}, else {many:?}");
    Ok(())
}
