//! What goes wrong on TCP connections: segments sent again, resets, and errors that sockets are told of.
//!
//! All of these hooks are cold where all is well. A retransmit's kind is in the socket's state when it is sent; of a
//! reset that is sent the kernel says why from 6.10 on (include/net/rstreason.h), numbered anew with each kernel.

use ebpf_probes::{maps::CounterBy, probe};
use probe_abi::socket;

probe! {
    name: "tcp_events",
    constants {
        STATE: u8 = field("sock.__sk_common.skc_state");
        FAMILY: u16 = field("sock.__sk_common.skc_family");
        TYPE: u16 = field("sock.sk_type");
        PROTOCOL: u16 = field("sock.sk_protocol");
        ERROR: u32 = field("sock.sk_err");
        /// `enum tcp_ca_state`.
        CONGESTION = bits("tcp_sock.inet_conn.icsk_ca_state");
        /// What the connection's timer is set for.
        PENDING: u8 = field("tcp_sock.inet_conn.icsk_pending");
        CONTROL: [u8; 48] = field("sk_buff.cb");
        /// Segments in the buffer, in the part of it that TCP has for its own.
        SEGMENTS: u16 = field("tcp_skb_cb.tcp_gso_segs");
        /// Why it could not be sent, from 6.16 on; before, the hook is reached only if it was.
        RETRANSMIT_ERROR = argument_of_type("tcp_retransmit_skb", "int"), optional;
        /// From 6.10.
        RESET_REASON = argument_of_type("tcp_send_reset", "sk_rst_reason"), optional;
    }
    maps {
        /// Segments, by kind.
        RETRANSMITS: CounterBy<7>;
        /// By kind, those that could not be sent.
        FAILURES: CounterBy<7>;
        /// By the reason; the others are those for which there is none.
        RESETS_SENT: CounterBy<REASONS>;
        /// By the state of the connection.
        RESETS_RECEIVED: CounterBy<15>;
        /// By protocol and error number.
        ERRORS: CounterBy<{ socket::ERROR_COUNTS }>;
    }
    programs {
        tp_btf("tcp_retransmit_skb") fn retransmitted(args, cpu) {
            kernel::retransmitted(args, cpu);
        }

        tp_btf("tcp_retransmit_synack") fn syn_ack_retransmitted(_, cpu) {
            RETRANSMITS.add(kernel::SYN_ACK, cpu, 1);
        }

        tp_btf("tcp_send_reset") fn reset_sent(args, cpu) {
            let reason =
                if RESET_REASON.is_present() { args.number_at(&RESET_REASON) as u32 } else { u32::MAX };
            RESETS_SENT.add(reason, cpu, 1);
        }

        tp_btf("tcp_receive_reset") fn reset_received(args, cpu) {
            RESETS_RECEIVED.add(STATE.of(args.object(0)).into(), cpu, 1);
        }

        tp_btf("inet_sk_error_report") fn error_reported(args, cpu), optional {
            kernel::error_reported(args.object(0), cpu);
        }
    }
}

/// More than any kernel has: 25 in 6.18.
pub const REASONS: usize = 63;

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Args, Object};
    use probe_abi::{
        socket::{ERRORS as ERROR_NUMBERS, Protocol},
        tcp::Retransmit,
    };

    use super::*;

    pub(super) const SYN_ACK: u32 = Retransmit::SynAck as u32;

    #[inline(always)]
    pub(super) fn retransmitted(args: Args, cpu: u32) {
        let socket = args.object(0);
        let connection = socket.tcp();
        if connection.is_null() {
            return;
        }
        let kind = Retransmit::of(STATE.of(socket), CONGESTION.bits(connection), PENDING.of(connection));
        let buffer = CONTROL.inside(args.object(1));
        let n_segments = u64::from(SEGMENTS.of(buffer)).max(1);
        if RETRANSMIT_ERROR.is_present() && args.number_at(&RETRANSMIT_ERROR) as i32 != 0 {
            FAILURES.add(kind as u32, cpu, n_segments);
        } else {
            RETRANSMITS.add(kind as u32, cpu, n_segments);
        }
    }

    /// Also reached where something but an error waits to be read, such as a timestamp.
    #[inline(always)]
    pub(super) fn error_reported(socket: Object, cpu: u32) {
        let error = ERROR.of(socket);
        if error != 0 {
            let protocol = Protocol::of(FAMILY.of(socket), TYPE.of(socket), PROTOCOL.of(socket));
            ERRORS.add(protocol as u32 * ERROR_NUMBERS + error, cpu, 1);
        }
    }
}
