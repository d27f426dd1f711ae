//! Where a count lies in a table that has several banks, so that CPUs need not write the same cache lines.

/// Words of a cache line.
const LINE_WORDS: u32 = 8;

/// Rows of a table that has `n` and one for all others.
pub const fn rows(n: u32) -> u32 {
    n + 1
}

/// The row of an index: one that has none of its own is counted in the last.
#[inline(always)]
pub const fn clamped(index: u32, n: u32) -> u32 {
    if index < n { index } else { n }
}

/// Words of one bank of `n` counters and the one for all others: whole cache lines.
pub const fn counter_words(n: u32) -> u32 {
    rows(n).next_multiple_of(LINE_WORDS)
}

/// The word of a counter. A bank's counters stand side by side.
#[inline(always)]
pub const fn counter(index: u32, bank: u32, n: u32) -> u32 {
    bank * counter_words(n) + clamped(index, n)
}

/// The row of a value that fills whole cache lines. The banks of a value stand side by side.
#[inline(always)]
pub const fn banked(row: u32, bank: u32, banks: u32) -> u32 {
    row * banks + bank
}

/// How many banks a table has: a power of two, no more than spare each CPU the company of others, and no more than
/// `memory` bytes allow, of which one bank takes `size`. One is always made.
pub fn banks(n_cpus: u32, size: usize, memory: usize) -> u32 {
    let affordable = u32::try_from(memory / size.max(1)).unwrap_or(u32::MAX).max(1);
    n_cpus.next_power_of_two().min(1 << affordable.ilog2())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_two_counters_are_one_and_no_two_banks_share_a_line(n in 1u32..300, banks in 1u32..9) {
            let mut seen = std::collections::BTreeMap::new();
            for bank in 0..banks {
                for index in 0..rows(n) {
                    let word = counter(index, bank, n);
                    prop_assert!(word < banks * counter_words(n));
                    prop_assert!(seen.insert(word, bank).is_none());
                }
            }
            for (a, b) in seen.iter().zip(seen.iter().skip(1)) {
                prop_assert!(a.1 == b.1 || a.0 / LINE_WORDS != b.0 / LINE_WORDS);
            }
        }

        #[test]
        fn what_has_no_row_is_in_the_last(n in 1u32..300, index: u32) {
            prop_assert_eq!(clamped(index, n), index.min(n));
        }
    }

    #[test]
    fn each_cpu_has_a_bank_as_far_as_memory_goes() {
        assert_eq!(banks(1, 10, 1000), 1);
        assert_eq!(banks(2, 10, 1000), 2);
        assert_eq!(banks(6, 10, 1000), 8);
        assert_eq!(banks(512, 10, 1000), 64);
        assert_eq!(banks(512, 10, 0), 1);
        assert_eq!(banks(512, 10, usize::MAX), 512);
    }
}
