//! What the run-queue probe remembers of a task's last arrival on a CPU: a word, in a table by the task's number.

/// Bits of the task's number that find the word; the others are kept in it.
const INDEX_BITS: u32 = 15;

/// The time that the task had waited in all, as far as it fits: it wraps after 68 s, twice what a histogram can hold.
const DELAY_BITS: u32 = 36;
const DELAY: u64 = (1 << DELAY_BITS) - 1;

/// How often the task had arrived, as far as it fits.
const ARRIVALS: u64 = (1 << 20) - 1;

/// That the task was moved in its sleep since.
const ASLEEP: u64 = 1 << 56;

/// Words of the table. Where tasks have no higher numbers, as by default on hosts of up to 32 CPUs, each has its own.
pub const WORDS: usize = 1 << INDEX_BITS;

/// The place of a task's word.
#[inline(always)]
pub const fn place(pid: u32) -> u32 {
    pid & (WORDS as u32 - 1)
}

/// The word for a task that has arrived `n_arrivals` times and waited for `delay` nanoseconds in all of them.
#[inline(always)]
pub const fn word(pid: u32, n_arrivals: u64, delay: u64) -> u64 {
    ((pid >> INDEX_BITS) as u64) << 57 | (n_arrivals & ARRIVALS) << DELAY_BITS | delay & DELAY
}

/// The word of a task that is moved in its sleep.
#[inline(always)]
pub const fn moved_asleep(word: u64) -> u64 {
    word | ASLEEP
}

/// What is known of a task since its last arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// It waited for so many nanoseconds on queues that it was taken from.
    Waited(u64),
    /// The kernel takes its sleep for waiting.
    Asleep,
    /// The word is of another task, or of another arrival.
    Unknown,
}

/// What `word` says of a task whose word would be `now`.
#[inline(always)]
pub const fn since(word: u64, now: u64) -> Since {
    if (word ^ now) >> DELAY_BITS == 0 {
        Since::Waited(now.wrapping_sub(word) & DELAY)
    } else if (word ^ now ^ ASLEEP) >> DELAY_BITS == 0 {
        Since::Asleep
    } else {
        Since::Unknown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tells_what_was_added(pid in 0u32..1 << 22, n_arrivals: u64, delay: u64, more in 0u64..1 << 36) {
            let (before, now) = (word(pid, n_arrivals, delay), word(pid, n_arrivals, delay.wrapping_add(more)));
            prop_assert_eq!(since(before, now), Since::Waited(more));
            prop_assert_eq!(since(moved_asleep(before), now), Since::Asleep);
        }

        #[test]
        fn a_word_of_another_task_or_arrival_is_none(pid in 0u32..1 << 22, others in 1u32..1 << 7, n_arrivals in 0u64..1 << 20) {
            let word_of = |pid, n_arrivals| word(pid, n_arrivals, 5);
            // One with the same place in the smallest table.
            let other = (pid + others * WORDS as u32) % (1 << 22);
            prop_assert_eq!(since(word_of(other, n_arrivals), word_of(pid, n_arrivals)), Since::Unknown);
            prop_assert_eq!(since(word_of(pid, n_arrivals), word_of(pid, n_arrivals + 1)), Since::Unknown);
        }
    }
}
