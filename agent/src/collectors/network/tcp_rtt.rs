//! Round-trip times of TCP connections, counted by the probe `ebpf-probes/src/probes/tcp_rtt.rs` when applications read.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Histograms, Probe, Settings, Use, declared::tcp_rtt},
};
use std::sync::Arc;

metrics! {
    RTT: Histogram "node_tcp_rtt_seconds" [], "Smoothed round-trip time of a TCP connection, as TCP has it, each time a program has read from one: connections that are read often count for more.";
    VARIATION: Histogram "node_tcp_rtt_variation_seconds" [], "Mean deviation of the round-trip time of a TCP connection at the same moments.";
}

pub(super) struct TcpRtt {
    probe: Arc<Probe>,
    times: Histograms,
    slots: Slots,
}

impl Spec for TcpRtt {
    const SUMMARY: &'static str =
        "Round-trip times of TCP connections, by eBPF each time a program has read from one.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&tcp_rtt::SPEC)];
    const COST: &'static str = "some 60 ns at each read from a TCP connection";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&tcp_rtt::SPEC, &[], &Settings::default())?;
        Ok(Self {
            times: probe.histograms(tcp_rtt::TIMES)?,
            slots: probe::latency_slots(host, 1e-4..=2.0),
            probe,
        })
    }
}

impl Collector for TcpRtt {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (family, times) in [RTT, VARIATION].into_iter().zip(self.times.rows()) {
            probe::fill(out.push_histogram(family, ()), &self.slots, &times);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
