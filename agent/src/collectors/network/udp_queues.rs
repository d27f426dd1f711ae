//! Bytes that wait in UDP sockets, from `/proc/net/udp` and `/proc/net/udp6`: see proc_pid_net(5). Read by hand: the
//! procfs crate refuses a file with a socket in a state that it does not know.

use crate::collectors::prelude::*;

metrics! {
    QUEUES: Gauge "node_udp_queues" ["ip", "queue"], "Bytes in the send (tx) and receive (rx) queues of all UDP sockets.";
}

pub(super) struct UdpQueues {
    v4: File,
    v6: File,
}

impl Spec for UdpQueues {
    const SUMMARY: &'static str = "Bytes waiting in UDP sockets, from /proc/net/udp and /proc/net/udp6.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        // The kernel walks all of its table once more to see that there is no other socket.
        let table = |name| host.net(name).of_lines_up_to(512);
        Ok(Self { v4: table("udp"), v6: table("udp6") })
    }
}

impl Collector for UdpQueues {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let mut n_missing = 0;
        for (file, ip) in [(&mut self.v4, "v4"), (&mut self.v6, "v6")] {
            let (mut tx, mut rx) = (0_u64, 0_u64);
            let summed = file.parse("names of columns, then the 13 columns of each socket", |text| {
                let mut is_table = false;
                let summed = source::for_each_line(source::lines(text), |number, line| {
                    let first = source::words(line).next().unwrap_or_default();
                    is_table |= first == b"sl" || first.ends_with(b":");
                    if first != b"sl" && (number > 1 || first.ends_with(b":")) {
                        let (socket_tx, socket_rx) = parse_line(line)?;
                        tx = tx.wrapping_add(socket_tx);
                        rx = rx.wrapping_add(socket_rx);
                    }
                    Some(())
                });
                if is_table { summed } else { Err(1) }
            });
            match summed {
                Err(error) if error.is_not_found() => n_missing += 1,
                // Where one socket is not known, neither is the sum.
                summed => {
                    let is_known = errors.ok(summed).is_some();
                    out.push(QUEUES, [ip, "tx"], is_known.then_some(tx));
                    out.push(QUEUES, [ip, "rx"], is_known.then_some(rx));
                }
            }
        }
        match n_missing {
            2 => Err(Error::Absent("neither /proc/net/udp nor /proc/net/udp6".to_owned())),
            _ => Ok(errors.end()?),
        }
    }
}

/// The socket's queues.
fn parse_line(line: &[u8]) -> Option<(u64, u64)> {
    let mut words = source::words(line);
    let queues = words.nth(4)?;
    words.nth(7)?;
    let colon = queues.iter().position(|&byte| byte == b':')?;
    Some((source::hex_number(&queues[..colon])?, source::hex_number(&queues[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 00000000:0044 00000000:0000 07 00000000:00000015 00:00000000 00000000     0        0 2740 2 ffff88003d3af3c0 0
  101: 0100007F:0016 0100007F:0035 01 00000001:00000100 00:00000000 00000000     0        0 2741 2 ffff88003d3af3c0 7
";

    #[test]
    fn sums_over_sockets() {
        let v6 =
            "  sl  local_address\n   7: 0:1 0:0 07 00000003:00000000 00:0 0 0 0 2740 2 ffff88003d3af3c0 0\n";
        let files = [("proc/net/udp", V4), ("proc/net/udp6", v6)];
        check::<UdpQueues>(
            "",
            &files,
            expect![[r##"
                # HELP node_udp_queues Bytes in the send (tx) and receive (rx) queues of all UDP sockets.
                # TYPE node_udp_queues gauge
                node_udp_queues{ip="v4",queue="rx"} 277
                node_udp_queues{ip="v4",queue="tx"} 1
                node_udp_queues{ip="v6",queue="rx"} 0
                node_udp_queues{ip="v6",queue="tx"} 3
            "##]],
        );
    }

    #[test]
    fn one_protocol_may_be_missing() {
        check::<UdpQueues>(
            "",
            &[("proc/net/udp6", V4)],
            expect![[r##"
            # HELP node_udp_queues Bytes in the send (tx) and receive (rx) queues of all UDP sockets.
            # TYPE node_udp_queues gauge
            node_udp_queues{ip="v6",queue="rx"} 277
            node_udp_queues{ip="v6",queue="tx"} 1
        "##]],
        );
    }

    #[test]
    fn a_kernel_without_udp_is_no_fault() {
        check_error::<UdpQueues>(
            "",
            &[],
            expect!["not on this host: neither /proc/net/udp nor /proc/net/udp6"],
        );
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        let text = "  sl  local_address\n100: 00000000:0044 00000000:0000 07 00000000:00000015 00:00000000 00000000 0 0 2740 2 ffff\n";
        check_error::<UdpQueues>(
            "",
            &[("proc/net/udp", text)],
            expect![
                "parse proc/net/udp, line 2: expected names of columns, then the 13 columns of each socket"
            ],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<UdpQueues>("", &[("proc/net/udp", V4)]);
    }
}
