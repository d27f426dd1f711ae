//! What the block I/O probes count: by disk and operation, a latency each, and what failed.

use crate::Histogram;

/// The kernel's numbers of operations that are commands of drivers and user space: `SCSI_IN` to `DRV_OUT`.
pub const PASSTHROUGH: core::ops::RangeInclusive<u32> = 32..=35;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    Read = 0,
    /// Writes of data, appends to a zone among them.
    Write = 1,
    /// Of the disk's cache, as the disk gets them.
    Flush = 2,
    Discard = 3,
    /// Writes of zeroes, secure erases, commands to zones. Where they are odd numbers, as nearly all are, the kernel's
    /// own statistics have them among the writes.
    Other = 4,
    /// A flush as it is asked for, by fsync(2) for one: a write of nothing, done when a flush of the disk is. One of
    /// those may serve several. The kernel's own statistics have them among the writes.
    Sync = 5,
}

impl Operation {
    /// All operations, each at the index that is its number.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Flush, Self::Discard, Self::Other, Self::Sync];

    /// Of the kernel's number for it and whether it is of no data: include/linux/blk_types.h, the same since 4.10 but
    /// for `zone_append`, which the kernel's types say.
    #[inline(always)]
    pub const fn of(op: u32, is_empty: bool, zone_append: u32) -> Self {
        match op {
            0 => Self::Read,
            1 if is_empty => Self::Sync,
            1 => Self::Write,
            2 => Self::Flush,
            3 => Self::Discard,
            _ if op == zone_append => Self::Write,
            _ => Self::Other,
        }
    }
}

/// Keys that each queue has: its operations, and two to spare.
const KEYS: u32 = 8;

/// The key of a queue's operation, by its number.
#[inline(always)]
pub const fn key(queue: u32, operation: u32) -> u32 {
    queue.saturating_mul(KEYS) | (operation % KEYS)
}

/// Keys of so many queues.
pub const fn keys(n_queues: u32) -> u32 {
    n_queues.saturating_mul(KEYS)
}

/// The operation of a key; `None` for what no probe writes.
pub fn operation(key: u64) -> Option<Operation> {
    Operation::ALL.get((key % u64::from(KEYS)) as usize).copied()
}

/// Kinds of failures that are told apart, [`Failure::Other`] among them; a whole number of words of a cache line with
/// the histogram before them.
pub const FAILURES: usize = 16;

/// Requests of one operation to one disk.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub latency: Histogram,
    /// By [`Failure`].
    pub failures: [u64; FAILURES],
}

/// Files of one disk that were made safe.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syncs {
    /// Of those that failed, too.
    pub latency: Histogram,
    pub failures: u64,
    pub unused: [u64; 7],
}

/// What requests of one operation to one disk went through.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Until the disk got it.
    pub queued: Histogram,
    /// Until the disk was done.
    pub device: Histogram,
    /// Bytes, see [`crate::histogram::of_bytes`]; the sum is one of bytes.
    pub size: Histogram,
    /// How often the disk gave one back.
    pub requeues: u64,
    pub unused: [u64; 7],
}

/// Why a request failed: the kernel's `blk_status_t` of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// One that is none of the following. Their numbers differ between kernels.
    Other = 0,
    Unsupported = 1,
    Timeout = 2,
    NoSpace = 3,
    Transport = 4,
    Target = 5,
    Reservation = 6,
    Medium = 7,
    Protection = 8,
    Resource = 9,
    Io = 10,
}

impl Failure {
    /// All kinds, each at the index that is its number.
    pub const ALL: [Self; 11] = [
        Self::Other,
        Self::Unsupported,
        Self::Timeout,
        Self::NoSpace,
        Self::Transport,
        Self::Target,
        Self::Reservation,
        Self::Medium,
        Self::Protection,
        Self::Resource,
        Self::Io,
    ];

    /// Of a `blk_status_t` that is not 0.
    #[inline(always)]
    pub const fn of_status(status: u8) -> Self {
        match status {
            1 => Self::Unsupported,
            2 => Self::Timeout,
            3 => Self::NoSpace,
            4 => Self::Transport,
            5 => Self::Target,
            6 => Self::Reservation,
            7 => Self::Medium,
            8 => Self::Protection,
            9 => Self::Resource,
            10 => Self::Io,
            _ => Self::Other,
        }
    }

    /// Of an error number, which is what hooks had before 5.17: block/blk-core.c, `blk_errors`, is the list of both.
    #[inline(always)]
    pub const fn of_errno(errno: i32) -> Self {
        match errno.wrapping_neg() {
            95 => Self::Unsupported, // EOPNOTSUPP
            110 => Self::Timeout,    // ETIMEDOUT
            28 => Self::NoSpace,     // ENOSPC
            67 => Self::Transport,   // ENOLINK
            121 => Self::Target,     // EREMOTEIO
            52 => Self::Reservation, // EBADE
            61 => Self::Medium,      // ENODATA
            84 => Self::Protection,  // EILSEQ
            12 => Self::Resource,    // ENOMEM
            5 => Self::Io,           // EIO
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_of_one_queue_and_one_operation(queue in 0u32..1 << 28, idx in 0usize..6) {
            let key = key(queue, Operation::ALL[idx] as u32);
            prop_assert!(key < keys(queue + 1) && key >= keys(queue));
            prop_assert_eq!(operation(u64::from(key)), Some(Operation::ALL[idx]));
        }
    }

    #[test]
    fn numbers_are_indices() {
        for (idx, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, idx);
        }
        for (idx, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, idx);
            assert_eq!(Failure::of_status(idx as u8), failure);
        }
        assert_eq!(operation(6), None);
    }

    #[test]
    fn a_write_of_nothing_is_a_flush_that_somebody_asked_for() {
        const ZONE_APPEND: u32 = 7;
        assert_eq!(Operation::of(1, false, ZONE_APPEND), Operation::Write);
        assert_eq!(Operation::of(1, true, ZONE_APPEND), Operation::Sync);
        assert_eq!(Operation::of(2, true, ZONE_APPEND), Operation::Flush);
        assert_eq!(Operation::of(7, false, ZONE_APPEND), Operation::Write);
        assert_eq!(Operation::of(9, true, ZONE_APPEND), Operation::Other);
        assert_eq!(Operation::of(7, false, crate::ABSENT), Operation::Other);
    }

    #[test]
    fn both_kinds_of_errors_say_the_same() {
        let errnos = [95, 110, 28, 67, 121, 52, 61, 84, 12, 5];
        for (status, errno) in (1..).zip(errnos) {
            assert_eq!(Failure::of_errno(-errno), Failure::of_status(status), "{errno}");
        }
        // Offline: ENODEV, and 16 or 17.
        assert_eq!(Failure::of_errno(-19), Failure::Other);
        assert_eq!(Failure::of_status(17), Failure::Other);
    }

    #[test]
    fn rows_are_whole_cache_lines() {
        assert_eq!(size_of::<Requests>() % 64, 0);
        assert_eq!(size_of::<Stages>() % 64, 0);
        assert_eq!(size_of::<Syncs>() % 64, 0);
    }
}
