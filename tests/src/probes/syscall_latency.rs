//! Files that are written to the disk, which hardly anybody has done: their number and the application's clock are the
//! judges.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Check, growth, on_disk, undisturbed};
use crate::Agent;

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "syscall_latency",
    claim: "each call has a time, which is the application's",
    run: |agent| undisturbed(|| timed(agent)),
}];

const CALLS: u32 = 200;
const FAMILY: &str = "node_syscall_latency_seconds";

fn timed(agent: &Agent) -> Result<String> {
    let sync = [("class", "sync")];
    let mut file = on_disk()?;
    let mut took = Duration::ZERO;
    let mut sum = 0.0;
    let n_calls = growth(agent, &format!("{FAMILY}_count"), &sync, || {
        sum = growth(agent, &format!("{FAMILY}_sum"), &sync, || {
            for _ in 0..CALLS {
                file.write_all(&[1; 4096])?;
                let begin = Instant::now();
                file.sync_data()?;
                took += begin.elapsed();
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let took = took.as_secs_f64();
    let figures = format!("{n_calls} of {CALLS}, {:.2} of {:.2} ms", sum * 1e3, took * 1e3);
    ensure!(n_calls == f64::from(CALLS) && (sum / took - 1.0).abs() < 0.1, "{figures}");
    Ok(figures)
}
