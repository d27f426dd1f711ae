//! Latencies, counted in the kernel in the buckets of a Prometheus native histogram.
//!
//! Schema 3 has eight buckets an octave: bucket `i` holds the values in `(2^((i-1)/8), 2^(i/8)]` seconds, so a value
//! is known to 4.4 %. A latency is put where Prometheus puts it, whence nothing is converted or guessed later.

/// Buckets an octave.
const PER_OCTAVE: usize = 8;

/// The exponent of the finest bound: everything up to 2^-23 s (119 ns) is in slot 0.
const MIN_EXPONENT: i32 = -23;

/// The exponent of the coarsest bound: everything above 2^5 s (32 s) is in the last slot.
const MAX_EXPONENT: i32 = 5;

/// The schema of the native histogram that the slots form.
pub const SCHEMA: i32 = 3;

/// Slots of a histogram: one for "at most [`ZERO_THRESHOLD`]", 28 octaves of eight, one for "above [`MAX`]".
pub const SLOTS: usize = (MAX_EXPONENT - MIN_EXPONENT) as usize * PER_OCTAVE + 2;

/// Upper bound of slot 0 in seconds, inclusive: the native histogram's zero threshold.
pub const ZERO_THRESHOLD: f64 = 1.0 / (1 << -MIN_EXPONENT) as f64;

/// Lower bound of the last slot in seconds, exclusive.
pub const MAX: f64 = (1 << MAX_EXPONENT) as f64;

/// The native bucket index of slot 1; slot `s` is bucket `FIRST_INDEX + s - 1`. The last slot is open-ended, but is
/// best shown as the bucket above [`MAX`] that this gives.
pub const FIRST_INDEX: i32 = MIN_EXPONENT * PER_OCTAVE as i32 + 1;

/// Words that fill up a histogram's last cache line.
const PADDING: usize = (SLOTS + 1).next_multiple_of(8) - (SLOTS + 1);

/// Counts by slot, and the sum of what was counted in nanoseconds; the number of values is the sum of the slots.
///
/// A whole number of cache lines: rows of one CPU each stand side by side in a map, and two CPUs that write one line
/// make each other wait (45 ns more a context switch on two CPUs).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    pub slots: [u64; SLOTS],
    pub sum: u64,
    pub unused: [u64; PADDING],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { slots: [0; SLOTS], sum: 0, unused: [0; PADDING] }
    }
}

/// Powers of two by which a histogram of bytes is coarser than one of seconds: its slot 0 is of at most 512 bytes.
pub const BYTES_EXPONENT: i32 = 32;

/// The nanoseconds whose slot stands for so many bytes: 2^32 bytes stand for a second.
#[inline(always)]
pub const fn of_bytes(n_bytes: u32) -> u64 {
    (n_bytes as u64 * 1_000_000_000) >> BYTES_EXPONENT
}

/// 2^58 / 10^9, the fixed-point seconds in a nanosecond, with 28 more bits behind the point.
const SCALE: u128 = (1 << (58 + 28)) / 1_000_000_000;
const SCALE_WHOLE: u64 = (SCALE >> 28) as u64;
const SCALE_PART: u64 = (SCALE & ((1 << 28) - 1)) as u64;

/// `floor(2^(63 + k/8))` for `k` in 1..8: what separates the buckets of an octave.
const THRESHOLDS: [u64; PER_OCTAVE - 1] = [
    0x8b95_c1e3_ea8b_d6e6,
    0x9837_f051_8db8_a96f,
    0xa5fe_d6a9_b151_38ea,
    0xb504_f333_f9de_6484,
    0xc567_2a11_5506_dadd,
    0xd744_fcca_d69d_6af4,
    0xeac0_c6e7_dd24_392e,
];

/// The slot of a latency.
///
/// Exact: for any `ns`, the slot is the one that exact arithmetic gives, bounds included. It runs at each context
/// switch, so it has no table, no division and no branch but two clamps that nearly always go the same way.
#[inline(always)]
pub const fn slot(ns: u64) -> usize {
    // Beyond these every value is in the first or last slot. 119 ns is 2^-23 s rounded down; 33 s is more than 32 s
    // and no more than a bucket above it. In between, no product overflows.
    let ns = if ns < 119 { 119 } else { ns };
    let ns = if ns > 33_000_000_000 { 33_000_000_000 } else { ns };
    // Seconds with 58 bits behind the point. What is rounded away is less than 1 + ns * 2^-28, too little to carry a
    // whole number of nanoseconds over a bound. It is always rounded down, so that a latency of exactly 2^n s, n being
    // a bound of an octave, stays just below it: bounds are inclusive.
    let seconds = ns * SCALE_WHOLE + ((ns * SCALE_PART) >> 28);
    // 28 for the first octave, [2^-23, 2^-22) s, down to 1 for the last; 29 and 0 where it was clamped.
    let zeros = seconds.leading_zeros() as isize;
    let mantissa = seconds << zeros;
    let mut bucket = 0;
    let mut k = 0;
    while k < THRESHOLDS.len() {
        // Both have the top bit set, so the difference borrows exactly if the mantissa is above the threshold. A
        // comparison would be a branch each: BPF has no conditional set.
        bucket += (THRESHOLDS[k].wrapping_sub(mantissa) >> 63) as isize;
        k += 1;
    }
    ((28 - zeros) * PER_OCTAVE as isize + bucket + 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_bounds_are_in_the_slot_below() {
        for exponent in 0..32 {
            let n_bytes = 1 << exponent;
            let bound = (exponent - BYTES_EXPONENT - MIN_EXPONENT).max(0) as usize * PER_OCTAVE;
            assert_eq!(slot(of_bytes(n_bytes)), bound, "{n_bytes}");
            assert!(slot(of_bytes(n_bytes + n_bytes / 8)) > bound || n_bytes < 512, "{n_bytes}");
        }
    }
}
