//! Packets that sockets did not take, and memory that they were denied, counted by the probe
//! `ebpf-probes/src/probes/socket_drops.rs`.

use crate::{
    collectors::prelude::*,
    source::ebpf::{Counters, Probe, Settings, Use, declared::socket_drops, socket},
};
use std::sync::Arc;

metrics! {
    DROPS: Counter "node_socket_drops_total" ["protocol", "cause"], "Packets that a socket did not take and the kernel dropped: receive_buffer where its receive buffer was full, memory where its protocol or cgroup had none left. TCP is not among them, because it makes its sender wait; raw and packet sockets are not where they look at their buffer first, as on most kernels.";
    DENIALS: Counter "node_socket_memory_denials_total" ["protocol"], "How often a socket was denied memory for its buffers, because its protocol (tcp_mem, udp_mem) or its cgroup was at its limit. The packet may be dropped, or tried again.";
}

pub(super) struct SocketDrops {
    probe: Arc<Probe>,
    drops: Counters,
    denials: Counters,
}

impl Spec for SocketDrops {
    const SUMMARY: &'static str = "Packets that sockets did not take and memory that they were denied, by protocol and cause, by eBPF at each.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&socket_drops::SPEC)];
    const COST: &'static str = "some 30 ns at each packet that a socket does not take";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&socket_drops::SPEC, &[], &Settings::default())?;
        let (drops, denials) = (probe.counters(socket_drops::DROPS)?, probe.counters(socket_drops::DENIALS)?);
        Ok(Self { drops, denials, probe })
    }
}

impl Collector for SocketDrops {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let drops: Vec<u64> = self.drops.rows().collect();
        for protocol in socket::Protocol::ALL {
            for cause in socket::Cause::ALL {
                let n_drops = drops[socket::index(protocol, cause) as usize];
                // UDP has them on any host, and 0 is worth knowing.
                if n_drops != 0 || (protocol, cause) == (socket::Protocol::Udp, socket::Cause::ReceiveBuffer)
                {
                    out.push(DROPS, [protocol.word(), word(cause)], n_drops);
                }
            }
        }
        for (protocol, n_denials) in socket::Protocol::ALL.into_iter().zip(self.denials.rows()) {
            if n_denials != 0 || protocol == socket::Protocol::Tcp {
                out.push(DENIALS, [protocol.word()], n_denials);
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

fn word(cause: socket::Cause) -> &'static str {
    match cause {
        socket::Cause::ReceiveBuffer => "receive_buffer",
        socket::Cause::Memory => "memory",
        socket::Cause::Other => "other",
    }
}
