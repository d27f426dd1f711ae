//! Memory that is touched for the first time, a page at a time.

use anyhow::{Result, ensure};

use super::{Check, beside, counter};
use crate::{Agent, truth::Bounded};

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "page_faults", claim: "each page that is touched is one", run: touches }];

const PAGE: usize = 4096;
const PAGES: usize = 2000;
/// Too little for a huge page.
const PIECE: usize = 200 << 10;

/// The kernel counts only those that it could mend by itself, and others of its own for programs.
const BOUND: f64 = 0.05;

fn touches(agent: &Agent) -> Result<String> {
    let faults = beside(
        agent,
        "node_page_faults_total",
        &[],
        || counter("/proc/vmstat", "pgfault "),
        || {
            for _ in 0..PAGES * PAGE / PIECE + 1 {
                let mut memory = vec![0_u8; PIECE];
                memory.iter_mut().step_by(PAGE).for_each(|it| *it = 1);
                std::hint::black_box(&memory);
                // Not given back, so that the next one is not the same.
                std::mem::forget(memory);
            }
            Ok(())
        },
    )?;
    // Some pieces are where others were before.
    ensure!(faults.low >= (PAGES / 2) as f64, "only {} faults", faults.low);
    let bounds = Bounded { low: faults.low * (1.0 - BOUND), high: faults.high * (1.0 + BOUND), ..faults };
    bounds.inside()?;
    Ok(faults.to_string())
}
