//! What the probes of TCP count by: numbers of the kernel that never change, as they are on the wire or in its ABI.

/// States of a connection: include/net/tcp_states.h.
pub mod state {
    pub const ESTABLISHED: u32 = 1;
    pub const SYN_SENT: u32 = 2;
    pub const SYN_RECV: u32 = 3;
    pub const CLOSE: u32 = 7;
    pub const LISTEN: u32 = 10;

    /// How many there can be.
    pub const MAX: u32 = 16;

    /// By number; empty where there is none.
    const NAMES: [&str; 13] = [
        "",
        "established",
        "syn_sent",
        "syn_recv",
        "fin_wait1",
        "fin_wait2",
        "time_wait",
        "close",
        "close_wait",
        "last_ack",
        "listen",
        "closing",
        "new_syn_recv",
    ];

    /// The name of a number.
    pub fn name(number: usize) -> &'static str {
        NAMES.get(number).copied().filter(|it| !it.is_empty()).unwrap_or("other")
    }
}

/// `icsk_pending` while the timer sends a loss probe: include/net/inet_connection_sock.h.
const LOSS_PROBE: u8 = 5;

/// Why a segment was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Retransmit {
    /// The receiver told that it lacks it.
    Fast = 0,
    /// No acknowledgement came in time.
    Timeout = 1,
    Syn = 2,
    SynAck = 3,
    /// The last segment, early, to have the receiver tell what it lacks.
    LossProbe = 4,
    /// In none of these states: a path that turned out to be narrower, for one.
    Other = 5,
}

impl Retransmit {
    /// All, each at the index that is its number.
    pub const ALL: [Self; 6] =
        [Self::Fast, Self::Timeout, Self::Syn, Self::SynAck, Self::LossProbe, Self::Other];

    /// Of the socket's state, of its congestion control's (`enum tcp_ca_state`), and what its timer was set for.
    #[inline(always)]
    pub const fn of(state: u8, congestion: u8, pending: u8) -> Self {
        const RECOVERY: u8 = 3;
        const LOSS: u8 = 4;
        match (state as u32, congestion) {
            (state::SYN_SENT, _) => Self::Syn,
            (state::SYN_RECV, _) => Self::SynAck,
            (_, RECOVERY) => Self::Fast,
            (_, LOSS) => Self::Timeout,
            _ if pending == LOSS_PROBE => Self::LossProbe,
            _ => Self::Other,
        }
    }
}

/// What became of a try to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Connect {
    Established = 0,
    Refused = 1,
    TimedOut = 2,
    Unreachable = 3,
    /// Ended by this side, without an error of the network.
    Aborted = 4,
    Other = 5,
}

impl Connect {
    /// All, each at the index that is its number.
    pub const ALL: [Self; 6] =
        [Self::Established, Self::Refused, Self::TimedOut, Self::Unreachable, Self::Aborted, Self::Other];

    /// Of the socket's error.
    #[inline(always)]
    pub const fn failed(errno: u32) -> Self {
        match errno {
            0 => Self::Aborted,
            111 => Self::Refused,           // ECONNREFUSED
            110 => Self::TimedOut,          // ETIMEDOUT
            101 | 113 => Self::Unreachable, // ENETUNREACH, EHOSTUNREACH
            _ => Self::Other,
        }
    }
}

/// How far a connection is that began at some time: both in one word, of which the time loses its last two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// This side has sent a SYN.
    Connecting = 0,
    /// This side has connected.
    Client = 1,
    /// The other side connects, or has.
    Server = 2,
}

/// A time in nanoseconds, and a phase.
#[inline(always)]
pub const fn since(ns: u64, phase: Phase) -> u64 {
    ns & !3 | phase as u64
}

/// The time of [`since`].
#[inline(always)]
pub const fn time(since: u64) -> u64 {
    since & !3
}

/// Whether it is the phase of [`since`].
#[inline(always)]
pub const fn is_in(since: u64, phase: Phase) -> bool {
    since & 3 == phase as u64
}

/// Histograms of connections: [`HISTOGRAMS`] by index. Those of tries to connect come first, by [`Connect`].
pub const CLIENT_DURATION: u32 = 6;
pub const SERVER_DURATION: u32 = 7;
pub const RTT: u32 = 8;
pub const RTT_VARIATION: u32 = 9;
pub const HISTOGRAMS: usize = 10;

/// Durations are counted in units of so many nanoseconds as if each were one: from a fifth of a millisecond to nine
/// hours.
pub const DURATION_SHIFT: u32 = 10;

/// Segments of connections that have ended, by what became of them: indices.
pub const SENT: u32 = 0;
pub const RETRANSMITTED: u32 = 1;
pub const LOST: u32 = 2;
pub const RECEIVED: u32 = 3;
pub const OUT_OF_ORDER: u32 = 4;
pub const DUPLICATE: u32 = 5;

/// Other counts of connections, by index.
pub const ACCEPTED: u32 = 6;
pub const UNTIMED: u32 = 7;
/// Tries to connect, by [`Connect`] from here on.
pub const CONNECTS: u32 = 8;
/// Nanoseconds that connections had something to send, by [`Limit`] from here on.
pub const SENDING: u32 = 14;
pub const COUNTS: usize = 23;

/// What held a connection up that had something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// Neither of the others: the path, or what is sent was on its way.
    Network = 0,
    /// The other side has no room.
    ReceiveWindow = 1,
    /// This side has no room for more.
    SendBuffer = 2,
}

impl Limit {
    /// All, each at the index that is its number: as in `tcp_sock.chrono_stat`, and in `enum tcp_chrono` one less.
    pub const ALL: [Self; 3] = [Self::Network, Self::ReceiveWindow, Self::SendBuffer];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        assert!((0..).zip(Retransmit::ALL).all(|(idx, it)| it as usize == idx));
        assert!((0..).zip(Connect::ALL).all(|(idx, it)| it as usize == idx));
        assert!(Connect::ALL.len() as u32 <= CLIENT_DURATION);
        assert!((0..).zip(Limit::ALL).all(|(idx, it)| it as usize == idx));
        assert!(CONNECTS as usize + Connect::ALL.len() <= SENDING as usize);
        assert!(SENDING as usize + Limit::ALL.len() <= COUNTS);
    }

    #[test]
    fn a_segment_is_sent_again_for_a_reason() {
        let established = state::ESTABLISHED as u8;
        for (state, congestion, pending, kind) in [
            (2, 0, 0, Retransmit::Syn),
            (3, 0, 0, Retransmit::SynAck),
            (established, 3, 1, Retransmit::Fast),
            // A probe was due, but the receiver was faster.
            (established, 3, 5, Retransmit::Fast),
            (established, 4, 0, Retransmit::Timeout),
            (established, 0, 5, Retransmit::LossProbe),
            (established, 1, 5, Retransmit::LossProbe),
            (established, 0, 1, Retransmit::Other),
        ] {
            assert_eq!(Retransmit::of(state, congestion, pending), kind);
        }
    }

    #[test]
    fn a_time_keeps_its_phase() {
        for phase in [Phase::Connecting, Phase::Client, Phase::Server] {
            let word = since(1_000_003, phase);
            assert_eq!(time(word), 1_000_000);
            let phases = [Phase::Connecting, Phase::Client, Phase::Server];
            assert!(phases.into_iter().all(|it| is_in(word, it) == (it == phase)));
        }
    }
}
