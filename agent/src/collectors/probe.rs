//! What the collectors with probes share: latencies from the kernel's slots to a histogram, and tables of disks.

use crate::{
    collector::Error,
    config::ClassicBuckets,
    metric::{Buckets, Slots},
    source::{
        Folder, Host,
        ebpf::{Histogram, Operation, Size, histogram},
    },
};
use rustix::time::{ClockId, clock_gettime};

/// How latencies of a probe that is attached now are shown.
pub(super) fn latency_slots(host: &Host) -> Slots {
    Slots {
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        first_index: histogram::FIRST_INDEX,
        octaves_a_bound: match host.classic_buckets() {
            ClassicBuckets::Pow2 => 1,
            ClassicBuckets::Pow4 => 2,
        },
        created: seconds(ClockId::Realtime),
    }
}

/// Fills `buckets`, in seconds.
pub(super) fn fill(buckets: &mut Buckets, slots: &Slots, latencies: &Histogram) {
    buckets.fill(slots, &latencies.slots, latencies.sum as f64 / 1e9);
}

/// The same of times that were counted in units of `2^shift` nanoseconds.
pub(super) fn fill_shifted(buckets: &mut Buckets, slots: &Slots, times: &Histogram, shift: u32) {
    let unit = f64::from(1 << shift);
    let slots = Slots {
        zero_threshold: slots.zero_threshold * unit,
        first_index: slots.first_index + (shift << slots.schema) as i32,
        ..*slots
    };
    buckets.fill(&slots, &times.slots, times.sum as f64 * unit / 1e9);
}

/// Latencies that do not all count since the probe was attached.
pub(super) struct Latencies {
    slots: Slots,
    /// Unix time when `CLOCK_MONOTONIC` was 0, as far as the clocks have kept step.
    epoch: f64,
}

impl Latencies {
    pub(super) fn new(host: &Host) -> Self {
        let slots = latency_slots(host);
        Self { slots, epoch: slots.created - seconds(ClockId::Monotonic) }
    }

    /// Fills `buckets`, in seconds. `created`: nanoseconds on `CLOCK_MONOTONIC` since when they count, if it is not
    /// since the probe was attached.
    pub(super) fn fill(&self, buckets: &mut Buckets, latencies: &Histogram, created: Option<u64>) {
        let created = created.map_or(self.slots.created, |it| self.epoch + it as f64 / 1e9);
        fill(buckets, &Slots { created, ..self.slots }, latencies);
    }
}

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The names of all disks that are there, as sysfs has them.
pub(super) fn disks(sys_block: Option<&Folder>) -> Result<Vec<String>, Error> {
    Ok(sys_block.map(Folder::names).transpose()?.unwrap_or_default())
}

/// How large tables of these disks may be.
pub(super) fn disk_tables(sys_block: Option<&Folder>, max_memory_kib: u64) -> Result<Size, Error> {
    let memory = usize::try_from(max_memory_kib.saturating_mul(1024)).unwrap_or(usize::MAX);
    Ok(Size { n_disks: disks(sys_block)?.len(), memory })
}

/// The label's value.
pub(super) fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Flush => "flush",
        Operation::Discard => "discard",
        Operation::Other => "other",
        Operation::Sync => "sync",
    }
}
