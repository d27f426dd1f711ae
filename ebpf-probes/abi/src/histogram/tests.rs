//! Slots against arithmetic without rounding.

extern crate std;

use core::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// An unsigned integer of 576 bits, little end first: enough for `ns^8 * 2^184`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wide([u64; 9]);

impl Wide {
    const ONE: Self = Self([1, 0, 0, 0, 0, 0, 0, 0, 0]);

    fn times(mut self, factor: u64) -> Self {
        let mut carry = 0;
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(factor) + carry;
            *word = product as u64;
            carry = product >> 64;
        }
        assert_eq!(carry, 0, "the product fits");
        self
    }

    fn power(factor: u64, exponent: u32) -> Self {
        (0..exponent).fold(Self::ONE, |product, _| product.times(factor))
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// `ns / 10^9 <= 2^(index/8)`, without rounding: `ns^8 * 2^-index <= 10^72`.
fn at_most(ns: u64, index: i32) -> bool {
    let shifted = |mut number: Wide, bits: i32| {
        for _ in 0..bits.max(0) {
            number = number.times(2);
        }
        number
    };
    shifted(Wide::power(ns, 8), -index) <= shifted(Wide::power(10, 72), index)
}

/// The native bucket index of a slot's upper bound; slot 0 is bounded by that of slot 1's lower one.
fn bound(slot: usize) -> i32 {
    FIRST_INDEX - 1 + slot as i32
}

/// The greatest latency in nanoseconds of a slot that is not the last.
fn greatest(slot: usize) -> u64 {
    let (mut low, mut high) = (0, 1 << 36);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if at_most(middle, bound(slot)) { low = middle } else { high = middle }
    }
    low
}

fn exact_slot(ns: u64) -> usize {
    // Beyond 2^36 ns the powers need not be taken.
    if ns >> 36 != 0 {
        return SLOTS - 1;
    }
    (0..SLOTS - 1).find(|&slot| at_most(ns, bound(slot))).unwrap_or(SLOTS - 1)
}

#[test]
fn every_bound_separates_exactly() {
    for below in 0..SLOTS - 1 {
        let last = greatest(below);
        // The finest buckets hold a few nanoseconds only: 13 at 2^-23 s.
        for ns in last - 2..=last {
            assert_eq!(slot(ns), below, "{ns} ns");
        }
        for ns in last + 1..=last + 2 {
            assert_eq!(slot(ns), below + 1, "{ns} ns");
        }
    }
}

#[test]
fn every_nanosecond_of_the_first_four_milliseconds_is_in_its_slot() {
    let (mut expected, mut last) = (0, greatest(0));
    for ns in 0..1 << 22 {
        if ns > last {
            expected += 1;
            last = greatest(expected);
        }
        assert_eq!(slot(ns), expected, "{ns} ns");
    }
    assert_eq!(expected, 121, "15 octaves and a bit");
}

#[test]
fn bounds_that_are_whole_nanoseconds_are_inclusive() {
    assert_eq!(bound(slot(1_000_000_000)), 0);
    assert_eq!(bound(slot(1_000_000_001)), 1);
    assert_eq!(bound(slot(500_000_000)), -8);
    assert_eq!(bound(slot(1_953_125)), -72, "2^-9 s is the finest power of two in whole nanoseconds");
    assert_eq!(slot(32_000_000_000), SLOTS - 2);
    assert_eq!(slot(32_000_000_001), SLOTS - 1);
}

#[test]
fn the_ends_take_all_that_lies_beyond() {
    assert_eq!(slot(0), 0);
    assert_eq!(slot(119), 0);
    assert_eq!(slot(120), 1);
    assert_eq!(slot(1 << 63), SLOTS - 1);
    assert_eq!(slot(u64::MAX), SLOTS - 1);
}

#[test]
fn constants_describe_the_slots() {
    assert_eq!(SLOTS, 226);
    assert_eq!(FIRST_INDEX, -183);
    assert_eq!(ZERO_THRESHOLD, (-23f64).exp2());
    assert_eq!(MAX, 32.0);
    assert_eq!(size_of::<Histogram>() % 64, 0, "two CPUs would write one cache line");
    assert!(size_of::<Histogram>() - (SLOTS + 1) * 8 < 64);
}

proptest! {
    #[test]
    fn agrees_with_exact_arithmetic(bits in 0u32..64, noise: u64) {
        let ns = noise >> bits;
        prop_assert_eq!(slot(ns), exact_slot(ns));
    }

    #[test]
    fn never_decreases(a: u64, b: u64, shift in 0u32..64) {
        let (a, b) = (a >> shift, b >> shift);
        prop_assert!(slot(a.min(b)) <= slot(a.max(b)));
    }
}
