//! How CPUs poll network interfaces for packets, counted by the probe `ebpf-probes/src/probes/napi.rs` after each poll.

use crate::{
    collectors::prelude::*,
    source::{
        ebpf::{Counters, Interfaces, Probe, Settings, Use, declared::napi, device},
        netlink,
    },
};
use std::sync::Arc;

metrics! {
    POLLS: Counter "node_napi_polls_total" ["device"], "How often a CPU polled a network interface for packets. ~backlog: the queues of the CPUs, for packets over loopback and those spread over CPUs; ~other: interfaces of other network namespaces, and those with a number above 126.";
    PACKETS: Counter "node_napi_packets_total" ["device"], "Packets that were received by polling an interface; some drivers count what they have sent, too.";
    EXHAUSTED: Counter "node_napi_budget_exhausted_total" ["device"], "Polls of an interface that took all the packets they were allowed to (64, most often): more were waiting.";
}

pub(super) struct Napi {
    probe: Arc<Probe>,
    counts: Counters,
    names: Interfaces,
}

impl Spec for Napi {
    const SUMMARY: &'static str = "How CPUs poll network interfaces for packets, and how often that was not enough, by eBPF after each poll.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&napi::SPEC)];
    const COST: &'static str = "some 80 ns at each poll of an interface";
    /// An interface may go and another take its name.
    const START: Start = Start::Unknown;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let settings = Settings { constants: &[("OURS", host.network_inode())], ..Settings::default() };
        let probe = host.kernel()?.probe(&napi::SPEC, &[], &settings)?;
        Ok(Self {
            counts: probe.counters(napi::COUNTS)?,
            names: Interfaces::new(host.netlink(netlink::Socket::route())?),
            probe,
        })
    }
}

impl Collector for Napi {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let counts: Vec<u64> = self.counts.rows().collect();
        for (index, counts) in (0..).zip(counts.chunks(device::KINDS as usize)) {
            let count = |kind: u32| counts[kind as usize];
            if count(device::POLLS) == 0 {
                continue;
            }
            let Some(name) = self.names.name(index)? else { continue };
            out.push(POLLS, [&*name], count(device::POLLS));
            out.push(PACKETS, [&*name], count(device::PACKETS));
            out.push(EXHAUSTED, [&*name], count(device::EXHAUSTED));
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
