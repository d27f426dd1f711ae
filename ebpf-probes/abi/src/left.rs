//! What the off-CPU probe remembers of a task that left its CPU: a word, in a table by the task's number.

/// Bits of the task's number that find the word; the next seven are kept in it.
const INDEX_BITS: u32 = 15;
const REASON_BITS: u32 = 3;
/// 208 days.
const TIME_BITS: u32 = 54;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Words of the table. Where tasks have no higher numbers, as by default on hosts of up to 32 CPUs, each has its own.
pub const WORDS: usize = 1 << INDEX_BITS;

/// Kinds of [`Reason`].
pub const REASONS: usize = 6;

/// Why a task left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// It could have gone on.
    Preempted = 0,
    /// It sleeps until something happens, or a signal comes.
    Sleep = 1,
    /// It waits for what will be soon: a disk, a lock of the kernel.
    Uninterruptible = 2,
    /// A thread of the kernel waits for work.
    Idle = 3,
    /// It is stopped or traced.
    Stopped = 4,
    Other = 5,
}

impl Reason {
    /// Of a task's state: include/linux/sched.h, the same since 4.14.
    #[inline(always)]
    pub const fn of(state: u32) -> Self {
        const INTERRUPTIBLE: u32 = 1;
        const UNINTERRUPTIBLE: u32 = 2;
        const STOPPED_OR_TRACED: u32 = 4 | 8;
        const NOLOAD: u32 = 0x400;
        if state == 0 {
            Self::Preempted
        } else if state & INTERRUPTIBLE != 0 {
            Self::Sleep
        } else if state & UNINTERRUPTIBLE != 0 {
            if state & NOLOAD != 0 { Self::Idle } else { Self::Uninterruptible }
        } else if state & STOPPED_OR_TRACED != 0 {
            Self::Stopped
        } else {
            Self::Other
        }
    }
}

/// The place of a task's word.
#[inline(always)]
pub const fn place(pid: u32) -> u32 {
    pid & (WORDS as u32 - 1)
}

/// The word of a task that leaves at `now`, in nanoseconds; never 0.
#[inline(always)]
pub const fn word(pid: u32, reason: Reason, now: u64) -> u64 {
    mark(pid) | ((reason as u64 + 1) << TIME_BITS) | (now & TIME)
}

/// The reason, by number, and the nanoseconds since a task left; `None` if the word is of another or of none.
#[inline(always)]
pub const fn since(word: u64, pid: u32, now: u64) -> Option<(u32, u64)> {
    let reason = (word >> TIME_BITS) as u32 & ((1 << REASON_BITS) - 1);
    if reason == 0 || (word ^ mark(pid)) >> (TIME_BITS + REASON_BITS) != 0 {
        return None;
    }
    Some((reason - 1, now.wrapping_sub(word) & TIME))
}

#[inline(always)]
const fn mark(pid: u32) -> u64 {
    ((pid >> INDEX_BITS) as u64) << (TIME_BITS + REASON_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Reason; REASONS] = [
        Reason::Preempted,
        Reason::Sleep,
        Reason::Uninterruptible,
        Reason::Idle,
        Reason::Stopped,
        Reason::Other,
    ];

    proptest! {
        #[test]
        fn tells_since_when_and_why(pid in 1u32..1 << 22, idx in 0..REASONS, now in 0u64..1 << 60, time in 0u64..1 << 54) {
            let word = word(pid, ALL[idx], now);
            prop_assert_ne!(word, 0);
            prop_assert_eq!(since(word, pid, now + time), Some((idx as u32, time)));
        }

        #[test]
        fn a_word_of_another_task_is_none(pid in 1u32..1 << 22, others in 1u32..1 << 7) {
            let other = (pid + others * WORDS as u32) % (1 << 22);
            prop_assert_eq!(place(other), place(pid));
            prop_assert_eq!(since(word(other, Reason::Sleep, 5), pid, 9), None);
            prop_assert_eq!(since(0, pid, 9), None);
        }
    }

    #[test]
    fn states_are_reasons() {
        for (state, reason) in [
            (0, Reason::Preempted),
            (0x1, Reason::Sleep),
            (0x2001, Reason::Sleep),
            (0x2, Reason::Uninterruptible),
            (0x102, Reason::Uninterruptible),
            (0x402, Reason::Idle),
            (0x104, Reason::Stopped),
            (0x8, Reason::Stopped),
            (0x80, Reason::Other),
        ] {
            assert_eq!(Reason::of(state), reason, "{state:#x}");
        }
    }
}
