//! How long the kernel's timers run when they are due, counted by the probe `ebpf-probes/src/probes/timer_handlers.rs` at
//! both ends of each.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histograms, Probe, Settings, Use, declared::timer_handlers},
};
use std::sync::Arc;

metrics! {
    DURATION: Histogram "node_timer_handler_seconds" ["type"], "Time that the kernel's timers ran when they were due: timer are those that wait for a tick, hrtimer the fine ones, which sleeping programs wait for.";
}

pub(super) struct TimerHandlers {
    probe: Arc<Probe>,
    durations: Histograms,
    slots: Slots,
}

impl Spec for TimerHandlers {
    const SUMMARY: &'static str = "How long the kernel's timers run, by eBPF at both ends of each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&timer_handlers::SPEC)];
    const COST: &'static str = "some 400 ns at each timer that is due";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&timer_handlers::SPEC, &[], &Settings::default())?;
        let durations = probe.histograms(timer_handlers::DURATIONS)?;
        Ok(Self { durations, slots: probe::latency_slots(host, 4e-7..=0.1), probe })
    }
}

impl Collector for TimerHandlers {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (name, durations) in ["timer", "hrtimer"].into_iter().zip(self.durations.rows()) {
            probe::fill(out.push_histogram(DURATION, [name]), &self.slots, &durations);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
