//! How long the kernel's workers take, counted by the probe `ebpf-probes/src/probes/workqueues.rs` at both ends of each
//! work.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histogram, Probe, Settings, Table, Use, declared::workqueues},
};
use std::sync::Arc;

metrics! {
    DURATION: Histogram "node_workqueue_execution_seconds" [], "Time that the kernel's workers took for each work that was queued for them, with what they waited for meanwhile; how long it was queued is not in it.";
    LOST: Counter "node_workqueue_executions_lost_total" [], "Pieces of work not counted elsewhere, because more than 4096 ran at once.";
}

pub(super) struct Workqueues {
    probe: Arc<Probe>,
    durations: Table<Histogram>,
    lost: Table<u64>,
    slots: Slots,
}

impl Spec for Workqueues {
    const SUMMARY: &'static str = "How long the kernel's workers take, by eBPF at both ends of each work.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&workqueues::SPEC)];
    const COST: &'static str = "some 350 ns at each work";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&workqueues::SPEC, &[], &Settings::default())?;
        Ok(Self {
            durations: probe.table(workqueues::DURATIONS)?,
            lost: probe.table(workqueues::UNSEEN)?,
            slots: probe::latency_slots(host, 1e-6..=8.0),
            probe,
        })
    }
}

impl Collector for Workqueues {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        probe::fill(out.push_histogram(DURATION, ()), &self.slots, &self.durations.sum(0..1));
        out.push(LOST, (), self.lost.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
