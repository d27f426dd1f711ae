//! One interface's counters, and under which names they are shown.

use crate::source::netlink::{LinkName, LinkStats};

/// One interface.
pub(super) struct Traffic {
    pub(super) name: LinkName,
    pub(super) stats: LinkStats,
    pub(super) names: Names,
}

/// How counters are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Short,
    Long,
    /// Where /proc/net/dev adds counters up, the kernel's names for them would be wrong.
    LongOfFile,
}

impl Traffic {
    /// The value, if it goes by one of `names` here.
    pub(super) fn named(&self, names: &[Names], value: Option<u64>) -> Option<u64> {
        value.filter(|_| names.contains(&self.names))
    }

    pub(super) fn dropped_or_missed(&self) -> Option<u64> {
        let it = &self.stats;
        sum(it.rx_dropped, [it.rx_missed_errors])
    }

    pub(super) fn frame_errors(&self) -> Option<u64> {
        let it = &self.stats;
        sum(it.rx_frame_errors, [it.rx_length_errors, it.rx_over_errors, it.rx_crc_errors])
    }

    pub(super) fn carrier_errors(&self) -> Option<u64> {
        let it = &self.stats;
        sum(it.tx_carrier_errors, [it.tx_aborted_errors, it.tx_heartbeat_errors, it.tx_window_errors])
    }
}

/// The sum that the file has in place of its first term, and without the others.
fn sum<const N: usize>(first: Option<u64>, others: [Option<u64>; N]) -> Option<u64> {
    Some(others.into_iter().flatten().fold(first?, u64::wrapping_add))
}
