//! TCP connections, counted by the probe `ebpf-probes/src/probes/tcp_connections.rs` when they begin and end: how they
//! were made and how long that took, how long they lasted, and what they went through.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{Counters, Histograms, Probe, Settings, Use, declared::tcp_connections, tcp},
};
use rustix::time::{ClockId, clock_getres};
use std::sync::Arc;

metrics! {
    CONNECTS: Counter "node_tcp_connects_total" ["result"], "Connections that this host has tried to make, by what became of them. Aborted: the program gave up, or no address or port was left.";
    LATENCY: Histogram "node_tcp_connect_latency_seconds" ["result"], "Time from the first SYN that this host sent to the end of the handshake, or to the failure.";
    ACCEPTS: Counter "node_tcp_accepts_total" [], "Connections that others made to this host: their handshake was complete, whether or not a program has taken them.";
    DURATION: Histogram "node_tcp_connection_duration_seconds" ["side"], "Time from a connection's handshake to its end on this host, which was its client or its server.";
    RTT: Histogram "node_tcp_connection_rtt_seconds" [], "Smoothed round-trip time of a connection when it ended, as TCP has it: one value for each connection.";
    RTT_VARIATION: Histogram "node_tcp_connection_rtt_variation_seconds" [], "Mean deviation of the round-trip time of a connection when it ended, as TCP has it: one value for each connection.";
    SEGMENTS: Counter "node_tcp_connection_segments_total" ["kind"], "Segments of connections, added up when each ends: of the data that was sent those presumed lost, sent again, or received twice (duplicate); of the data that was received those that came out of order.";
    SENDING: Counter "node_tcp_connection_sending_seconds_total" ["limited_by"], "Time that connections had something to send or to have acknowledged, added up when each ends, by what held it up: receive_window is the other side, whose program reads too slowly; send_buffer is this side's buffer, too small for the path; network is all else.";
    TRANSITIONS: Counter "node_tcp_state_transitions_total" ["from", "to"], "Changes of state of TCP sockets.";
    UNTIMED: Counter "node_tcp_untimed_connections_total" [], "Connections and attempts whose beginning was not seen, as the probe was detached for a while since, or was forgotten because the table was full: they are counted, but not included in latencies or durations.";
}

section! {
    pub(super) struct Config {
        /// Connections whose beginning is remembered at a time, 80 bytes of kernel memory each; the ones that did least of late are forgotten.
        max_connections: u64 = 8192,
    }
}

/// With less room a CPU, the kernel forgets what is still under way: see kernel/bpf/bpf_lru_list.c.
const CONNECTIONS_A_CPU: u32 = 256;

pub(super) struct TcpConnections {
    probe: Arc<Probe>,
    transitions: Counters,
    counts: Counters,
    histograms: Histograms,
    slots: Slots,
    /// Of durations.
    long: Slots,
}

impl Spec for TcpConnections {
    const SUMMARY: &'static str = "How TCP connections are made, how long they last and what they go through, by eBPF at their beginning and end.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&tcp_connections::SPEC)];
    const COST: &'static str =
        "some 170 ns at each change of a socket's state, of which a connection has five on either side";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let max_connections = u32::try_from(config.max_connections).unwrap_or(u32::MAX >> 8);
        // Jiffies are those of the coarse clock.
        let tick = clock_getres(ClockId::MonotonicCoarse).tv_nsec as u32;
        let settings = Settings {
            entries: &|n_cpus| {
                let n_entries = max_connections.max(n_cpus * CONNECTIONS_A_CPU);
                vec![(tcp_connections::STARTED.name, n_entries)]
            },
            constants: &[("TICK", tick)],
            ..Settings::default()
        };
        let probe = host.kernel()?.probe(&tcp_connections::SPEC, &[], &settings)?;
        Ok(Self {
            transitions: probe.counters(tcp_connections::TRANSITIONS)?,
            counts: probe.counters(tcp_connections::COUNTS)?,
            histograms: probe.histograms(tcp_connections::HISTOGRAMS)?,
            slots: probe::latency_slots(host, 1e-4..=8.0),
            long: probe::latency_slots(host, 4e-3..=4096.0),
            probe,
        })
    }
}

impl Collector for TcpConnections {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (index, n_times) in self.transitions.rows().enumerate().filter(|it| it.1 != 0) {
            let (from, to) = (index / tcp::state::MAX as usize, index % tcp::state::MAX as usize);
            out.push(TRANSITIONS, [tcp::state::name(from), tcp::state::name(to)], n_times);
        }
        let counts: Vec<u64> = self.counts.rows().collect();
        let count = |index: u32| counts[index as usize];
        for result in tcp::Connect::ALL {
            out.push(CONNECTS, [word(result)], count(tcp::CONNECTS + result as u32));
        }
        out.push(ACCEPTS, (), count(tcp::ACCEPTED));
        out.push(UNTIMED, (), count(tcp::UNTIMED));
        for (kind, index) in [
            ("duplicate", tcp::DUPLICATE),
            ("lost", tcp::LOST),
            ("out_of_order", tcp::OUT_OF_ORDER),
            ("received", tcp::RECEIVED),
            ("retransmitted", tcp::RETRANSMITTED),
            ("sent", tcp::SENT),
        ] {
            out.push(SEGMENTS, [kind], count(index));
        }
        for limit in tcp::Limit::ALL {
            let seconds = count(tcp::SENDING + limit as u32) as f64 / 1e9;
            out.push(SENDING, [word_of_limit(limit)], seconds);
        }
        for (index, times) in (0..).zip(self.histograms.rows()) {
            if let Some(result) = tcp::Connect::ALL.get(index as usize) {
                let is_empty = times.slots.iter().all(|it| *it == 0);
                if *result == tcp::Connect::Established || !is_empty {
                    probe::fill(out.push_histogram(LATENCY, [word(*result)]), &self.slots, &times);
                }
                continue;
            }
            match index {
                tcp::CLIENT_DURATION | tcp::SERVER_DURATION => {
                    let side = if index == tcp::CLIENT_DURATION { "client" } else { "server" };
                    let buckets = out.push_histogram(DURATION, [side]);
                    probe::fill_shifted(buckets, &self.long, &times, tcp::DURATION_SHIFT);
                }
                tcp::RTT => probe::fill(out.push_histogram(RTT, ()), &self.slots, &times),
                tcp::RTT_VARIATION => probe::fill(out.push_histogram(RTT_VARIATION, ()), &self.slots, &times),
                _ => {}
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

fn word(result: tcp::Connect) -> &'static str {
    match result {
        tcp::Connect::Established => "established",
        tcp::Connect::Refused => "refused",
        tcp::Connect::TimedOut => "timed_out",
        tcp::Connect::Unreachable => "unreachable",
        tcp::Connect::Aborted => "aborted",
        tcp::Connect::Other => "other",
    }
}

fn word_of_limit(limit: tcp::Limit) -> &'static str {
    match limit {
        tcp::Limit::Network => "network",
        tcp::Limit::ReceiveWindow => "receive_window",
        tcp::Limit::SendBuffer => "send_buffer",
    }
}
