//! Pauses of tasks that write faster than the disks, counted by the probe
//! `ebpf-probes/src/probes/writeback_throttle.rs` at `balance_dirty_pages`.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histogram, Probe, Settings, Table, Use, declared::writeback_throttle},
};
use rustix::time::{ClockId, clock_getres};
use std::sync::Arc;

metrics! {
    PAUSES: Histogram "node_writeback_throttle_seconds" [], "Pauses that the kernel imposed on tasks that write to files faster than their disks do: their intended length, in whole ticks of its clock.";
}

pub(super) struct WritebackThrottle {
    probe: Arc<Probe>,
    pauses: Table<Histogram>,
    slots: Slots,
}

impl Spec for WritebackThrottle {
    const SUMMARY: &'static str = "How long tasks pause because the disks do not keep up with them, by eBPF.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&writeback_throttle::SPEC)];
    const COST: &'static str = "some 50 ns at each pause";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        // The coarse clock goes on at each tick.
        let tick = clock_getres(ClockId::MonotonicCoarse).tv_nsec as u32;
        let settings = Settings { constants: &[("TICK", tick)], ..Settings::default() };
        let probe = host.kernel()?.probe(&writeback_throttle::SPEC, &[], &settings)?;
        let pauses = probe.table(writeback_throttle::PAUSES)?;
        Ok(Self { pauses, slots: probe::latency_slots(host, 1e-3..=8.0), probe })
    }
}

impl Collector for WritebackThrottle {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        probe::fill(out.push_histogram(PAUSES, ()), &self.slots, &self.pauses.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
