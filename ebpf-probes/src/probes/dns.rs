//! Queries to name servers over UDP, and how long answers take, without a look into packets.
//!
//! A socket that is connected to port 53 sends queries and receives answers. From 6.3 on there is a hook after each send
//! and receive of any socket; before, the functions of UDP are traced.

use ebpf_probes::{
    maps::{Attached, CounterBy, HistogramBy, LruHash},
    probe,
};

probe! {
    name: "dns",
    constants {
        FAMILY: u16 = field("sock.__sk_common.skc_family");
        TYPE: u16 = field("sock.sk_type");
        PROTOCOL: u16 = field("sock.sk_protocol");
        /// In the order of the network; 0 where the socket is not connected.
        PEER_PORT: u16 = field("sock.__sk_common.skc_dport");
        OWN_PORT: u16 = field("sock.__sk_common.skc_num");
        /// Behind which arguments the result is.
        RECEIVED_V4 = parameters("udp_recvmsg"), otherwise(5);
        RECEIVED_V6 = parameters("udpv6_recvmsg"), otherwise(5);
    }
    maps {
        ATTACHED: Attached;
        /// What waits for answers, see [`probe_abi::dns`], by socket: its address and its own port, as a later one at the same
        /// address hardly ever has the same port.
        WAITING: LruHash<[u64; 2], u64>;
        ANSWERS: HistogramBy<1>;
        COUNTS: CounterBy<7>;
    }
    programs {
        tp_btf("sock_send_length") fn sent(args, cpu), optional {
            kernel::sent(args.object(0), args.number(1) as i32, cpu);
        }

        tp_btf("sock_recv_length") fn received(args, cpu), optional {
            kernel::received(args.object(0), args.number(1) as i32, cpu);
        }

        fentry("udp_sendmsg") fn sent_v4(args, cpu), instead_of(sent) {
            // What a socket of IPv6 sends to an address of IPv4 comes through both.
            if FAMILY.of(args.object(0)) == kernel::IPV4 {
                kernel::sent(args.object(0), 1, cpu);
            }
        }

        fentry("udpv6_sendmsg") fn sent_v6(args, cpu), instead_of(sent) {
            kernel::sent(args.object(0), 1, cpu);
        }

        fexit("udp_recvmsg") fn received_v4(args, cpu), instead_of(received) {
            kernel::received(args.object(0), args.number_at(&RECEIVED_V4) as i32, cpu);
        }

        fexit("udpv6_recvmsg") fn received_v6(args, cpu), instead_of(received) {
            kernel::received(args.object(0), args.number_at(&RECEIVED_V6) as i32, cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Object, now};
    use probe_abi::{
        dns::{self, PORT, QUERIES, REFUSED, UNTIMED},
        socket::Protocol,
    };

    use super::*;

    /// `AF_INET`
    pub(super) const IPV4: u16 = 2;
    /// `ECONNREFUSED`: nobody listens there.
    const NOBODY: i32 = -111;

    #[inline(always)]
    pub(super) fn sent(socket: Object, result: i32, cpu: u32) {
        if !is_client(socket) {
            return;
        }
        // It is told by the next call, whatever that is.
        if result == NOBODY {
            refused(socket, cpu);
        }
        if result > 0 {
            COUNTS.add(QUERIES, cpu, 1);
            WAITING.put(key(socket), dns::asked(waiting(socket), now()));
        }
    }

    #[inline(always)]
    pub(super) fn received(socket: Object, result: i32, cpu: u32) {
        // Mostly there is nothing yet.
        if (result <= 0 && result != NOBODY) || !is_client(socket) {
            return;
        }
        if result == NOBODY {
            refused(socket, cpu);
            return;
        }
        let Some(before) = waiting(socket) else { return COUNTS.add(UNTIMED, cpu, 1) };
        match dns::timed(before) {
            Some(begin) => ANSWERS.record(0, cpu, now().saturating_sub(begin)),
            None => COUNTS.add(UNTIMED, cpu, 1),
        }
        match dns::answered(before) {
            Some(after) => drop(WAITING.put(key(socket), after)),
            None => drop(WAITING.take(key(socket))),
        }
    }

    #[inline(always)]
    fn refused(socket: Object, cpu: u32) {
        COUNTS.add(REFUSED, cpu, 1);
        WAITING.take(key(socket));
    }

    #[inline(always)]
    fn waiting(socket: Object) -> Option<u64> {
        WAITING.get(key(socket)).filter(|it| ATTACHED.since(dns::begin(*it)))
    }

    /// The port comes first: hardly any other socket has it.
    #[inline(always)]
    fn is_client(socket: Object) -> bool {
        PEER_PORT.of(socket) == PORT.to_be()
            && Protocol::of(FAMILY.of(socket), TYPE.of(socket), PROTOCOL.of(socket)) == Protocol::Udp
    }

    #[inline(always)]
    fn key(socket: Object) -> [u64; 2] {
        [socket.address(), OWN_PORT.of(socket).into()]
    }
}
