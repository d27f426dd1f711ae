//! What the collectors with probes share: latencies from the kernel's slots to a histogram, and names of signals.

use crate::{
    config::ClassicBuckets,
    metric::{Buckets, Slots},
    source::{
        Host,
        ebpf::{Histogram, histogram},
    },
};
use rustix::time::{ClockId, clock_gettime};
use std::ops::RangeInclusive;

/// How latencies of a probe that is attached now are shown: classic bounds are those of these seconds, as the text of a
/// page shall have those that tell something. Native histograms have all.
pub(super) fn latency_slots(host: &Host, readable: RangeInclusive<f64>) -> Slots {
    Slots {
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        first_index: histogram::FIRST_INDEX,
        octaves_a_bound: match host.classic_buckets() {
            ClassicBuckets::Pow2 => 1,
            ClassicBuckets::Pow4 => 2,
        },
        readable: readable.into_inner(),
        created: seconds(ClockId::Realtime),
    }
}

/// How sizes in bytes of a probe that is attached now are shown.
pub(super) fn size_slots(host: &Host) -> Slots {
    let exponent = histogram::BYTES_EXPONENT;
    let slots = latency_slots(host, SIZES);
    Slots {
        zero_threshold: slots.zero_threshold * f64::from(exponent).exp2(),
        first_index: slots.first_index + (exponent << slots.schema),
        ..slots
    }
}

/// Seconds that a request to a disk may take: from what a fast one takes to what somebody notices.
const DISK: RangeInclusive<f64> = 2e-5..=8.0;
/// Bytes of a request.
const SIZES: RangeInclusive<f64> = 512.0..=4_194_304.0;

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

/// Histograms that do not all count since the probe was attached.
pub(super) struct Latencies {
    slots: Slots,
    sizes: Slots,
    /// Unix time when `CLOCK_MONOTONIC` was 0, as far as the clocks have kept step.
    epoch: f64,
}

impl Latencies {
    pub(super) fn new(host: &Host) -> Self {
        let slots = latency_slots(host, DISK);
        Self { slots, sizes: size_slots(host), epoch: slots.created - seconds(ClockId::Monotonic) }
    }

    /// Fills `buckets`, in seconds. `created`: nanoseconds on `CLOCK_MONOTONIC` since when they count, if it is not
    /// since the probe was attached.
    pub(super) fn fill(&self, buckets: &mut Buckets, latencies: &Histogram, created: Option<u64>) {
        fill(buckets, &self.since(self.slots, created), latencies);
    }

    /// The same in bytes.
    pub(super) fn fill_sizes(&self, buckets: &mut Buckets, sizes: &Histogram, created: Option<u64>) {
        buckets.fill(&self.since(self.sizes, created), &sizes.slots, sizes.sum as f64);
    }

    fn since(&self, slots: Slots, created: Option<u64>) -> Slots {
        Slots { created: created.map_or(slots.created, |it| self.epoch + it as f64 / 1e9), ..slots }
    }
}

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// By the number less one, as most machines have them: include/uapi/asm-generic/signal.h.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The name of a signal; the real-time ones have numbers only.
pub(super) fn signal(number: usize) -> String {
    match number.checked_sub(1).and_then(|it| SIGNALS.get(it)) {
        Some(name) => (*name).to_owned(),
        None => number.to_string(),
    }
}
