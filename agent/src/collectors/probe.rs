//! What the collectors with probes share: latencies from the kernel's slots to a histogram.

use crate::{
    config::ClassicBuckets,
    metric::{Buckets, Slots},
    source::{
        Host,
        ebpf::{Histogram, histogram},
    },
};
use std::time::SystemTime;

/// How latencies of a probe that is attached now are shown.
pub(super) fn latency_slots(host: &Host) -> Slots {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Slots {
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        first_index: histogram::FIRST_INDEX,
        octaves_a_bound: match host.classic_buckets() {
            ClassicBuckets::Pow2 => 1,
            ClassicBuckets::Pow4 => 2,
        },
        created: since_epoch.map_or(0.0, |it| it.as_secs_f64()),
    }
}

/// Fills `buckets`, in seconds.
pub(super) fn fill(buckets: &mut Buckets, slots: &Slots, latencies: &Histogram) {
    buckets.fill(slots, &latencies.slots, latencies.sum as f64 / 1e9);
}
