//! What each probe counts, against what somebody else counts under a known load: a file a probe. The live tests run all
//! of it on this machine, and the guest of `cargo xtask vm` on other kernels.

mod packet_drops;
mod runqueue;
mod socket_drops;
mod tcp_connections;
mod tcp_events;

use std::{collections::BTreeSet, env, fs};

use anyhow::{Context, Result, ensure};
use hostlens::ebpf::btf::Btf;

use crate::Agent;

/// A claim about the families of a collector, held against a judge of its own.
#[derive(Debug)]
pub struct Check {
    pub collector: &'static str,
    /// What is claimed, in a few words.
    pub claim: &'static str,
    /// Puts the load on, and fails when the agent is off by more than the check's bound. The text has the figures.
    pub run: fn(&Agent) -> Result<String>,
}

/// All checks, probe by probe.
pub const ALL: &[&[Check]] = &[
    packet_drops::CHECKS,
    runqueue::CHECKS,
    socket_drops::CHECKS,
    tcp_connections::CHECKS,
    tcp_events::CHECKS,
];

/// A config in which all that is checked is enabled.
pub fn config() -> String {
    let collectors: BTreeSet<&str> = ALL.iter().copied().flatten().map(|it| it.collector).collect();
    collectors.iter().map(|it| format!("[collector.{it}]\nenabled = true\n")).collect()
}

/// Runs all checks of one agent, one after the other. Fails with all that failed, when each has been run.
///
/// # Errors
/// When a collector is not running, or a check fails.
pub fn run_all(agent: &Agent) -> Result<()> {
    let mut failures = Vec::new();
    for Check { collector, claim, run } in ALL.iter().copied().flatten() {
        match run(agent) {
            Ok(figures) => println!("{collector}: {claim}: {figures}"),
            Err(error) => failures.push(format!("{collector}: {claim}: {error:#}")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// The kernel hands parameters that it does not know to init: see `src/bin/guest.rs`.
const GUEST: &str = "hostlens_guest";

fn is_emulated() -> bool {
    env::var_os(GUEST).is_some()
}

/// Runs a check of what anybody on this machine may do at the same time, until it holds: others upset a run or two, a
/// fault upsets all.
fn undisturbed(check: impl Fn() -> Result<String>) -> Result<String> {
    const RUNS: usize = 5;
    let mut outcome = check();
    for _ in 1..RUNS {
        if let Err(error) = &outcome {
            println!("again: {error:#}");
            outcome = check();
        }
    }
    outcome
}

/// What the running kernel has hooks for.
fn hooks() -> Result<Btf> {
    let types = fs::read("/sys/kernel/btf/vmlinux").context("read the kernel's types")?;
    Btf::parse(types).map_err(|why| anyhow::anyhow!("{why}"))
}
