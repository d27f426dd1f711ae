//! What is recorded: what the charts of the page are drawn from, out of collectors that cost little.

/// A family that is recorded.
#[derive(Debug)]
pub(super) struct Wanted {
    /// It gives the family.
    pub(super) collector: &'static str,
    pub(super) family: &'static str,
    /// What a line stands for: the sum over all samples, of which this label is the same; "" for one line.
    pub(super) by: &'static str,
    /// Samples with this label and value are left out.
    pub(super) but: (&'static str, &'static str),
    pub(super) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As it is.
    Value,
    /// What a counter grows by in a second.
    Rate,
    /// A histogram: its quantiles, and how often each octave is hit in a second.
    Latency,
}

const fn wanted(collector: &'static str, family: &'static str, by: &'static str, how: How) -> Wanted {
    Wanted { collector, family, by, but: ("", ""), how }
}

const NO_LOOPBACK: (&str, &str) = ("device", "lo");
const NOT_BENIGN: (&str, &str) = ("benign", "true");

pub(super) const WANTED: &[Wanted] = &[
    wanted("cpu", "node_cpu_seconds_total", "mode", How::Rate),
    wanted("meminfo", "node_memory_MemTotal_bytes", "", How::Value),
    wanted("meminfo", "node_memory_MemFree_bytes", "", How::Value),
    wanted("meminfo", "node_memory_MemAvailable_bytes", "", How::Value),
    wanted("meminfo", "node_memory_SwapTotal_bytes", "", How::Value),
    wanted("meminfo", "node_memory_SwapFree_bytes", "", How::Value),
    wanted("diskstats", "node_disk_read_bytes_total", "device", How::Rate),
    wanted("diskstats", "node_disk_written_bytes_total", "device", How::Rate),
    wanted("diskstats", "node_disk_io_time_seconds_total", "device", How::Rate),
    Wanted { but: NO_LOOPBACK, ..wanted("netdev", "node_network_receive_bytes_total", "device", How::Rate) },
    Wanted { but: NO_LOOPBACK, ..wanted("netdev", "node_network_transmit_bytes_total", "device", How::Rate) },
    wanted("pressure", "node_pressure_cpu_waiting_seconds_total", "", How::Rate),
    wanted("pressure", "node_pressure_memory_waiting_seconds_total", "", How::Rate),
    wanted("pressure", "node_pressure_io_waiting_seconds_total", "", How::Rate),
    wanted("runqueue", "node_sched_runqueue_latency_seconds", "", How::Latency),
    wanted("block_io", "node_block_io_latency_seconds", "", How::Latency),
    Wanted { but: NOT_BENIGN, ..wanted("packet_drops", "node_packet_drops_total", "reason", How::Rate) },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors;

    #[test]
    fn is_what_collectors_declare() {
        for it in WANTED {
            let entry = collectors::all().find(|entry| entry.name == it.collector).unwrap();
            let fits = |name: &str| match name.split_once('*') {
                Some((before, after)) => it.family.starts_with(before) && it.family.ends_with(after),
                None => name == it.family,
            };
            let meta = entry.metrics.iter().find(|meta| fits(meta.name)).expect(it.family);
            for label in [it.by, it.but.0].into_iter().filter(|label| !label.is_empty()) {
                assert!(meta.labels.contains(&label), "{}: {label}", it.family);
            }
        }
    }
}
