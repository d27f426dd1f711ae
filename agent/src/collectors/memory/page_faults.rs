//! Page faults by mode and access, counted by the probe `ebpf-probes/src/probes/page_faults.rs` at each.

use crate::{
    collectors::prelude::*,
    source::ebpf::{
        Counters, Probe, Settings, Use,
        declared::page_faults::{self, ACCESSES, KINDS},
    },
};
use std::sync::Arc;

metrics! {
    FAULTS: Counter "node_page_faults_total" ["mode", "access"], "Page faults by mode (a program's own, or the kernel's on its behalf) and by access to the memory, including those that end in a signal and those of the kernel's own memory.";
}

/// In the order of the rows.
const LABELS: [[&str; 2]; KINDS] = {
    let [read, write, execute] = ["read", "write", "execute"];
    [
        ["user", read],
        ["user", write],
        ["user", execute],
        ["kernel", read],
        ["kernel", write],
        ["kernel", execute],
    ]
};

const _: () = assert!(KINDS == 2 * ACCESSES);

pub(super) struct PageFaults {
    probe: Arc<Probe>,
    faults: Counters,
}

impl Spec for PageFaults {
    const SUMMARY: &'static str = "Page faults by mode and kind of access, by eBPF at each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&page_faults::SPEC)];
    const COST: &'static str = "some 40 ns at each page fault";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Error::Absent("page faults are told apart on x86 only".to_owned()));
        }
        let probe = host.kernel()?.probe(&page_faults::SPEC, &[], &Settings::default())?;
        Ok(Self { faults: probe.counters(page_faults::FAULTS)?, probe })
    }
}

impl Collector for PageFaults {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (labels, n) in LABELS.into_iter().zip(self.faults.rows()) {
            out.push(FAULTS, labels, n);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
