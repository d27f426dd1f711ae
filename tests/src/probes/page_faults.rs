//! Memory that is touched for the first time, a page at a time.

use anyhow::{Context, Result, ensure};
use memmap2::{Advice, MmapMut};

use super::{Check, beside, counter};
use crate::{Agent, truth::Bounded};

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "page_faults", claim: "each page that is touched is one", run: touches }];

const PAGE: usize = 4096;
const PAGES: usize = 2000;

/// The kernel counts only those that it could mend by itself, and others of its own for programs.
const BOUND: f64 = 0.05;

fn touches(agent: &Agent) -> Result<String> {
    let kernel = || counter("/proc/vmstat", "pgfault ");
    let touch = || {
        // Memory of its own: what an allocator hands out may have been touched before.
        let mut memory = MmapMut::map_anon(PAGES * PAGE)?;
        memory.advise(Advice::NoHugePage).context("have no huge pages")?;
        memory.iter_mut().step_by(PAGE).for_each(|it| *it = 1);
        Ok(())
    };
    let faults = beside(agent, "node_page_faults_total", &[], kernel, touch)?;
    ensure!(faults.low >= PAGES as f64, "only {} faults", faults.low);
    let bounds = Bounded { low: faults.low * (1.0 - BOUND), high: faults.high * (1.0 + BOUND), ..faults };
    bounds.inside()?;
    Ok(faults.to_string())
}
