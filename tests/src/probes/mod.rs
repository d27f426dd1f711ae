//! What each probe counts, against what somebody else counts under a known load: a file a probe. The live tests run all
//! of it on this machine, and the guest of `cargo xtask vm` on other kernels.

mod packet_drops;
mod runqueue;

use anyhow::{Result, ensure};

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
pub const ALL: &[&[Check]] = &[packet_drops::CHECKS, runqueue::CHECKS];

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
