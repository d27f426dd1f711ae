//! Work that the kernel gives each CPU's worker on request.

use std::{fs::write, thread::available_parallelism};

use anyhow::{Context, Result, ensure};

use super::{Check, growth};
use crate::Agent;

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "workqueues", claim: "each request is a work for each CPU", run: refreshes }];

const REQUESTS: usize = 200;

/// It returns when all CPUs have refreshed their figures (mm/vmstat.c: `vmstat_refresh`).
fn refreshes(agent: &Agent) -> Result<String> {
    let expected = (REQUESTS * available_parallelism()?.get()) as f64;
    let works = growth(agent, "node_workqueue_execution_seconds_count", &[], || {
        (0..REQUESTS).try_for_each(|_| write("/proc/sys/vm/stat_refresh", "1").context("ask for a refresh"))
    })?;
    ensure!(works >= expected, "{works} works of {expected}");
    Ok(format!("{works} of {expected}"))
}
