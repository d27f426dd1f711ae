//! Queries to name servers, counted by the probe `ebpf-probes/src/probes/dns.rs` when programs send them and receive
//! answers.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Counters, Histograms, Probe, Settings, Use,
        declared::dns,
        dns::{QUERIES, REFUSED, UNTIMED},
    },
};
use std::sync::Arc;

metrics! {
    SENT: Counter "node_dns_queries_total" [], "Queries that programs have sent to name servers over UDP sockets connected to port 53, as glibc, Go and systemd-resolved do. What has no latency below had no answer.";
    LATENCY: Histogram "node_dns_latency_seconds" [], "Time from a query to its answer, on sockets with at most two that wait; from the first where two were sent at once or a query was sent again.";
    NOBODY: Counter "node_dns_refused_total" [], "Queries that the name server's host refused, as nobody listens there.";
    NO_TIME: Counter "node_dns_untimed_answers_total" [], "Answers without a latency: more than two queries waited on the socket, or its queries were sent before the probe was attached.";
}

section! {
    pub(super) struct Config {
        /// Sockets that wait for an answer at a time, 80 bytes of kernel memory each; the ones that did least of late are forgotten.
        max_sockets: u64 = 2048,
    }
}

/// With less room a CPU, the kernel forgets what is still under way: see kernel/bpf/bpf_lru_list.c.
const SOCKETS_A_CPU: u32 = 256;

pub(super) struct Dns {
    probe: Arc<Probe>,
    counts: Counters,
    latency: Histograms,
    slots: Slots,
}

impl Spec for Dns {
    const SUMMARY: &'static str = "How long name servers take to answer queries of programs, by eBPF at each send and receive of a socket.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&dns::SPEC)];
    const COST: &'static str =
        "some 50 ns at each send and receive of any socket, before Linux 6.3 of UDP sockets";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let max_sockets = u32::try_from(config.max_sockets).unwrap_or(u32::MAX >> 8);
        let settings = Settings {
            entries: &|n_cpus| vec![(dns::WAITING.name, max_sockets.max(n_cpus * SOCKETS_A_CPU))],
            ..Settings::default()
        };
        let probe = host.kernel()?.probe(&dns::SPEC, &[], &settings)?;
        Ok(Self {
            counts: probe.counters(dns::COUNTS)?,
            latency: probe.histograms(dns::ANSWERS)?,
            slots: probe::latency_slots(host, 1e-4..=8.0),
            probe,
        })
    }
}

impl Collector for Dns {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let counts: Vec<u64> = self.counts.rows().collect();
        for (family, index) in [(SENT, QUERIES), (NOBODY, REFUSED), (NO_TIME, UNTIMED)] {
            out.push(family, (), counts[index as usize]);
        }
        for times in self.latency.rows().take(1) {
            probe::fill(out.push_histogram(LATENCY, ()), &self.slots, &times);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
