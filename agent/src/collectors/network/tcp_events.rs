//! What goes wrong on TCP connections, counted by the probe `ebpf-probes/src/probes/tcp_events.rs`: segments sent again,
//! resets, and errors that sockets of IP are told of.

use crate::{
    collectors::prelude::*,
    source::ebpf::{
        Counters, Probe, Settings, Use,
        declared::tcp_events::{self, REASONS},
        socket, tcp,
    },
    source::errno,
};
use rustix::io::Errno;
use std::sync::Arc;

metrics! {
    RETRANSMITS: Counter "node_tcp_retransmits_total" ["kind"], "TCP segments sent again: fast where the receiver reported them missing, timeout where no acknowledgement came, loss_probe where the last one was repeated early to ask, syn and syn_ack of handshakes. Their sum is RetransSegs of /proc/net/snmp without those that could not be sent.";
    FAILURES: Counter "node_tcp_retransmit_failures_total" ["kind"], "TCP segments that had to be sent again and could not be, because memory or a route was missing, for example (from Linux 6.16 on; not counted before).";
    RESETS_SENT: Counter "node_tcp_resets_sent_total" ["reason"], "Resets that this host sent, by the reason that the kernel gives from Linux 6.10 on. Before, the reason is unknown, and those for which there is no socket are not counted, such as of a closed port.";
    RESETS_RECEIVED: Counter "node_tcp_resets_received_total" ["state"], "Resets of TCP connections that were received and believed, by the state of the connection: syn_sent is a connection that was refused.";
    ERRORS: Counter "node_socket_errors_total" ["protocol", "error"], "Errors that the network or a timer reported to IP sockets; calls that failed at once are left out (from Linux 5.15 on).";
}

pub(super) struct TcpEvents {
    probe: Arc<Probe>,
    retransmits: Counters,
    failures: Counters,
    resets_sent: Counters,
    resets_received: Counters,
    errors: Counters,
    /// By the number of the reason; none before 6.10.
    reasons: Vec<String>,
}

impl Spec for TcpEvents {
    const SUMMARY: &'static str =
        "TCP segments sent again, resets and socket errors, by kind and reason, by eBPF where they happen.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&tcp_events::SPEC)];
    const COST: &'static str = "some 50 ns at each segment sent again, reset and error";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let kernel = host.kernel()?;
        let probe = kernel.probe(&tcp_events::SPEC, &[], &Settings::default())?;
        Ok(Self {
            retransmits: probe.counters(tcp_events::RETRANSMITS)?,
            failures: probe.counters(tcp_events::FAILURES)?,
            resets_sent: probe.counters(tcp_events::RESETS_SENT)?,
            resets_received: probe.counters(tcp_events::RESETS_RECEIVED)?,
            errors: probe.counters(tcp_events::ERRORS)?,
            reasons: kernel.names("sk_rst_reason", &["SK_RST_REASON_"])?,
            probe,
        })
    }
}

impl Collector for TcpEvents {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (kind, n_segments) in tcp::Retransmit::ALL.into_iter().zip(self.retransmits.rows()) {
            out.push(RETRANSMITS, [word(kind)], n_segments);
        }
        for (kind, n_segments) in tcp::Retransmit::ALL.into_iter().zip(self.failures.rows()) {
            out.push(FAILURES, [word(kind)], (n_segments != 0).then_some(n_segments));
        }
        for (reason, n_resets) in self.resets_sent.rows().enumerate().filter(|it| it.1 != 0) {
            match self.reasons.get(reason).filter(|it| !it.is_empty()) {
                Some(name) => out.push(RESETS_SENT, [name], n_resets),
                None if reason == REASONS => out.push(RESETS_SENT, ["unknown"], n_resets),
                None => out.push(RESETS_SENT, [format!("reason_{reason}")], n_resets),
            }
        }
        for (number, n_resets) in self.resets_received.rows().enumerate().filter(|it| it.1 != 0) {
            out.push(RESETS_RECEIVED, [tcp::state::name(number)], n_resets);
        }
        for (index, n_errors) in self.errors.rows().enumerate().filter(|it| it.1 != 0) {
            let (protocol, error) = (index / socket::ERRORS as usize, index % socket::ERRORS as usize);
            let error = errno::words(Errno::from_raw_os_error(error as i32));
            if let Some(protocol) = socket::Protocol::ALL.get(protocol) {
                out.push(ERRORS, [protocol.word(), &*error], n_errors);
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

fn word(kind: tcp::Retransmit) -> &'static str {
    match kind {
        tcp::Retransmit::Fast => "fast",
        tcp::Retransmit::Timeout => "timeout",
        tcp::Retransmit::Syn => "syn",
        tcp::Retransmit::SynAck => "syn_ack",
        tcp::Retransmit::LossProbe => "loss_probe",
        tcp::Retransmit::Other => "other",
    }
}
