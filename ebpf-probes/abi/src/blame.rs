//! Who had the CPU while tasks waited for it: what the run-queue probe remembers of each CPU, and how a wait is laid over
//! it. Nothing here needs a kernel.

/// Whose turn it was, or whose wait: a number for each control group that is watched, from [`WATCHED`] up to
/// [`OWN_QUOTA`], and some that are no group's. Numbers are columns of a row, too.
pub const IDLE: u32 = 0;
/// The group of all that is in none: the kernel's threads, and what runs beside all groups.
pub const ROOT: u32 = 1;
/// A group that is not watched.
pub const OTHER: u32 = 2;
pub const WATCHED: u32 = 3;
/// Its own quota kept the group from running.
pub const OWN_QUOTA: u32 = 29;
/// It waited in the queue of another CPU and was moved.
pub const MOVED: u32 = 30;
/// Before the oldest turn that is remembered, or while the probe saw nothing.
pub const UNKNOWN: u32 = 31;

/// Rows and columns.
pub const SLOTS: usize = 32;

/// Turns that are remembered of each CPU.
pub const TURNS: usize = 64;

/// Words of the table of groups that are watched.
pub const PLACES: usize = 4096;

const SLOT_BITS: u32 = 8;

/// The word that says which number a group has; the id is the kernel's of its folder, and never another's.
#[inline(always)]
pub const fn word(id: u64, slot: u32) -> u64 {
    id << SLOT_BITS | slot as u64
}

/// The number of a group by a word; `None` if the word is another's.
#[inline(always)]
pub const fn slot_of(word: u64, id: u64) -> Option<u32> {
    if word >> SLOT_BITS == id << SLOT_BITS >> SLOT_BITS && word != 0 {
        Some(word as u32 & ((1 << SLOT_BITS) - 1))
    } else {
        None
    }
}

/// The number and the id of a word.
#[inline(always)]
pub const fn id_of(word: u64) -> (u32, u64) {
    (word as u32 & ((1 << SLOT_BITS) - 1), word >> SLOT_BITS)
}

/// Where a group's word is.
#[inline(always)]
pub const fn place_of(id: u64) -> u32 {
    id as u32 & (PLACES as u32 - 1)
}

/// A turn on a CPU, which began where the one before ended; on the clock of the CPU's queue.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Turn {
    pub end: u64,
    /// Whose it was, and above that a bit for each group that its quota held back meanwhile.
    pub whose: u64,
}

impl Turn {
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        self.whose as u32
    }

    #[inline(always)]
    pub const fn held_bit(slot: u32) -> u64 {
        1 << (32 + slot)
    }
}

/// What is known of the quota of a group on a CPU.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Held {
    /// The group's.
    pub id: u64,
    /// For how long it was held back in all, by the kernel.
    pub total: u64,
    /// Since when it is; 0 if that is not known.
    pub since: u64,
}

/// All that is remembered of a CPU.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Blame {
    /// The place of the newest turn, as far as it fits.
    pub newest: u64,
    pub turns: [Turn; TURNS],
    pub held: [Held; SLOTS],
    /// Nanoseconds: by who waited, then by who had the CPU.
    pub waits: [u64; SLOTS * SLOTS],
}

/// How much of the time from `low` to `high` lies between two others.
#[inline(always)]
pub const fn overlap(low: u64, high: u64, [from, to]: [u64; 2]) -> u64 {
    let low = if low > from { low } else { from };
    let high = if high < to { high } else { to };
    high.saturating_sub(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_is_its_groups_alone(id in 1u64..1 << 56, other in 1u64..1 << 56, slot in 0u32..32) {
            prop_assert_eq!(slot_of(word(id, slot), id), Some(slot));
            prop_assert_eq!(slot_of(word(id, slot), other), (id == other).then_some(slot));
            prop_assert_eq!(slot_of(0, id), None);
        }

        #[test]
        fn parts_of_a_time_add_up(mut ends: [u16; 4], from: u16, length: u16) {
            ends.sort_unstable();
            let [a, b, c, d] = ends.map(u64::from);
            let wait = [u64::from(from), u64::from(from) + u64::from(length)];
            let parts = overlap(a, b, wait) + overlap(b, c, wait) + overlap(c, d, wait);
            prop_assert_eq!(parts, overlap(a, d, wait));
        }
    }
}
