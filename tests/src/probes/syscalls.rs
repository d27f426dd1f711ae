//! System calls that hardly anybody makes, so many of a kind, and so many that fail.

use anyhow::{Result, ensure};
use rustix::{
    io::Errno,
    process::{Pid, getsid},
    system::sysinfo,
};

use super::{Check, undisturbed};
use crate::{Agent, Exposition};

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "syscalls",
    claim: "calls and failures are as many as were made",
    run: |agent| undisturbed(|| counted(agent)),
}];

const CALLS: u32 = 10_000;
const FAILURES: u32 = 500;

fn counted(agent: &Agent) -> Result<String> {
    let nobody = Pid::from_raw(i32::MAX);
    let before = agent.scrape()?;
    for _ in 0..CALLS {
        sysinfo();
    }
    for _ in 0..FAILURES {
        ensure!(getsid(nobody) == Err(Errno::SRCH), "there is a process of the highest number");
    }
    let after = agent.scrape()?;
    let grown = |family, labels: &[(&str, &str)]| {
        let sum = |page: &Exposition| page.samples(family, labels).map(|it| it.value).sum::<f64>();
        sum(&after) - sum(&before)
    };
    let n_calls = grown("node_syscalls_total", &[("syscall", "sysinfo")]);
    let n_failures = grown("node_syscall_failures_total", &[("syscall", "getsid")]);
    let n_errors = grown("node_syscall_errors_total", &[("error", "no such process")]);
    let figures = format!("{n_calls} of {CALLS} calls, {n_failures} and {n_errors} of {FAILURES} failures");
    let (calls, failures) = (f64::from(CALLS), f64::from(FAILURES));
    ensure!(n_calls == calls && n_failures == failures && n_errors == failures, "{figures}");
    Ok(figures)
}
