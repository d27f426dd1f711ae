//! Waits for a CPU, followed one by one by a judge, under loads that are not pinned: they wake across CPUs, begin tasks,
//! move and preempt.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Check, is_emulated};
use crate::judge::{Accused, Bounds, Judge, Load, Verdict};

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

/// What none but a guest may do.
pub(super) const IN_GUESTS: &[Check] = &[Check {
    collector: "runqueue",
    claim: "waits while a CPU is gone, and when it is back",
    run: |_| without_a_cpu(),
}];

/// Once more if it fails: a machine that others disturb upsets a run, a fault upsets all.
fn judged(load: Load) -> Result<String> {
    let bounds = if is_emulated() { Bounds::EMULATED } else { Bounds::NATIVE };
    let run = || Verdict::on(load, is_emulated())?.within(bounds);
    Ok(run().or_else(|_| run())?.to_string())
}

/// Of a probe that was loaded before.
fn without_a_cpu() -> Result<String> {
    const CPU: &str = "/sys/devices/system/cpu/cpu1/online";
    let set = |is_online| fs::write(CPU, is_online).with_context(|| format!("write {is_online} to {CPU}"));
    let probe = Accused::load()?;
    let judged = |bounds| {
        let run = || Verdict::of(&probe, Load::Busy, true)?.within(bounds);
        run().or_else(|_| run())
    };
    set("0")?;
    let gone = judged(Bounds::EMULATED);
    set("1")?;
    // The event of its clock counts no more: some waits are too short.
    let (gone, back) = (gone?, judged(Bounds { lowest: 0.1, ..Bounds::EMULATED })?);
    Ok(format!("{gone}; {back}"))
}
