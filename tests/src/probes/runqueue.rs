//! Waits for a CPU, followed one by one by a judge, under loads that are not pinned: they wake across CPUs, begin tasks,
//! move and preempt.

use anyhow::{Result, ensure};

use super::{Check, is_emulated};
use crate::judge::{Bounds, Judge, Load, Verdict};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "runqueue",
        claim: "the judge sees what threads see of themselves",
        run: |_| {
            let (judge, own) = Judge::check()?;
            let figures = format!("{judge:.3} s waited of {own:.3} s stopped");
            // An emulated CPU is taken away from threads that the kernel thinks are running: they stop, and do not wait.
            let bound = if is_emulated() { 0.5 } else { 0.03 };
            ensure!((judge / own - 1.0).abs() < bound, "{figures}");
            Ok(figures)
        },
    },
    Check { collector: "runqueue", claim: "waits on idle CPUs", run: |_| judged(Load::Quiet) },
    Check { collector: "runqueue", claim: "waits on busy CPUs", run: |_| judged(Load::Busy) },
    Check { collector: "runqueue", claim: "waits of tasks that are moved", run: |_| judged(Load::Forks) },
];

/// A quantile may be off by one slot.
const NATIVE: Bounds = Bounds { count: 0.005, sum: 0.02, quantile: 0.0906, lowest: 0.02 };

/// Emulated CPUs are slow, and starve now and then.
const EMULATED: Bounds = Bounds { count: 0.05, sum: 0.05, ..NATIVE };

/// Once more if it fails: a machine that others disturb upsets a run, a fault upsets all.
fn judged(load: Load) -> Result<String> {
    let bounds = if is_emulated() { EMULATED } else { NATIVE };
    let run = || Verdict::on(load, is_emulated())?.within(bounds);
    Ok(run().or_else(|_| run())?.to_string())
}
