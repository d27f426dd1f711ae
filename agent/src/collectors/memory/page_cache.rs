//! What comes into the page cache and leaves it, counted by the probe `ebpf-probes/src/probes/page_cache.rs` at each.

use crate::{
    collectors::prelude::*,
    source::ebpf::{Counters, Probe, Settings, Use, declared::page_cache},
};
use std::sync::Arc;

metrics! {
    INSERTIONS: Counter "node_page_cache_insertions_total" [], "Folios that came into the page cache: pieces of files that were read or written and were not in memory. A folio is a page, or several in one from Linux 5.18 on. Those of tmpfs are not in it.";
    REMOVALS: Counter "node_page_cache_removals_total" [], "Folios that left the page cache, because memory was short or their file was truncated or deleted. Those of tmpfs are in it.";
}

pub(super) struct PageCache {
    probe: Arc<Probe>,
    moves: Counters,
}

impl Spec for PageCache {
    const SUMMARY: &'static str = "Pages added to and removed from the page cache, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&page_cache::SPEC)];
    const COST: &'static str = "some 30 ns at each";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&page_cache::SPEC, &[], &Settings::default())?;
        Ok(Self { moves: probe.counters(page_cache::MOVES)?, probe })
    }
}

impl Collector for PageCache {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (family, n) in [INSERTIONS, REMOVALS].into_iter().zip(self.moves.rows()) {
            out.push(family, (), n);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
