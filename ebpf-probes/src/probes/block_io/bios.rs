//! How long I/O took from its submission to its end, by disk and operation: what waits for a free request, and what
//! devices without requests do, is in it.
//!
//! When a `bio` was submitted is kept by its address (block/blk-core.c, `submit_bio_noacct_nocheck`) until its request
//! is completed, or where there is none until it ends itself (block/bio.c, `bio_endio`). What is split ends with its
//! last part. Of a stack of devices each tells of its own.

use ebpf_probes::{
    Object,
    by_id::{ById, Counts},
    now,
};

use super::*;

const TABLE: ById<Histogram> =
    ById { entries: BIOS_ENTRIES, owners: BIOS_OWNERS, rows: BIOS_ROWS, banks: &BIOS_BANKS };

const OPERATION_BITS: u32 = 3;

/// Bios of a request that are looked at: there are more only where many small ones were merged.
const MAX_BIOS: u32 = 32;

#[inline(always)]
pub(super) fn submitted(bio: Object) {
    let operation = REQUESTS.operation(OPF.of(bio), SIZE.of(bio) == 0);
    let is_kept = SUBMITTED.put(bio.address(), now() << OPERATION_BITS | operation as u64);
    if !is_kept {
        UNFOLLOWED.add(Followed::Submission as u32, 1);
    }
}

/// When a bio was submitted, and its operation.
#[inline(always)]
fn submission(bio: Object) -> Option<u64> {
    let submission = SUBMITTED.take(bio.address())?;
    if ATTACHED.since(submission >> OPERATION_BITS) {
        return Some(submission);
    }
    UNFOLLOWED.add(Followed::Submission as u32, 1);
    None
}

/// A request's bios that are not done yet are done if all of it is.
#[inline(always)]
pub(super) fn completed(request: Object, n_bytes: u32, cpu: u32) {
    let is_in_sequence = RQ_FLAGS.of(request) >> FLUSH_SEQ_BIT.get() & 1 != 0;
    // Or to be completed again, after the flush that follows.
    if !REQUESTS.is_last(request, n_bytes) || is_in_sequence {
        return;
    }
    let mut bio = BIO.of(request);
    let Some(started) = submission(bio) else { return };
    let Some(counts) = REQUESTS.of_request(&TABLE, request, operation(started), cpu) else { return };
    let now = now();
    record(counts, started, now);
    for _ in 1..MAX_BIOS {
        bio = NEXT.of(bio);
        if bio.is_null() {
            return;
        }
        if let Some(started) = submission(bio) {
            record(counts, started, now);
        }
    }
}

#[inline(always)]
pub(super) fn ended(queue: Object, bio: Object, cpu: u32) {
    let Some(started) = submission(bio) else { return };
    let disk = if BIO_DISK.is_present() { BIO_DISK.of(bio) } else { DEVICE_DISK.of(DEVICE.of(bio)) };
    if let Some(counts) = DISKS.of_disk(&TABLE, (queue, disk), operation(started), cpu) {
        record(counts, started, now());
    }
}

#[inline(always)]
fn operation(started: u64) -> u32 {
    started as u32 % (1 << OPERATION_BITS)
}

#[inline(always)]
fn record(counts: Counts<Histogram>, started: u64, now: u64) {
    counts.record(0, now.saturating_sub(started >> OPERATION_BITS));
}
