//! Threads that had to look for memory themselves, counted by the probe `ebpf-probes/src/probes/memory_stalls.rs` where
//! the kernel begins and ends to reclaim and to compact.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Counters, Histogram, Probe, Settings, Table, Use,
        declared::memory_stalls::{self, LOST, Stall},
    },
};
use std::sync::Arc;

metrics! {
    RECLAIM: Histogram "node_memory_reclaim_stall_seconds" ["kind"], "Time that threads which asked for memory spent on freeing some first, each time they had to: direct, because the host was short of it; memcg, because their cgroup was at its limit. The work of kswapd is not in it.";
    RECLAIMED: Counter "node_memory_reclaimed_pages_total" ["kind"], "Pages that threads freed themselves to get the memory they asked for.";
    COMPACTION: Histogram "node_memory_compaction_stall_seconds" [], "Time that threads which asked for a large piece of memory spent on moving pages to make one, zone by zone, khugepaged included. The work of kcompactd is not in it.";
    WAKES: Counter "node_memory_kswapd_wakes_total" ["node"], "How often kswapd began to free memory of a NUMA node, or was told to go on.";
    LOST_STALLS: Counter "node_memory_stalls_lost_total" [], "Stalls that are not counted elsewhere, because more than 4096 threads were in one at once.";
}

pub(super) struct MemoryStalls {
    probe: Arc<Probe>,
    stalls: Table<Histogram>,
    counts: Table<u64>,
    wakes: Counters,
    slots: Slots,
}

impl Spec for MemoryStalls {
    const SUMMARY: &'static str =
        "How long threads stall for memory: reclaim and compaction, by eBPF at both ends of each.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&memory_stalls::SPEC)];
    const COST: &'static str = "less than a microsecond at each stall";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        // All of it is rare: one bank will do.
        let settings = Settings { banked: 0, ..Settings::default() };
        let probe = host.kernel()?.probe(&memory_stalls::SPEC, &[], &settings)?;
        Ok(Self {
            stalls: probe.table(memory_stalls::STALLS)?,
            counts: probe.table(memory_stalls::COUNTS)?,
            wakes: probe.counters(memory_stalls::KSWAPD_WAKES)?,
            slots: probe::latency_slots(host, 1e-5..=2.0),
            probe,
        })
    }
}

impl Collector for MemoryStalls {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let kinds = [("direct", Stall::Direct, "direct_ended"), ("memcg", Stall::Memcg, "memcg_ended")];
        for (label, stall, program) in kinds {
            if self.probe.loaded().has(program) {
                let row = stall as usize;
                probe::fill(
                    out.push_histogram(RECLAIM, [label]),
                    &self.slots,
                    &self.stalls.sum(row..row + 1),
                );
                out.push(RECLAIMED, [label], self.counts.sum(row..row + 1));
            }
        }
        if self.probe.loaded().has("compaction_ended") {
            let row = Stall::Compaction as usize;
            probe::fill(out.push_histogram(COMPACTION, ()), &self.slots, &self.stalls.sum(row..row + 1));
        }
        for (node, n) in self.wakes.rows().enumerate().filter(|it| it.1 != 0) {
            match node < memory_stalls::NODES {
                true => out.push(WAKES, [node], n),
                false => out.push(WAKES, ["~other"], n),
            }
        }
        out.push(LOST_STALLS, (), self.counts.sum(LOST..LOST + 1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
