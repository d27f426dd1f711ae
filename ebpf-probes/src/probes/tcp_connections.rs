//! TCP connections: how they are made, how long that took, how long they lasted, and what they went through.
//!
//! `inet_sock_set_state` is reached at each change of a socket's state, so one program sees connections begin and end. What
//! a connection has gone through the kernel has counted in its socket by then. The other protocols that pass here are left
//! out; a connection of MPTCP consists of TCP connections, which are counted one by one.

use ebpf_probes::{
    maps::{Attached, CounterBy, HistogramBy, LruHash},
    probe,
};
use probe_abi::tcp;

probe! {
    name: "tcp_connections",
    constants {
        PROTOCOL: u16 = field("sock.sk_protocol");
        ERROR: u32 = field("sock.sk_err");
        /// µs, times 8.
        RTT: u32 = field("tcp_sock.srtt_us");
        /// µs, times 4. Not `rttvar_us`, which is never less than the least timeout.
        RTT_VARIATION: u32 = field("tcp_sock.mdev_us");
        DATA_OUT: u32 = field("tcp_sock.data_segs_out");
        DATA_IN: u32 = field("tcp_sock.data_segs_in");
        RETRANSMITTED: u32 = field("tcp_sock.total_retrans");
        LOST: u32 = field("tcp_sock.lost");
        OUT_OF_ORDER: u32 = field("tcp_sock.rcv_ooopack");
        DUPLICATE: u32 = field("tcp_sock.dsack_dups");
        /// Ticks that it had something to send, by [`tcp::Limit`].
        SENDING: [u32; 3] = field("tcp_sock.chrono_stat");
        /// Which of them runs, from 1 on; 0 is none.
        HELD_UP_BY = bits("tcp_sock.chrono_type");
        HELD_UP_SINCE: u32 = field("tcp_sock.chrono_start");
        /// Nanoseconds of a tick.
        TICK = setting();
    }
    maps {
        ATTACHED: Attached;
        /// From when on the sockets of connections are what they are; see [`tcp::since`].
        STARTED: LruHash<u64, u64>;
        /// By the state before, and that after.
        TRANSITIONS: CounterBy<255>;
        COUNTS: CounterBy<{ tcp::COUNTS }>;
        HISTOGRAMS: HistogramBy<{ tcp::HISTOGRAMS }>;
    }
    programs {
        tp_btf("inet_sock_set_state") fn changed(args, cpu) {
            kernel::changed(args.object(0), args.number(1) as u32, args.number(2) as u32, cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Field, Object, now, ticks};
    use probe_abi::tcp::{Connect, Phase, is_in, since, state, time};

    use super::*;

    /// `IPPROTO_TCP`
    const TCP: u16 = 6;

    #[inline(always)]
    pub(super) fn changed(socket: Object, old: u32, new: u32, cpu: u32) {
        if PROTOCOL.of(socket) != TCP || old == new {
            return;
        }
        TRANSITIONS.add(old * state::MAX + new, cpu, 1);
        match (old, new) {
            (_, state::SYN_SENT) => start(socket, Phase::Connecting),
            (state::LISTEN, state::SYN_RECV) => start(socket, Phase::Server),
            (state::SYN_SENT | state::SYN_RECV, state::ESTABLISHED) => established(socket, old, cpu),
            (state::LISTEN, _) => {}
            (_, state::CLOSE) => closed(socket, old, cpu),
            _ => {}
        }
    }

    #[inline(always)]
    fn start(socket: Object, phase: Phase) {
        STARTED.put(socket.address(), since(now(), phase));
    }

    /// Both sides may have sent a SYN: then the state was `SYN_RECV` on both.
    #[inline(always)]
    fn established(socket: Object, old: u32, cpu: u32) {
        let before = STARTED.get(socket.address()).filter(|it| ATTACHED.since(*it));
        let is_client = old == state::SYN_SENT || before.is_some_and(|it| is_in(it, Phase::Connecting));
        if !is_client {
            COUNTS.add(tcp::ACCEPTED, cpu, 1);
            if before.is_none() {
                start(socket, Phase::Server);
            }
            return;
        }
        let now = now();
        STARTED.put(socket.address(), since(now, Phase::Client));
        connected(Connect::Established, before, now, cpu);
    }

    #[inline(always)]
    fn connected(outcome: Connect, start: Option<u64>, now: u64, cpu: u32) {
        COUNTS.add(tcp::CONNECTS + outcome as u32, cpu, 1);
        match start.filter(|it| is_in(*it, Phase::Connecting)) {
            Some(start) => HISTOGRAMS.record(outcome as u32, cpu, now.saturating_sub(time(start))),
            None => COUNTS.add(tcp::UNTIMED, cpu, 1),
        }
    }

    #[inline(always)]
    fn closed(socket: Object, old: u32, cpu: u32) {
        let start = STARTED.take(socket.address()).filter(|it| ATTACHED.since(*it));
        let is_connecting = start.is_some_and(|it| is_in(it, Phase::Connecting));
        if old == state::SYN_SENT || (old == state::SYN_RECV && is_connecting) {
            connected(Connect::failed(ERROR.of(socket)), start, now(), cpu);
            return;
        }
        if old == state::SYN_RECV {
            return;
        }
        lasted(start, cpu);
        let connection = socket.tcp();
        if !connection.is_null() {
            went_through(connection, cpu);
        }
    }

    #[inline(always)]
    fn lasted(start: Option<u64>, cpu: u32) {
        let Some(start) = start else { return COUNTS.add(tcp::UNTIMED, cpu, 1) };
        let histogram = if is_in(start, Phase::Client) { tcp::CLIENT_DURATION } else { tcp::SERVER_DURATION };
        HISTOGRAMS.record(histogram, cpu, now().saturating_sub(time(start)) >> tcp::DURATION_SHIFT);
    }

    #[inline(always)]
    fn went_through(connection: Object, cpu: u32) {
        let rtt = RTT.of(connection);
        if rtt != 0 {
            HISTOGRAMS.record(tcp::RTT, cpu, u64::from(rtt) * 1000 / 8);
            HISTOGRAMS.record(tcp::RTT_VARIATION, cpu, u64::from(RTT_VARIATION.of(connection)) * 1000 / 4);
        }
        add(tcp::SENT, &DATA_OUT, connection, cpu);
        add(tcp::RETRANSMITTED, &RETRANSMITTED, connection, cpu);
        add(tcp::LOST, &LOST, connection, cpu);
        add(tcp::RECEIVED, &DATA_IN, connection, cpu);
        add(tcp::OUT_OF_ORDER, &OUT_OF_ORDER, connection, cpu);
        add(tcp::DUPLICATE, &DUPLICATE, connection, cpu);
        let running = u32::from(HELD_UP_BY.bits(connection));
        for idx in 0..tcp::Limit::ALL.len() as u32 {
            let mut n_ticks = SENDING.nth(connection, idx as usize);
            // Of what was still to be sent: it was given up.
            if running == idx + 1 {
                n_ticks = n_ticks.wrapping_add(ticks().wrapping_sub(HELD_UP_SINCE.of(connection)));
            }
            if n_ticks != 0 {
                COUNTS.add(tcp::SENDING + idx, cpu, u64::from(n_ticks) * u64::from(TICK.get()));
            }
        }
    }

    #[inline(always)]
    fn add(count: u32, field: &Field<u32>, connection: Object, cpu: u32) {
        let n = field.of(connection);
        if n != 0 {
            COUNTS.add(count, cpu, n.into());
        }
    }
}
