//! How long runnable tasks wait for a CPU, counted by the probe `ebpf-probes/src/probes/runqueue.rs` at each context
//! switch: the run queue's clock less the time at which the task was queued, and what it waited on other queues before.
//!
//! A wait begins when a task wakes up, is new, or loses the CPU although it could go on, and ends when it gets one. Tasks
//! of any class are counted, the kernel's own among them. In a wait is also the time for which a quota holds a group of
//! tasks back (on most kernels), and that for which a hypervisor takes the CPU away. The idle task is not counted, so that
//! there are as many waits as switches to another task.

use crate::{
    collector::LeftOut,
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histogram, Probe, QueueClock, Settings, Table, Use, declared::runqueue},
};
use std::sync::Arc;

metrics! {
    LATENCY: Histogram "node_sched_runqueue_latency_seconds" [], "Time that tasks waited for a CPU, from being woken, begun or preempted until they ran, however often they were moved: of all tasks but the idle one, with the time that a quota or a hypervisor held them back.";
    WAIT: Counter "node_sched_runqueue_wait_seconds_total" ["cpu"], "Time that tasks waited in the run queue of each CPU before they ran on it.";
    FLAWED: Counter "node_sched_runqueue_flawed_waits_total" ["flaw"], "Waits whose start is missing or after their end (not in the latency: no_stamp, negative, moved_asleep), and waits that may be counted too short (stopped_clock, and at most so many unknown_moves).";
}

pub(super) struct Runqueue {
    probe: Arc<Probe>,
    /// A row for each possible CPU: the waits of the tasks that it took.
    waits: Table<Histogram>,
    /// A row for each possible CPU: what could not be counted there.
    clocks: Table<QueueClock>,
    slots: Slots,
}

impl Spec for Runqueue {
    const SUMMARY: &'static str = "How long runnable tasks wait for a CPU, by eBPF at each context switch.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&runqueue::SPEC)];
    const COST: &'static str = "60 to 110 ns at each context switch";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&runqueue::SPEC, &[], &Settings::default())?;
        let (waits, clocks) = (probe.table(runqueue::WAITS)?, probe.table(runqueue::CLOCKS)?);
        Ok(Self { waits, clocks, slots: probe::latency_slots(host, 4e-6..=0.5), probe })
    }
}

impl Collector for Runqueue {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let waits = &self.waits;
        probe::fill(out.push_histogram(LATENCY, ()), &self.slots, &waits.sum(0..waits.len()));
        for (cpu, waits) in waits.rows().enumerate().filter(|(_, waits)| waits.sum != 0) {
            out.push(WAIT, [cpu], waits.sum as f64 / 1e9);
        }
        let QueueClock { negative, unknown, unqueued, asleep, unread, .. } =
            self.clocks.sum(0..self.clocks.len());
        for (flaw, n_waits) in [
            ("moved_asleep", asleep),
            ("negative", negative),
            ("no_stamp", unqueued),
            ("stopped_clock", unread),
            ("unknown_moves", unknown),
        ] {
            out.push(FLAWED, [flaw], n_waits);
        }
        Ok(())
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let told = |error| LeftOut {
            place: "the CPUs' clocks".to_owned(),
            reason: format!(
                "they cannot be counted ({error}), so waits after a wake-up that preempts are too short"
            ),
            remedy: "let hostlens call perf_event_open(2) at its start, with CAP_PERFMON",
        };
        self.probe.uncounted_clocks().map(told).into_iter().collect()
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
