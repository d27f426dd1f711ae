//! For how long tasks are without a CPU, counted by the probe `ebpf-probes/src/probes/runqueue.rs` at each context switch.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histograms, Probe, Settings, Table, Use, declared::runqueue},
};
use std::sync::Arc;

metrics! {
    TIMES: Histogram "node_sched_offcpu_seconds" ["reason"], "Time that tasks were without a CPU, from leaving one until they got one again, the wait in the run queue at the end included, by the state in which they left it: preempted could have gone on, sleep waits for an event or a signal, uninterruptible for a disk or a lock of the kernel, idle are the kernel's threads without work, stopped those that are traced or stopped. Tasks that have none yet are not in it.";
    LOST: Counter "node_sched_offcpu_lost_total" [], "Times not counted elsewhere, because two tasks without a CPU have numbers that are a multiple of 32768 apart, or because the probe was detached for a while since the task left its CPU.";
}

const FEATURES: &[&str] = &["OFFCPU"];

/// In the order of the probe's numbers.
const REASONS: [&str; 6] = ["preempted", "sleep", "uninterruptible", "idle", "stopped", "other"];

pub(super) struct Offcpu {
    probe: Arc<Probe>,
    times: Histograms,
    lost: Table<u64>,
    slots: Slots,
}

impl Spec for Offcpu {
    const SUMMARY: &'static str =
        "How long tasks are off the CPU, by the reason they left it, by eBPF at each context switch.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &runqueue::SPEC, features: FEATURES }];
    const COST: &'static str = "70 to 100 ns at each context switch on top of those of runqueue";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&runqueue::SPEC, FEATURES, &Settings::default())?;
        Ok(Self {
            times: probe.histograms(runqueue::OFFCPU_TIMES)?,
            lost: probe.table(runqueue::UNSEEN)?,
            slots: probe::latency_slots(host, 1e-6..=32.0),
            probe,
        })
    }
}

impl Collector for Offcpu {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (reason, times) in REASONS.into_iter().zip(self.times.rows()).filter(|it| it.1.sum != 0) {
            probe::fill(out.push_histogram(TIMES, [reason]), &self.slots, &times);
        }
        out.push(LOST, (), self.lost.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
