//! Signals that are sent, counted by the probe `ebpf-probes/src/probes/signals.rs` at each.

use crate::{
    collectors::{prelude::*, probe},
    source::ebpf::{
        Counters, Probe, Settings, Use,
        declared::signals::{self, KINDS, RESULTS},
    },
};
use std::sync::Arc;

metrics! {
    SENT: Counter "node_signals_total" ["signal", "result"], "Signals that were sent, and what became of them: delivered, ignored, already_pending, or overflow and lost_info where too many wait for their process.";
}

/// In the kernel's order.
const RESULT_NAMES: [&str; RESULTS] = ["delivered", "ignored", "already_pending", "overflow", "lost_info"];

pub(super) struct Signals {
    probe: Arc<Probe>,
    sent: Counters,
}

impl Spec for Signals {
    const SUMMARY: &'static str = "Signals that are sent, and what becomes of them, by eBPF at each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&signals::SPEC)];
    const COST: &'static str = "some 100 ns at each signal";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&signals::SPEC, &[], &Settings::default())?;
        Ok(Self { sent: probe.counters(signals::SENT)?, probe })
    }
}

impl Collector for Signals {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (row, n) in self.sent.rows().enumerate().filter(|it| it.1 != 0) {
            match row < KINDS {
                true => {
                    let (signal, result) = (row / RESULTS, RESULT_NAMES[row % RESULTS]);
                    out.push(SENT, (probe::signal(signal), result), n);
                }
                false => out.push(SENT, ["~other", ""], n),
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
