//! What the collectors with probes share: latencies from the kernel's slots to a histogram, and names of signals.

use crate::{
    config::ClassicBuckets,
    metric::{Buckets, Slots, seconds},
    source::{
        Host,
        ebpf::{Histogram, histogram},
    },
};
use rustix::time::ClockId;
use std::ops::RangeInclusive;

/// How latencies are shown: classic bounds are those of these seconds, as the text of a page shall have those that tell
/// something. Native histograms have all.
pub(super) fn latency_slots(host: &Host, readable: RangeInclusive<f64>) -> Slots {
    Slots {
        schema: histogram::SCHEMA,
        zero_threshold: histogram::ZERO_THRESHOLD,
        first_index: histogram::FIRST_INDEX,
        octaves_a_bound: match host.ebpf().classic_buckets {
            ClassicBuckets::Pow2 => 1,
            ClassicBuckets::Pow4 => 2,
        },
        readable: readable.into_inner(),
        start: None,
    }
}

/// How sizes in bytes are shown.
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
    /// Seconds after the boot when `CLOCK_MONOTONIC` was 0: how long the machine had slept by then.
    slept: f64,
}

impl Latencies {
    pub(super) fn new(host: &Host) -> Self {
        let slept = seconds(ClockId::Boottime) - seconds(ClockId::Monotonic);
        Self { slots: latency_slots(host, DISK), sizes: size_slots(host), slept }
    }

    /// Fills `buckets`, in seconds. `start`: if it is not since the probe was attached.
    pub(super) fn fill(&self, buckets: &mut Buckets, latencies: &Histogram, start: Option<f64>) {
        fill(buckets, &Slots { start, ..self.slots }, latencies);
    }

    /// The same in bytes.
    pub(super) fn fill_sizes(&self, buckets: &mut Buckets, sizes: &Histogram, start: Option<f64>) {
        buckets.fill(&Slots { start, ..self.sizes }, &sizes.slots, sizes.sum as f64);
    }

    /// Nanoseconds on `CLOCK_MONOTONIC`, in seconds after the boot.
    pub(super) fn start(&self, created: u64) -> f64 {
        self.slept + created as f64 / 1e9
    }
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
