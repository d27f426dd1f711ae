//! One interface's counters, and under which names they are shown.

use crate::source::netlink::{LinkName, LinkStats};

/// One interface.
pub(super) struct Traffic {
    pub(super) name: LinkName,
    pub(super) stats: LinkStats,
    pub(super) names: Names,
    pub(super) by_netlink: bool,
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
    pub(super) fn named(&self, names: &[Names], value: u64) -> Option<u64> {
        names.contains(&self.names).then_some(value)
    }

    pub(super) fn frame_errors(&self) -> u64 {
        let it = &self.stats;
        [it.rx_length_errors, it.rx_over_errors, it.rx_crc_errors]
            .into_iter()
            .fold(it.rx_frame_errors, u64::wrapping_add)
    }

    pub(super) fn carrier_errors(&self) -> u64 {
        let it = &self.stats;
        let others = [it.tx_aborted_errors, it.tx_heartbeat_errors, it.tx_window_errors];
        others.into_iter().fold(it.tx_carrier_errors, u64::wrapping_add)
    }
}
