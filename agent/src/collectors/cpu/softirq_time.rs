//! How long softirqs run, counted by the probe `ebpf-probes/src/probes/softirq_time.rs` where each begins and ends.

use crate::{
    collectors::prelude::*,
    source::ebpf::{
        Probe, Settings, Table, Use,
        declared::softirq_time::{self, NAMES, TYPE_ROWS},
    },
};
use std::sync::Arc;

metrics! {
    TIME: Counter "node_softirq_seconds_total" ["cpu", "type"], "Time that each CPU ran softirqs of each type, including interrupts that came meanwhile. It is measured; node_cpu_seconds_total is usually sampled.";
}

pub(super) struct SoftirqTime {
    probe: Arc<Probe>,
    times: Table<u64>,
}

impl Spec for SoftirqTime {
    const SUMMARY: &'static str = "How long softirqs of each type run, by eBPF at both ends of each.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&softirq_time::SPEC)];
    const COST: &'static str = "some 120 ns at each softirq";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&softirq_time::SPEC, &[], &Settings::default())?;
        Ok(Self { times: probe.table(softirq_time::TIMES)?, probe })
    }
}

impl Collector for SoftirqTime {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (row, ns) in self.times.rows().enumerate().filter(|it| it.1 != 0) {
            out.push(TIME, (row / TYPE_ROWS, NAMES[row % TYPE_ROWS]), ns as f64 / 1e9);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
