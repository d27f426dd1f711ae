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
    Agent, KernelObjects,
    judge::{Begin, Bounds, Judge, Load, Verdict},
    probes, replay,
    truth::{self, Operation},
};
use rustix::process::Signal;

/// Tasks that end while the load runs take with them what they waited last.
const WAIT_BOUND: f64 = 0.1;
const REQUESTS_BOUND: f64 = 0.01;
/// Half a bucket of schema 3.
const QUANTILE_BOUND: f64 = 0.045;

/// What the probe may differ from its judge by: it is known to lose the beginning of waits that are moved, and to read a
/// clock that has stopped after a wake-up that preempts.
const JUDGED: Bounds = Bounds { count: 0.005, sum: 0.4, quantile: 1.0, lowest: 0.8 };

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
    let unchecked: Vec<_> = hostlens::collectors::all()
        .filter(|entry| !entry.probes.is_empty() && !checked(entry.name))
        .map(|entry| entry.name)
        .collect();
    // Theirs are the tests below.
    assert_eq!(unchecked, ["runqueue", "block_io"]);
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn waits_for_a_cpu_add_up_to_the_run_delay_of_all_tasks() -> Result<()> {
    let _alone = alone();
    truth::run_queue_wait(&Agent::start("", &[])?)?.within(WAIT_BOUND)?;
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn counts_a_wait_for_every_switch_of_a_ping_pong() -> Result<()> {
    let _alone = alone();
    truth::run_queue_count(&Agent::start("", &[])?)?.inside()?;
    Ok(())
}

/// Others run as well, so the quantiles of all waits are only bounded by those of ours. But no wait may be in another
/// bucket than its own, and once the others are taken out the quantiles must be right.
#[test]
#[ignore = "loads probes: needs root and BTF"]
fn puts_each_wait_for_a_cpu_into_its_bucket() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    let busy = Duration::from_micros(2)..Duration::from_micros(200);
    let replay = replay::run_queue(&agent, busy, 50_000)?;
    for quantile in replay.quantiles() {
        quantile.within(QUANTILE_BOUND)?;
    }
    let own = replay.without_others()?;
    ensure!(own.n_waits() > 25_000, "only {} of 50000 handovers made a thread wait", own.n_waits());
    for quantile in own.quantiles() {
        println!("{quantile}");
        quantile.alone_within(QUANTILE_BOUND)?;
    }
    Ok(())
}

/// Who judges is judged by those who waited.
#[test]
#[ignore = "loads probes: needs root and BTF"]
fn the_judge_sees_what_threads_see_of_themselves() -> Result<()> {
    let _alone = alone();
    let (judge, own) = Judge::check()?;
    println!("{judge:.3} s waited, {own:.3} s stopped");
    ensure!((judge / own - 1.0).abs() < 0.03, "{judge} s waited, {own} s stopped");
    Ok(())
}

/// Loads that are not pinned: they wake across CPUs, begin tasks, move and preempt.
#[test]
#[ignore = "loads probes: needs root and BTF"]
fn waits_for_a_cpu_are_those_of_the_judge() -> Result<()> {
    let _alone = alone();
    for load in Load::ALL {
        println!("{}", Verdict::on(load, Begin::Runnable)?.within(JUDGED)?);
    }
    Ok(())
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
