//! TCP sockets by state, and what waits in them: by sock_diag(7), or from `/proc/net/tcp` and `/proc/net/tcp6`, which
//! takes the kernel several times as long.

use crate::{
    collectors::prelude::*,
    source::netlink::{Socket, TcpStates},
};

metrics! {
    STATES: Gauge "node_tcp_connection_states" ["state"], "TCP sockets in each state; rx_queued_bytes and tx_queued_bytes are the bytes that wait in all of them, or for listening sockets the connections that wait to be accepted.";
}

section! {
    pub(super) struct Config {
        /// Asks the kernel by sock_diag; false: reads /proc/net/tcp and /proc/net/tcp6. In a container whose network is
        /// not the host's the files are read where the host's network cannot be entered.
        netlink: bool = true,
    }
}

/// By number, as `include/net/tcp_states.h` has them.
const NAMES: [&str; 12] = [
    "unknown",
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
];

pub(super) struct Tcpstat {
    /// Instead of the files.
    socket: Option<Socket>,
    v4: File,
    v6: File,
}

impl Spec for Tcpstat {
    const SUMMARY: &'static str = "TCP sockets by state, and bytes that wait in them, by sock_diag.";
    const ENABLED: bool = false;
    const COST: &'static str = "some 0.8 µs a socket, nearly all of it the kernel's";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let socket = config.netlink.then(|| host.netlink(Socket::diagnostics()).ok()).flatten();
        Ok(Self { socket, v4: host.net("tcp"), v6: host.net("tcp6") })
    }
}

impl Collector for Tcpstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let states = match &mut self.socket {
            Some(socket) => TcpStates::count(socket)?,
            None => self.read_files()?,
        };
        let mut by_name = [0; NAMES.len()];
        for (state, n) in states.by_state.iter().enumerate() {
            by_name[if state < NAMES.len() { state } else { 0 }] += n;
        }
        let any = by_name.iter().any(|n| *n > 0);
        for (name, n) in NAMES.iter().zip(by_name).filter(|it| it.1 > 0) {
            out.push(STATES, [*name], n);
        }
        out.push(STATES, ["rx_queued_bytes"], any.then_some(states.received));
        out.push(STATES, ["tx_queued_bytes"], any.then_some(states.sent));
        Ok(())
    }
}

impl Tcpstat {
    /// Where one socket is not known, neither is any sum.
    fn read_files(&mut self) -> Result<TcpStates, source::Error> {
        let mut states = TcpStates::default();
        let mut read = |file: &mut File| {
            file.parse("names of columns, then state and queues of each socket", |text| {
                let mut is_table = false;
                let summed = source::for_each_line(source::lines(text), |number, line| {
                    let first = source::words(line).next().unwrap_or_default();
                    let is_socket = first.ends_with(b":");
                    is_table |= first == b"sl" || is_socket;
                    if first != b"sl" && (number > 1 || is_socket) {
                        let (state, sent, received) = parse_line(line)?;
                        states.add(state, received, sent);
                    }
                    Some(())
                });
                if is_table { summed } else { Err(1) }
            })
        };
        read(&mut self.v4)?;
        match read(&mut self.v6) {
            // A kernel without IPv6.
            Err(error) if error.is_not_found() => Ok(states),
            read => read.map(|()| states),
        }
    }
}

/// State, and bytes sent and received that wait.
fn parse_line(line: &[u8]) -> Option<(u8, u64, u64)> {
    let mut words = source::words(line);
    let state = words.nth(3)?;
    let queues = words.next()?;
    let colon = queues.iter().position(|&byte| byte == b':')?;
    let state = u8::try_from(source::hex_number(state)?).ok()?;
    Some((state, source::hex_number(&queues[..colon])?, source::hex_number(&queues[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 2740 1
   1: 0100007F:0016 0100007F:8FB2 01 00000015:00000100 02:000A7214 00000000     0        0 2741 4
";
    const V6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 06 00000000:00000000 03:0 0
";

    #[test]
    fn counts_the_sockets_of_both_families() {
        check::<Tcpstat>(
            "netlink = false",
            &[("proc/net/tcp", V4), ("proc/net/tcp6", V6)],
            expect![[r##"
                # HELP node_tcp_connection_states TCP sockets in each state; rx_queued_bytes and tx_queued_bytes are the bytes that wait in all of them, or for listening sockets the connections that wait to be accepted.
                # TYPE node_tcp_connection_states gauge
                node_tcp_connection_states{state="established"} 1
                node_tcp_connection_states{state="listen"} 1
                node_tcp_connection_states{state="rx_queued_bytes"} 257
                node_tcp_connection_states{state="time_wait"} 1
                node_tcp_connection_states{state="tx_queued_bytes"} 21
            "##]],
        );
    }

    #[test]
    fn a_kernel_without_ipv6_has_one_file() {
        check::<Tcpstat>(
            "netlink = false",
            &[("proc/net/tcp", &V4[..V4.find("   1:").unwrap()])],
            expect![[r##"
            # HELP node_tcp_connection_states TCP sockets in each state; rx_queued_bytes and tx_queued_bytes are the bytes that wait in all of them, or for listening sockets the connections that wait to be accepted.
            # TYPE node_tcp_connection_states gauge
            node_tcp_connection_states{state="listen"} 1
            node_tcp_connection_states{state="rx_queued_bytes"} 1
            node_tcp_connection_states{state="tx_queued_bytes"} 0
        "##]],
        );
    }

    #[test]
    fn where_there_are_no_sockets_nothing_is_shown() {
        check::<Tcpstat>("netlink = false", &[("proc/net/tcp", V4.lines().next().unwrap())], expect![[""]]);
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        let cut = &V4[..V4.rfind("00000015").unwrap() + 4];
        check_error::<Tcpstat>(
            "netlink = false",
            &[("proc/net/tcp", cut)],
            expect![
                "parse proc/net/tcp, line 3: expected names of columns, then state and queues of each socket"
            ],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Tcpstat>("netlink = false", &[("proc/net/tcp", V4), ("proc/net/tcp6", V6)]);
    }
}
