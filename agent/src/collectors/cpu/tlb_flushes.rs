//! Flushes of the processor's cache of page tables, counted by the probe `ebpf-probes/src/probes/tlb_flushes.rs` at each.

use crate::{
    collectors::prelude::*,
    source::ebpf::{
        Probe, Settings, Table, Use,
        declared::tlb_flushes::{self, OTHER, REASONS},
    },
};
use std::sync::Arc;

metrics! {
    FLUSHES: Counter "node_tlb_flushes_total" ["cpu", "reason"], "Flushes of each CPU's cache of page tables, by the reason as the running kernel names it, such as REMOTE_SHOOTDOWN where another CPU asks for it.";
}

pub(super) struct TlbFlushes {
    probe: Arc<Probe>,
    flushes: Table<u64>,
    /// By the number of the reason.
    names: Vec<String>,
}

impl Spec for TlbFlushes {
    const SUMMARY: &'static str = "Flushes of the processor's cache of page tables, by eBPF at each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&tlb_flushes::SPEC)];
    const COST: &'static str = "some 30 ns at each flush, which most switches between processes cause";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let kernel = host.kernel()?;
        let probe = kernel.probe(&tlb_flushes::SPEC, &[], &Settings::default())?;
        let names = kernel.names("tlb_flush_reason", &["TLB_"])?;
        Ok(Self { flushes: probe.table(tlb_flushes::FLUSHES)?, names, probe })
    }
}

impl Collector for TlbFlushes {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (row, n) in self.flushes.rows().enumerate().filter(|it| it.1 != 0) {
            let (cpu, reason) = (row / REASONS, row % REASONS);
            match self.names.get(reason).filter(|it| reason != OTHER && !it.is_empty()) {
                Some(name) => out.push(FLUSHES, (cpu, name), n),
                None => out.push(FLUSHES, (cpu, "~other"), n),
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
