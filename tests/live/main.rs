//! What the agent's probes count on this machine, against what its kernel counts elsewhere. They load probes, so they
//! need root (or CAP_BPF and CAP_PERFMON) and a kernel with BTF; `cargo xtask test` runs them where it can.
//!
//! And what it says where no probe can run: that some of the reasons are there takes no privilege.

mod budget;
mod disk;
mod reasons;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use hostlens_tests::{
    Agent, KernelObjects, probes,
    truth::{self, Operation},
};
use rustix::process::Signal;

const REQUESTS_BOUND: f64 = 0.01;

/// One test at a time: each counts what happens on the whole machine.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn every_probe_counts_what_its_judge_counts() -> Result<()> {
    let _alone = alone();
    probes::run_all(&Agent::start("", &[])?)
}

/// No collector reads a probe whose numbers nobody checks.
#[test]
fn every_collector_with_a_probe_is_checked() {
    let checked = |name: &str| probes::ALL.iter().copied().flatten().any(|it| it.collector == name);
    let unchecked: Vec<_> = hostlens::all_collectors()
        .filter(|entry| !entry.probes.is_empty() && !checked(entry.name))
        .map(|entry| entry.name)
        .collect();
    // Its are the tests below.
    assert_eq!(unchecked, ["block_io"]);
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn leaves_nothing_in_the_kernel_when_it_is_killed() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    agent.scrape()?;
    let held = KernelObjects::held_by(agent.pid())?;
    ensure!(held.programs.len() >= 2 && held.maps.len() >= 2 && held.links.len() >= 2, "it holds but {held}");
    agent.signal(Signal::KILL)?;
    held.wait_until_gone(Duration::from_secs(1))?;
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root, BTF and a disk below the target directory"]
fn counts_every_request_of_a_disk() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    let n_requests = 4000;
    let file = disk::File::for_requests(n_requests)?;
    for operation in [Operation::Read, Operation::Write] {
        let requests = truth::block_requests(&agent, &file.disk, file.path(), operation, n_requests)?;
        requests.widened(REQUESTS_BOUND).inside()?;
    }
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn what_costs_more_than_the_budget_is_detached_and_comes_back() -> Result<()> {
    let _alone = alone();
    budget::is_kept()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn no_collector_fails() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    let states = truth::states(&agent.scrape()?)?;
    let bad: Vec<_> =
        states.iter().filter(|it| !["running", "absent"].contains(&it.state.as_str())).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    ensure!(agent.stop()?.success(), "the agent did not end well");
    Ok(())
}
