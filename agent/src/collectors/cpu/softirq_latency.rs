//! How long softirqs wait to run and then take, counted by the probe `ebpf-probes/src/probes/softirq_time.rs` where each is
//! raised, begins and ends.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Histograms, Probe, Settings, Use,
        declared::softirq_time::{self, NAMES},
    },
};
use std::sync::Arc;

metrics! {
    LATENCY: Histogram "node_softirq_latency_seconds" ["type"], "Time from a softirq's being raised to its running. One that is raised again meanwhile counts once, since the first time.";
    DURATION: Histogram "node_softirq_duration_seconds" ["type"], "Time that each softirq ran, with the interrupts that came meanwhile.";
}

const FEATURES: &[&str] = &["LATENCY"];

pub(super) struct SoftirqLatency {
    probe: Arc<Probe>,
    latencies: Histograms,
    durations: Histograms,
    slots: Slots,
}

impl Spec for SoftirqLatency {
    const SUMMARY: &'static str = "How long softirqs wait to run and how long each takes, by eBPF where each is raised, begins and ends.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &softirq_time::SPEC, features: FEATURES }];
    const COST: &'static str = "some 150 ns at each softirq on top of those of softirq_time";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&softirq_time::SPEC, FEATURES, &Settings::default())?;
        Ok(Self {
            latencies: probe.histograms(softirq_time::LATENCIES)?,
            durations: probe.histograms(softirq_time::DURATIONS)?,
            slots: probe::latency_slots(host, 4e-7..=0.5),
            probe,
        })
    }
}

impl Collector for SoftirqLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (family, histograms) in [(LATENCY, &self.latencies), (DURATION, &self.durations)] {
            for (name, times) in NAMES.iter().zip(histograms.rows()).filter(|it| it.1.sum != 0) {
                probe::fill(out.push_histogram(family, [name]), &self.slots, &times);
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
