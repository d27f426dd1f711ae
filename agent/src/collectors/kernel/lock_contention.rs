//! How long threads wait for locks of the kernel, counted by the probe `ebpf-probes/src/probes/lock_contention.rs` at both
//! ends of each wait.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histograms, Probe, Settings, Table, Use, declared::lock_contention, lock::NAMES},
};
use std::sync::Arc;

metrics! {
    WAITS: Histogram "node_lock_contention_seconds" ["type"], "Time that threads and interrupts waited for a lock of the kernel that another one had, by the kind of lock, until they got it or gave up: spinlock and rwlock spin, rwsem, percpu_rwsem, semaphore and mutex sleep, and a mutex spins first. Locks that are got at once are not in it, nor are futexes of programs.";
    LOST: Counter "node_lock_contention_lost_total" [], "Waits that are not counted elsewhere: they began before the probe did, or another one began within them, or two threads that wait have numbers that are a multiple of 32768 apart.";
}

pub(super) struct LockContention {
    probe: Arc<Probe>,
    waits: Histograms,
    lost: Table<u64>,
    slots: Slots,
}

impl Spec for LockContention {
    const SUMMARY: &'static str = "How long threads wait for locks of the kernel, by eBPF at both ends of each wait; from Linux 5.19 on.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&lock_contention::SPEC)];
    const COST: &'static str = "some 600 ns at either end of each wait for a lock";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&lock_contention::SPEC, &[], &Settings::default())?;
        Ok(Self {
            waits: probe.histograms(lock_contention::WAITS)?,
            lost: probe.table(lock_contention::ENDS)?,
            slots: probe::latency_slots(host, 4e-7..=1.0),
            probe,
        })
    }
}

impl Collector for LockContention {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (name, waits) in NAMES.into_iter().zip(self.waits.rows()) {
            probe::fill(out.push_histogram(WAITS, [name]), &self.slots, &waits);
        }
        out.push(LOST, (), self.lost.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
