//! Processes that begin, execute and end, counted by the probe `ebpf-probes/src/probes/process_events.rs` at each.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Histogram, Probe, Settings, Table, Use,
        declared::process_events::{self, Event},
    },
};
use std::sync::Arc;

metrics! {
    FORKS: Counter "node_process_forks_total" ["kind"], "Processes and threads that began, those of the kernel among them; both together are node_forks_total.";
    EXECS: Counter "node_process_execs_total" [], "Programs that processes executed; attempts that failed are not in it.";
    EXITS: Counter "node_process_exits_total" ["cause"], "Processes that ended: success with exit status 0, failure with another status, signal killed by a signal. Threads that end before their process are not in it.";
    SIGNALS: Counter "node_process_exit_signals_total" ["signal"], "Processes that a signal ended, by the signal.";
    LIFETIME: Histogram "node_process_lifetime_seconds" [], "Time from the beginning of each process to its end; all that lived for more than 32 seconds are in one bucket.";
}

pub(super) struct ProcessEvents {
    probe: Arc<Probe>,
    events: Table<u64>,
    killed: Table<u64>,
    lifetimes: Table<Histogram>,
    slots: Slots,
}

impl Spec for ProcessEvents {
    const SUMMARY: &'static str = "Processes that begin, execute and end, and why, by eBPF at each.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&process_events::SPEC)];
    const COST: &'static str = "some 120 ns at each beginning and program, 400 ns at each end";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&process_events::SPEC, &[], &Settings::default())?;
        Ok(Self {
            events: probe.table(process_events::EVENTS)?,
            killed: probe.table(process_events::KILLED)?,
            lifetimes: probe.table(process_events::LIFETIMES)?,
            slots: probe::latency_slots(host, 1e-3..=32.0),
            probe,
        })
    }
}

impl Collector for ProcessEvents {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let n = |event: Event| self.events.sum(event as usize..event as usize + 1);
        out.push(FORKS, ["process"], n(Event::Process));
        out.push(FORKS, ["thread"], n(Event::Thread));
        out.push(EXECS, (), n(Event::Exec));
        out.push(EXITS, ["success"], n(Event::Success));
        out.push(EXITS, ["failure"], n(Event::Failure));
        let mut killed = 0;
        for (signal, n) in self.killed.rows().enumerate().filter(|it| it.1 != 0) {
            killed += n;
            out.push(SIGNALS, [probe::signal(signal)], n);
        }
        out.push(EXITS, ["signal"], killed);
        probe::fill(out.push_histogram(LIFETIME, ()), &self.slots, &self.lifetimes.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
