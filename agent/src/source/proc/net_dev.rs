//! `/proc/net/dev`: see proc_pid_net(5) and `dev_seq_printf_stats` of `net/core/net-procfs.c`. Read by hand: the procfs
//! crate refuses the whole file for a name that is not UTF-8.

use crate::source::{count, netlink::LinkStats, words};

/// Whether the line is one of those that name the columns.
pub(crate) fn is_heading(line: &[u8]) -> bool {
    line.contains(&b'|')
}

/// The interface of one line, its counters, and whether each of them is a number. Those that the file adds up stand in
/// the first of their terms: `rx_dropped`, `rx_frame_errors`, `tx_carrier_errors`. `None` when there is no name.
pub(crate) fn parse_line(line: &[u8]) -> Option<(&[u8], LinkStats, bool)> {
    // A name may hold colons, as those of aliases do.
    let colon = line.iter().rposition(|&byte| byte == b':')?;
    let name = line[..colon].trim_ascii();
    let mut fields = words(&line[colon + 1..]);
    let mut is_whole = true;
    let mut next = || {
        let count = fields.next().and_then(count);
        is_whole &= count.is_some();
        count.flatten()
    };
    // Fields of a literal are evaluated as they are written: this is the order of the columns.
    let stats = LinkStats {
        rx_bytes: next(),
        rx_packets: next(),
        rx_errors: next(),
        rx_dropped: next(),
        rx_fifo_errors: next(),
        rx_frame_errors: next(),
        rx_compressed: next(),
        multicast: next(),
        tx_bytes: next(),
        tx_packets: next(),
        tx_errors: next(),
        tx_dropped: next(),
        tx_fifo_errors: next(),
        collisions: next(),
        tx_carrier_errors: next(),
        tx_compressed: next(),
        ..LinkStats::default()
    };
    (!name.is_empty()).then_some((name, stats, is_whole))
}
