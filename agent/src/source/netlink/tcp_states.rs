//! TCP sockets by state, by sock_diag(7), counted as the kernel tells of them.
//!
//! Nearly all that it takes is the kernel's way through memory: 100,000 sockets 108 ms, and 79 ms by a BPF iterator
//! (`iter/tcp`) whose program adds them up in a map, 63 and 73 ms at best; 0.8 times as long even when it looks at the
//! states alone. That is too little for a way of its own. node_exporter's collector takes four times as long.

use super::{Request, Socket, message::read_u32};
use crate::source::Error;

/// The older request is for IPv4 and IPv6 at once: half of the way through the kernel's table of sockets.
const TCPDIAG_GETSOCK: u16 = 18;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// All states of a socket, `TCPF_ALL`; a request for a connection counts as `SYN_RECV`.
const ALL_STATES: u32 = 0xfff;

/// Bytes of `struct inet_diag_req_v2`, of which all but the first eight are zero, and of `struct inet_diag_req`, of which
/// all but the first byte and the states are.
const REQUEST: usize = 56;
const OLD_REQUEST: usize = 60;
/// Bytes of `struct inet_diag_msg`, and where in it stand what was received and not read, and what was sent and not
/// confirmed.
const ANSWER: usize = 72;
const RECEIVED: usize = 56;
const SENT: usize = 60;

/// How many sockets there are, and the bytes that wait in them. Of one that listens, those are connections: not
/// accepted ones, and how many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpStates {
    /// By the state's number in `include/net/tcp_states.h`.
    pub(crate) by_state: [u64; 16],
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl TcpStates {
    /// Counts the IPv4 and IPv6 sockets of the network.
    pub(crate) fn count(socket: &mut Socket) -> Result<Self, Error> {
        // No more of each than its head: what TCP knows besides takes the socket's lock.
        let mut payload = [0; OLD_REQUEST];
        payload[0] = AF_INET;
        payload[52..56].copy_from_slice(&ALL_STATES.to_ne_bytes());
        let mut states = Self::default();
        if states.add_all(socket, TCPDIAG_GETSOCK, &payload).is_ok() {
            return Ok(states);
        }
        states = Self::default();
        for family in [AF_INET, AF_INET6] {
            let mut payload = [0; REQUEST];
            payload[..2].copy_from_slice(&[family, IPPROTO_TCP]);
            payload[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
            states.add_all(socket, SOCK_DIAG_BY_FAMILY, &payload)?;
        }
        Ok(states)
    }

    fn add_all(&mut self, socket: &mut Socket, kind: u16, payload: &[u8]) -> Result<(), Error> {
        socket.for_each(Request { call: "list TCP sockets", kind, payload }, |message| {
            self.add_message(message);
        })
    }

    pub(crate) fn add(&mut self, state: u8, received: u64, sent: u64) {
        self.by_state[usize::from(state).min(self.by_state.len() - 1)] += 1;
        self.received = self.received.wrapping_add(received);
        self.sent = self.sent.wrapping_add(sent);
    }

    fn add_message(&mut self, message: &[u8]) -> Option<()> {
        let answer = message.first_chunk::<ANSWER>()?;
        let (received, sent) = (read_u32(&answer[RECEIVED..])?, read_u32(&answer[SENT..])?);
        self.add(answer[1], received.into(), sent.into());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Message, messages},
        *,
    };
    use crate::testing::fuzz;

    fn message(state: u8, received: u32, sent: u32) -> [u8; ANSWER] {
        let mut message = [0; ANSWER];
        message[1] = state;
        message[RECEIVED..SENT].copy_from_slice(&received.to_ne_bytes());
        message[SENT..SENT + 4].copy_from_slice(&sent.to_ne_bytes());
        message
    }

    #[test]
    fn sums_over_sockets_of_any_state() {
        let mut states = TcpStates::default();
        for message in [message(1, 7, 0), message(1, u32::MAX, 3), message(10, 0, 128), message(255, 0, 0)] {
            states.add_message(&message).unwrap();
        }
        assert_eq!(states.add_message(&message(1, 1, 1)[1..]), None);
        let mut by_state = [0; 16];
        [by_state[1], by_state[10], by_state[15]] = [2, 1, 1];
        assert_eq!(states, TcpStates { by_state, received: 7 + u64::from(u32::MAX), sent: 131 });
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_sockets() {
        let payload = message(1, 7, 9);
        let mut datagram = Vec::new();
        Message { kind: SOCK_DIAG_BY_FAMILY, flags: 2, sequence: 1, payload: &payload }.write(&mut datagram);
        fuzz(&[&datagram, &payload], |bytes| {
            let mut states = TcpStates::default();
            for payload in messages(bytes).map(|it| it.payload).chain([bytes]) {
                states.add_message(payload);
            }
        });
    }
}
