//! What CPUs count by perf_event_open(2), against what the kernel counts elsewhere.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{Agent, Exposition};

const CONFIG: &str = "collector.disable_defaults = true\n[ebpf]\nenabled = \"never\"\n";
const ARGS: &[&str] = &[
    "--collector.perf",
    "--collector.perf.disable-hardware-profilers",
    "--collector.perf.disable-cache-profilers",
    "--collector.perf.tracepoint=sched:sched_process_fork",
];

/// The family, and the file and the word before the kernel's own count.
const JUDGES: [(&str, &str, &str); 3] = [
    ("node_perf_context_switches_total", "/proc/stat", "ctxt"),
    ("node_perf_sched_sched_process_fork", "/proc/stat", "processes"),
    ("node_perf_page_faults_total", "/proc/vmstat", "pgfault"),
];

fn kernel_counts() -> Result<[f64; 3]> {
    let mut counts = [0.0; 3];
    for (count, (_, file, word)) in counts.iter_mut().zip(JUDGES) {
        let text = fs::read_to_string(file)?;
        let number = text.lines().find_map(|it| it.strip_prefix(word)?.trim().parse().ok());
        *count = number.with_context(|| format!("{word} in {file}"))?;
    }
    Ok(counts)
}

/// Between two scrapes, as much as the kernel counts between them; as much again as it counts while they are made may
/// come in addition. Faults of tasks that end meanwhile are not all in /proc/vmstat at once, so they get some room.
pub(crate) fn are_those_of_the_kernel() -> Result<()> {
    const ROOM: f64 = 0.02;
    let agent = Agent::start(CONFIG, ARGS)?;
    let before = kernel_counts()?;
    let first = agent.scrape()?;
    let begin = kernel_counts()?;
    for _ in 0..300 {
        ensure!(Command::new("true").status()?.success(), "true is false");
    }
    let end = kernel_counts()?;
    let last = agent.scrape()?;
    let after = kernel_counts()?;
    for (idx, (family, ..)) in JUDGES.into_iter().enumerate() {
        let sum = |page: &Exposition| page.sum(family, &[]);
        let ours = sum(&last)? - sum(&first)?;
        let (least, most) =
            ((end[idx] - begin[idx]) * (1.0 - ROOM), (after[idx] - before[idx]) * (1.0 + ROOM));
        ensure!(
            ours >= least && ours <= most && ours >= 300.0,
            "{family}: {ours}, the kernel has {least} to {most}"
        );
    }
    let absent = last.samples("node_perf_cpucycles_total", &[]).count();
    ensure!(absent == 0, "counters of the hardware were switched off");
    Ok(())
}
