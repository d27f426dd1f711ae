//! Processes and threads of known number, that end in known ways.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{Check, beside, counter, growth};
use crate::Agent;

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "process_events",
        claim: "processes and threads begin as often as /proc/stat says",
        run: forks,
    },
    Check { collector: "process_events", claim: "each exec is one", run: execs },
    Check { collector: "process_events", claim: "each end has its cause", run: exits },
    Check { collector: "process_events", claim: "each life is as long as it was", run: lifetimes },
];

const N: u32 = 100;

fn forks(agent: &Agent) -> Result<String> {
    let forks = beside(
        agent,
        "node_process_forks_total",
        &[],
        || counter("/proc/stat", "processes "),
        || {
            for _ in 0..N {
                thread::spawn(|| ()).join().ok().context("join a thread")?;
                program(agent).arg("--version").status()?;
            }
            Ok(())
        },
    )?;
    ensure!(forks.low >= f64::from(2 * N), "{} of {} forks in /proc/stat", forks.low, 2 * N);
    forks.inside()?;
    let threads = growth(agent, "node_process_forks_total", &[("kind", "thread")], || {
        (0..N).try_for_each(|_| thread::spawn(|| ()).join().ok().context("join a thread"))
    })?;
    ensure!(threads >= f64::from(N), "{threads} of {N} threads");
    Ok(format!("{forks}"))
}

fn execs(agent: &Agent) -> Result<String> {
    let execs = growth(agent, "node_process_execs_total", &[], || run(agent, "--version"))?;
    ensure!(execs >= f64::from(N), "{execs} of {N} execs");
    Ok(format!("{execs} of {N}"))
}

fn exits(agent: &Agent) -> Result<String> {
    let mut figures = Vec::new();
    for (cause, flag) in [("success", "--version"), ("failure", "--no-such-flag")] {
        let exits = growth(agent, "node_process_exits_total", &[("cause", cause)], || run(agent, flag))?;
        ensure!(exits >= f64::from(N), "{exits} of {N} ends by {cause}");
        figures.push(format!("{cause} {exits} of {N}"));
    }
    for (name, signal) in [("SIGKILL", Signal::KILL), ("SIGXCPU", Signal::XCPU)] {
        let killed = growth(agent, "node_process_exit_signals_total", &[("signal", name)], || {
            (0..N).try_for_each(|_| end(idle(agent)?, signal))
        })?;
        // Nobody else is ended by the one of them.
        let is_all = if signal == Signal::XCPU { killed == f64::from(N) } else { killed >= f64::from(N) };
        ensure!(is_all, "{killed} of {N} ends by {name}");
        figures.push(format!("{name} {killed} of {N}"));
    }
    Ok(figures.join(", "))
}

/// The sum grows by what ours lived at least, and the count by as many as ended.
fn lifetimes(agent: &Agent) -> Result<String> {
    let begin = Instant::now();
    let mut lived = Duration::ZERO;
    let before = agent.scrape()?.histogram("node_process_lifetime_seconds", &[])?;
    for time in [300, 600, 900].map(Duration::from_millis) {
        let child = idle(agent)?;
        thread::sleep(time);
        end(child, Signal::KILL)?;
        lived += time;
    }
    let grown = agent.scrape()?.histogram("node_process_lifetime_seconds", &[])?.since(&before);
    let longest = grown.sum / begin.elapsed().as_secs_f64();
    ensure!(grown.count >= 3.0 && grown.sum >= lived.as_secs_f64(), "{} s in {}", grown.sum, grown.count);
    Ok(format!(
        "{:.3} s in {} ends, ours {:.3} s in 3; {longest:.1} at a time",
        grown.sum,
        grown.count,
        lived.as_secs_f64()
    ))
}

fn run(agent: &Agent, flag: &str) -> Result<()> {
    (0..N).try_for_each(|_| program(agent).arg(flag).status().map(drop).context("run the agent's program"))
}

/// The agent's program: the only one that is in every guest.
fn program(agent: &Agent) -> Command {
    let mut command = Command::new(format!("/proc/{}/exe", agent.pid()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// One that runs until it is killed.
pub(super) fn running(agent: &Agent, args: &[&str]) -> Result<Child> {
    let mut command = program(agent);
    command.arg("--web.listen-address=127.0.0.1:0").args(args);
    command.spawn().context("start the agent's program")
}

fn idle(agent: &Agent) -> Result<Child> {
    running(agent, &["--collector.disable-defaults"])
}

fn end(mut child: Child, signal: Signal) -> Result<()> {
    kill_process(Pid::from_child(&child), signal)?;
    child.wait()?;
    Ok(())
}
