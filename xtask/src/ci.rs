//! `cargo xtask ci`: all that a change must pass, in the order in which it fails soonest.

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    peers,
    process::{cargo, run as run_command, workspace},
};

pub(crate) const SUMMARY: &str = "everything that a change must pass; .ci/run installs what it needs";
pub(crate) const HELP: &str = "\
usage: cargo xtask ci

Runs as root on a kernel with BTF: it loads probes, and rebuilds them to compare.
";

/// A step is cargo's, one of our own verbs, or a peer's (see `cargo xtask peers`).
#[derive(Clone, Copy)]
enum Step {
    Cargo(&'static [&'static str]),
    Verb(&'static [&'static str]),
    Peer(&'static str, &'static [&'static str]),
}

const STEPS: &[(&str, Step)] = &[
    ("format", Step::Cargo(&["fmt", "--all", "--check"])),
    ("tidy", Step::Verb(&["tidy"])),
    ("lints", Step::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("dependencies", Step::Verb(&["deny"])),
    ("rules", Step::Peer("promtool", &["test", "rules", "config/prometheus/tests/hostlens.test.yml"])),
    ("rules for Kubernetes", Step::Verb(&["rules", "--check"])),
    ("scrape config", Step::Peer("promtool", &["check", "config", "config/prometheus/prometheus.yml"])),
    ("scrape configs of a fleet", Step::Verb(&["fleet", "--check"])),
    ("manifests", Step::Verb(&["manifests"])),
    ("probes come from their sources", Step::Verb(&["ebpf", "--check"])),
    ("other kernels", Step::Verb(&["vm"])),
    ("systemd unit", Step::Verb(&["systemd"])),
    ("beside node_exporter", Step::Verb(&["dropin"])),
    ("tests", Step::Verb(&["test", "--live"])),
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "ci takes no argument");
    let mut durations = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let started = Instant::now();
        run_command(&mut step.command()?).with_context(|| format!("step `{name}`"))?;
        durations.push((name, started.elapsed()));
        println!("=== {name}: {}", seconds(started.elapsed()));
    }
    let all: Duration = durations.iter().map(|it| it.1).sum();
    let parts: Vec<String> =
        durations.iter().map(|(name, time)| format!("{name} {}", seconds(*time))).collect();
    println!("\n=== all passed in {}: {}", seconds(all), parts.join(", "));
    Ok(())
}

impl Step {
    fn command(self) -> Result<Command> {
        let (mut command, args) = match self {
            Self::Cargo(args) => (cargo(), args),
            Self::Verb(args) => (Command::new(env::current_exe().context("find this program")?), args),
            Self::Peer(program, args) => (Command::new(peers::get(program)?), args),
        };
        command.args(args).current_dir(workspace());
        Ok(command)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
