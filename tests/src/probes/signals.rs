//! Signals that nobody waits for.

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, getpid, kill_process};

use super::{Check, growth};
use crate::Agent;

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "signals", claim: "each signal is one", run: ignored }];

const SIGNALS: u32 = 1000;

fn ignored(agent: &Agent) -> Result<String> {
    let labels = [("signal", "SIGURG"), ("result", "ignored")];
    let sent = growth(agent, "node_signals_total", &labels, || {
        (0..SIGNALS).try_for_each(|_| kill_process(getpid(), Signal::URG).context("send a signal"))
    })?;
    ensure!(sent == f64::from(SIGNALS), "{sent} signals of {SIGNALS}");
    Ok(format!("{sent} of {SIGNALS}"))
}
