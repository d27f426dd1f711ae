//! How long interrupts' handlers run, counted by the probe `ebpf-probes/src/probes/irq_time.rs` at both ends of each. The
//! names are those of `/sys/kernel/irq/<number>/actions`.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Counters, Histogram, Probe, Settings, Table, Use,
        declared::irq_time::{self, IRQS},
    },
};
use std::{fs, path::PathBuf, sync::Arc};

metrics! {
    TIME: Counter "node_irq_handler_seconds_total" ["irq", "device"], "Time that the handlers of each interrupt ran, by its number and the devices that have it. Timers and calls between CPUs are no interrupts of devices and not in it.";
    DURATION: Histogram "node_irq_handler_duration_seconds" [], "Time that each call of an interrupt's handler took.";
}

pub(super) struct IrqTime {
    probe: Arc<Probe>,
    times: Counters,
    durations: Table<Histogram>,
    slots: Slots,
    names: PathBuf,
}

impl Spec for IrqTime {
    const SUMMARY: &'static str =
        "How long interrupts' handlers run, by device, by eBPF at both ends of each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&irq_time::SPEC)];
    const COST: &'static str = "some 300 ns at each interrupt of a device";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&irq_time::SPEC, &[], &Settings::default())?;
        Ok(Self {
            times: probe.counters(irq_time::TIMES)?,
            durations: probe.table(irq_time::DURATIONS)?,
            slots: probe::latency_slots(host, 4e-7..=0.1),
            names: host.sys("kernel/irq"),
            probe,
        })
    }
}

impl Collector for IrqTime {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (irq, ns) in self.times.rows().enumerate().filter(|it| it.1 != 0) {
            let seconds = ns as f64 / 1e9;
            if irq == IRQS {
                out.push(TIME, ["~other", ""], seconds);
                continue;
            }
            // An interrupt that was given back since has no name any more.
            let name = fs::read_to_string(self.names.join(format!("{irq}/actions"))).unwrap_or_default();
            out.push(TIME, (irq, name.trim_end()), seconds);
        }
        let durations = &self.durations;
        probe::fill(out.push_histogram(DURATION, ()), &self.slots, &durations.sum(0..durations.len()));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
