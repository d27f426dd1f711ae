//! Turns of tasks on CPUs: why they ended, how long they were, and how far tasks are moved between them; counted by the
//! probe `ebpf-probes/src/probes/runqueue.rs` at each context switch and move.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::{
        cpus::{CpuPlaces, Place},
        ebpf::{
            Histogram, Probe, Settings, Table, Use, Words,
            declared::runqueue::{self, COUNT_WORDS, Distance, Switch},
        },
    },
};
use std::sync::Arc;

metrics! {
    SWITCHES: Counter "node_sched_context_switches_total" ["cpu", "kind"], "Context switches by what each CPU left: a task that went to wait (voluntary), one that could have gone on (involuntary: preempted, or gave way), or nothing to do (idle). All of them are node_context_switches_total.";
    TURNS: Histogram "node_sched_timeslice_seconds" [], "Time that tasks kept a CPU in one turn, interrupts included. The idle task is left out, and so are turns that have not ended.";
    MOVES: Counter "node_sched_migrations_total" ["distance"], "Moves of tasks to another CPU: of the same last-level cache (llc), of the same NUMA node (node), or of another one (remote); unknown where sysfs does not say it.";
}

const FEATURES: &[&str] = &["TURNS"];

pub(super) struct SchedTurns {
    probe: Arc<Probe>,
    counts: Table<u64>,
    turns: Table<Histogram>,
    places: CpuPlaces,
    told: Arc<Words>,
    slots: Slots,
}

impl Spec for SchedTurns {
    const SUMMARY: &'static str =
        "Why CPUs leave their tasks, how long tasks run in a turn, and how far they are moved, by eBPF.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use { probe: &runqueue::SPEC, features: FEATURES }];
    const COST: &'static str =
        "some 20 ns at each context switch on top of those of runqueue, 30 at each move of a task";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&runqueue::SPEC, FEATURES, &Settings::default())?;
        let mut it = Self {
            counts: probe.table(runqueue::COUNTS)?,
            turns: probe.table(runqueue::TURN_TIMES)?,
            places: CpuPlaces::new(host)?,
            told: probe.writable(runqueue::PLACES)?.0,
            slots: probe::latency_slots(host, 4e-6..=0.5),
            probe,
        };
        it.tell_places()?;
        Ok(it)
    }
}

impl SchedTurns {
    /// Tells the probe where CPUs are that came online.
    fn tell_places(&mut self) -> Result<(), Error> {
        for Place { cpu, cache, node } in self.places.changed()? {
            self.told.store(cpu, runqueue::place(cache, node));
        }
        Ok(())
    }
}

impl Collector for SchedTurns {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let counts: Vec<u64> = self.counts.rows().collect();
        let kinds =
            [("idle", Switch::Idle), ("involuntary", Switch::Involuntary), ("voluntary", Switch::Voluntary)];
        for (cpu, counts) in counts.chunks_exact(COUNT_WORDS).enumerate().filter(|it| it.1[..3] != [0; 3]) {
            for (label, kind) in kinds {
                out.push(SWITCHES, (cpu, label), counts[kind as usize]);
            }
        }
        let turns = &self.turns;
        probe::fill(out.push_histogram(TURNS, ()), &self.slots, &turns.sum(0..turns.len()));
        for (label, distance) in [
            ("llc", Distance::Cache),
            ("node", Distance::Node),
            ("remote", Distance::Remote),
            ("unknown", Distance::Unknown),
        ] {
            let moves = counts.iter().skip(distance as usize).step_by(COUNT_WORDS).sum::<u64>();
            out.push(MOVES, [label], moves);
        }
        self.tell_places()
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
