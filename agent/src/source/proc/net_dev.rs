//! `/proc/net/dev`: see proc_pid_net(5) and `dev_seq_printf_stats` of `net/core/net-procfs.c`. Read by hand: the procfs
//! crate refuses the whole file for a name that is not UTF-8.

use crate::source::{netlink::LinkStats, number, words};

/// Whether the line is one of those that name the columns.
pub(crate) fn is_heading(line: &[u8]) -> bool {
    line.contains(&b'|')
}

/// The interface of one line and its counters. Those that the file adds up stand in the first of their terms:
/// `rx_dropped`, `rx_frame_errors`, `tx_carrier_errors`. `None` when the line is not whole.
pub(crate) fn parse_line(line: &[u8]) -> Option<(&[u8], LinkStats)> {
    // A name may hold colons, as those of aliases do.
    let colon = line.iter().rposition(|&byte| byte == b':')?;
    let name = line[..colon].trim_ascii();
    let mut numbers = [0; 16];
    let mut fields = words(&line[colon + 1..]);
    for number in &mut numbers {
        *number = self::number(fields.next()?)?;
    }
    let [rx @ .., _, _, _, _, _, _, _, _] = numbers;
    let [_, _, _, _, _, _, _, _, tx @ ..] = numbers;
    let [
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        rx_fifo_errors,
        rx_frame_errors,
        rx_compressed,
        multicast,
    ] = rx;
    let [
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_fifo_errors,
        collisions,
        tx_carrier_errors,
        tx_compressed,
    ] = tx;
    let stats = LinkStats {
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        rx_errors,
        tx_errors,
        rx_dropped,
        tx_dropped,
        multicast,
        collisions,
        rx_frame_errors,
        rx_fifo_errors,
        tx_carrier_errors,
        tx_fifo_errors,
        rx_compressed,
        tx_compressed,
        ..LinkStats::default()
    };
    (!name.is_empty()).then_some((name, stats))
}
