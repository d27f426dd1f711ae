//! Packets that the kernel dropped, by its reason, counted by the probe `ebpf-probes/src/probes/packet_drops.rs` at
//! `kfree_skb`.

use crate::{
    collectors::prelude::*,
    source::ebpf::{Counters, Probe, Settings, Use, declared::packet_drops},
};
use std::sync::Arc;

metrics! {
    DROPS: Counter "node_packet_drops_total" ["reason"], "Packets that the kernel dropped, by the reason it gives, as the running kernel names it. NOT_SPECIFIED is where it gives none; subsys_N are reasons of the kernel's subsystem N, such as mac80211 or openvswitch.";
}

pub(super) struct PacketDrops {
    probe: Arc<Probe>,
    drops: Counters,
    subsystems: Counters,
    /// By the number of the reason.
    names: Vec<String>,
}

impl Spec for PacketDrops {
    const SUMMARY: &'static str = "Packets that the kernel dropped, by its reason, by eBPF at each drop.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&packet_drops::SPEC)];
    const COST: &'static str = "some 50 ns at each dropped packet";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let kernel = host.kernel()?;
        let probe = kernel.probe(&packet_drops::SPEC, &[], &Settings::default())?;
        Ok(Self {
            drops: probe.counters(packet_drops::DROPS)?,
            subsystems: probe.counters(packet_drops::SUBSYSTEM_DROPS)?,
            names: kernel.names("skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"])?,
            probe,
        })
    }
}

impl Collector for PacketDrops {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (reason, n) in self.drops.rows().enumerate().filter(|it| it.1 != 0) {
            match self.names.get(reason).filter(|it| !it.is_empty()) {
                Some(name) => out.push(DROPS, [name], n),
                None => out.push(DROPS, [format!("reason_{reason}")], n),
            }
        }
        for (subsystem, n) in self.subsystems.rows().enumerate().filter(|it| it.1 != 0) {
            out.push(DROPS, [format!("subsys_{subsystem}")], n);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
