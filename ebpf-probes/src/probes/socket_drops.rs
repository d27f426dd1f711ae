//! Packets that a socket did not take, and sockets that were denied memory.

use ebpf_probes::{maps::CounterBy, probe};
use probe_abi::socket;

probe! {
    name: "socket_drops",
    constants {
        FAMILY: u16 = field("sock.__sk_common.skc_family");
        TYPE: u16 = field("sock.sk_type");
        PROTOCOL: u16 = field("sock.sk_protocol");
    }
    maps {
        /// By [`socket::index`].
        DROPS: CounterBy<COUNTS>;
        /// By protocol.
        DENIALS: CounterBy<15>;
    }
    programs {
        tp_btf("udp_fail_queue_rcv_skb") fn udp_refused(args, cpu) {
            let cause = socket::Cause::of_udp(args.number(0) as i32);
            DROPS.add(socket::index(kernel::protocol(args.object(1)), cause), cpu, 1);
        }

        tp_btf("sock_rcvqueue_full") fn queue_full(args, cpu) {
            let protocol = kernel::protocol(args.object(0));
            DROPS.add(socket::index(protocol, socket::Cause::ReceiveBuffer), cpu, 1);
        }

        tp_btf("sock_exceed_buf_limit") fn memory_denied(args, cpu) {
            DENIALS.add(kernel::protocol(args.object(0)) as u32, cpu, 1);
        }
    }
}

pub const COUNTS: usize = socket::Protocol::ALL.len() * socket::CAUSES as usize;

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::Object;
    use probe_abi::socket::Protocol;

    use super::*;

    #[inline(always)]
    pub(super) fn protocol(socket: Object) -> Protocol {
        Protocol::of(FAMILY.of(socket), TYPE.of(socket), PROTOCOL.of(socket))
    }
}
