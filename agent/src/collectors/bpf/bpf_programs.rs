//! What hostlens' own programs in the kernel cost: the runs and time that they count themselves (`probe-abi`'s
//! `Meter`), and what the kernel says of them in `/proc/self/fdinfo`, see proc_pid_fdinfo(5).

use crate::{
    collectors::prelude::*,
    source::ebpf::{Probes, Standing},
};
use std::time::{Duration, UNIX_EPOCH};

metrics! {
    RUN_SECONDS: Counter "hostlens_bpf_probe_run_seconds_total" ["probe"], "CPU time that the eBPF programs of each of hostlens' probes took, estimated. About one run in 128 is timed and stands for the others, capped at 8 microseconds. What it takes to call a program is measured at start and added.";
    RUNS: Counter "hostlens_bpf_probe_runs_total" ["probe"], "Runs of the eBPF programs of each of hostlens' probes.";
    MISSED: Counter "hostlens_bpf_program_recursion_missed_total" ["probe"], "Events that the eBPF programs of each of hostlens' probes did not see, because they ran on that CPU already (from Linux 5.12).";
    MAP_MEMORY: Gauge "hostlens_bpf_map_memory_bytes" ["probe"], "Kernel memory of the eBPF maps of each of hostlens' probes; `hostlens doctor` has each map.";
    RETRY: Gauge "hostlens_bpf_probe_retry_timestamp_seconds" ["probe"], "Unix time at which a probe that was detached, because it cost more than [ebpf.budget] allows, will be attached again.";
    CPU: Gauge "hostlens_bpf_probe_cpu_ratio" ["probe"], "Share of the machine's CPU time that the probe's programs took in the last window of [ebpf.budget].";
}

pub(super) struct BpfPrograms {
    probes: Probes,
}

impl Spec for BpfPrograms {
    const SUMMARY: &'static str = "What hostlens' own eBPF programs and maps cost, in time and memory.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        // Where probes are switched off there is nothing to measure.
        let kernel = host.kernel().map_err(|error| Error::Absent(error.to_string()))?;
        Ok(Self { probes: kernel.probes().clone() })
    }
}

impl Collector for BpfPrograms {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let probes = self.probes.list();
        for (idx, probe) in probes.iter().enumerate() {
            let name = probe.spec().name;
            // One that was loaded anew is there in its old form until the last scrape that reads it has ended.
            if probes[idx + 1..].iter().any(|later| later.spec().name == name) {
                continue;
            }
            let start = Some(probe.start());
            let costs = probe.costs();
            let time: Duration = costs.iter().map(|it| it.time).sum();
            out.push_since(RUN_SECONDS, [name], time.as_secs_f64(), start);
            out.push_since(RUNS, [name], costs.iter().map(|it| it.runs).sum::<u64>(), start);
            let missed = costs.iter().filter_map(|it| it.missed).reduce(|a, b| a + b);
            out.push_since(MISSED, [name], missed, start);
            out.push(MAP_MEMORY, [name], probe.memory().maps.iter().map(|it| it.bytes).sum::<u64>());
            if let Standing::OverBudget(excess) = probe.standing() {
                let retry_at = excess.retry_at.duration_since(UNIX_EPOCH).unwrap_or_default();
                out.push(RETRY, [name], retry_at.as_secs_f64());
            }
            out.push(CPU, [name], probe.share());
        }
        match probes[..] {
            [] => Err(Error::Absent("no probe is loaded".to_owned())),
            _ => Ok(()),
        }
    }
}
