//! Processes that the kernel chose to kill as memory ran out, counted by the probe `ebpf-probes/src/probes/oom_kills.rs`
//! at `mark_victim`.

use crate::{
    collectors::prelude::*,
    source::ebpf::{
        Probe, Settings, Table, Use,
        declared::oom_kills::{self, Scope},
    },
};
use std::sync::Arc;

metrics! {
    KILLS: Counter "node_oom_kills_total" ["scope"], "Processes that the kernel chose to kill because memory ran out, including those that were ending already. Scope host: the host as a whole is short of memory; cgroup: a control group is at its limit; unknown: either of them, where the kernel does not let its functions be traced.";
}

pub(super) struct OomKills {
    probe: Arc<Probe>,
    kills: Table<u64>,
}

impl Spec for OomKills {
    const SUMMARY: &'static str =
        "Processes killed because the host or a cgroup ran out of memory, by eBPF at each kill.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&oom_kills::SPEC)];
    const COST: &'static str = "nothing until a process is killed";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&oom_kills::SPEC, &[], &Settings::default())?;
        Ok(Self { kills: probe.table(oom_kills::KILLS)?, probe })
    }
}

impl Collector for OomKills {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let scopes = match self.probe.loaded().has("seeks") {
            true => &[("host", Scope::Host), ("cgroup", Scope::Cgroup)][..],
            false => &[("unknown", Scope::Unknown)],
        };
        for &(label, scope) in scopes {
            let row = scope as usize;
            out.push(KILLS, [label], self.kills.sum(row..row + 1));
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
