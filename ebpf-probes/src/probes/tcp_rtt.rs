//! Round-trip times of TCP connections, each time an application has read from one.
//!
//! The kernel keeps a smoothed value in each socket; `tcp_rcv_space_adjust` is reached after a read that got something,
//! which is less often than segments arrive.

use ebpf_probes::{maps::HistogramBy, probe};

probe! {
    name: "tcp_rtt",
    constants {
        /// µs, times 8.
        RTT: u32 = field("tcp_sock.srtt_us");
        /// µs, times 4. Not `rttvar_us`, which is never less than the least timeout.
        VARIATION: u32 = field("tcp_sock.mdev_us");
    }
    maps {
        /// The time itself, then its variation.
        TIMES: HistogramBy<2>;
    }
    programs {
        tp_btf("tcp_rcv_space_adjust") fn was_read(args, cpu) {
            let connection = args.object(0).tcp();
            if !connection.is_null() {
                let rtt = RTT.of(connection);
                if rtt != 0 {
                    TIMES.record(0, cpu, u64::from(rtt) * 1000 / 8);
                    TIMES.record(1, cpu, u64::from(VARIATION.of(connection)) * 1000 / 4);
                }
            }
        }
    }
}
