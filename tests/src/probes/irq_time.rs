//! Reads of a disk, which interrupts when it has done each.

use std::{fs::read_to_string, io::Write};

use anyhow::{Context, Result, ensure};

use super::{Check, beside, on_disk};
use crate::Agent;

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "irq_time", claim: "each handler that runs is timed once", run: counts }];

const WRITES: usize = 200;

/// An interrupt that is shared calls several handlers.
const SHARED: f64 = 1.5;

fn counts(agent: &Agent) -> Result<String> {
    let mut disk = on_disk()?;
    let irqs = beside(agent, "node_irq_handler_duration_seconds_count", &[], interrupts, || {
        for _ in 0..WRITES {
            disk.write_all(&[1; 4096])?;
            disk.sync_data()?;
        }
        Ok(())
    })?;
    ensure!(irqs.low >= WRITES as f64, "only {} interrupts", irqs.low);
    ensure!(irqs.agent >= irqs.low * 0.99 && irqs.agent <= irqs.high * SHARED, "out of bounds: {irqs}");
    Ok(irqs.to_string())
}

/// The rows of /proc/interrupts with a number.
fn interrupts() -> Result<f64> {
    let text = read_to_string("/proc/interrupts")?;
    let n_cpus = text.lines().next().context("/proc/interrupts is empty")?.split_whitespace().count();
    let rows = text.lines().filter(|it| it.trim_start().starts_with(|it: char| it.is_ascii_digit()));
    rows.flat_map(|it| it.split_whitespace().skip(1).take(n_cpus))
        .map(|it| it.parse::<f64>().context("read a count"))
        .sum()
}
