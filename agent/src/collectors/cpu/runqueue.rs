//! How long runnable tasks wait for a CPU, counted by the probe `ebpf-probes/src/probes/runqueue.rs` at each context
//! switch: the run queue's clock less the time at which the task was queued.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histogram, Probe, Settings, Table, Use, declared::runqueue},
};
use std::sync::Arc;

metrics! {
    LATENCY: Histogram "node_sched_runqueue_latency_seconds" [], "Time from becoming runnable to running, for each switch to a task.";
    WAIT: Counter "node_sched_runqueue_wait_seconds_total" ["cpu"], "Time that tasks waited in the run queue of each CPU before they ran on it.";
}

pub(super) struct Runqueue {
    probe: Arc<Probe>,
    /// A row for each possible CPU: the waits of the tasks that it took.
    waits: Table<Histogram>,
    slots: Slots,
}

impl Spec for Runqueue {
    const SUMMARY: &'static str = "How long runnable tasks wait for a CPU, by eBPF at each context switch.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&runqueue::SPEC)];
    const COST: &'static str = "some 15 ns at each context switch";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&runqueue::SPEC, &[], &Settings::default())?;
        Ok(Self { waits: probe.table(runqueue::WAITS)?, slots: probe::latency_slots(host), probe })
    }
}

impl Collector for Runqueue {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let waits = &self.waits;
        probe::fill(out.push_histogram(LATENCY, ()), &self.slots, &waits.sum(0..waits.len()));
        for (cpu, waits) in waits.rows().enumerate().filter(|(_, waits)| waits.sum != 0) {
            out.push(WAIT, [cpu], waits.sum as f64 / 1e9);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
