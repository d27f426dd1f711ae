//! How long requests to disks took, from their making to their completion, and what failed.
//!
//! The kernel stamps each request when it makes it (`start_time_ns`, on the clock of `bpf_ktime_get_ns`), so nothing
//! need be kept between two hooks. What counts is what the kernel's own statistics count (`/proc/diskstats`,
//! block/blk-mq.c: `blk_account_io_done`, `blk_account_io_flush`): each request once, when its last part is done,
//! failed ones among them; of a write that the kernel surrounds with flushes the whole, when the last of them is done;
//! flushes of the disk's cache apart. Commands that bypass the block layer's files (`SG_IO`, NVMe admin) are left out.

use core::mem::offset_of;

use ebpf_probes::{Object, by_id::ById, now};
use probe_abi::block::{Failure, Operation, PASSTHROUGH, Requests};

use super::*;

const TABLE: ById<Requests> =
    ById { entries: LATENCY_ENTRIES, owners: LATENCY_OWNERS, rows: LATENCY_ROWS, banks: &LATENCY_BANKS };

#[inline(always)]
pub(super) fn completed(request: Object, error: i32, n_bytes: u32, cpu: u32) {
    let op = CMD_FLAGS.of(request);
    if PASSTHROUGH.contains(&(op & 0xff)) {
        return;
    }
    let operation = REQUESTS.operation(op, SEGMENTS.of(request) == 0);
    let flags = RQ_FLAGS.of(request);
    // A flush of the cache is the kernel's own request, in its sequence and without the other flag.
    let is_flush = matches!(operation, Operation::Flush);
    if flags >> FLUSH_SEQ_BIT.get() & 1 != 0 && !is_flush {
        // The data part: the request completes again, after the flush that follows.
        return;
    }
    let is_last = REQUESTS.is_last(request, n_bytes);
    if !is_last && error == 0 {
        return;
    }
    let Some(counts) = REQUESTS.of_request(&TABLE, request, operation as u32, cpu) else { return };
    if error != 0 {
        let failure =
            if STATUS.is_present() { Failure::of_status(error as u8) } else { Failure::of_errno(error) };
        counts.add(offset_of!(Requests, failures), failure as usize, 1);
    }
    if !is_last {
        return;
    }
    let start = START_TIME.of(request);
    if start != 0 && (flags >> IO_STAT_BIT.get() & 1 != 0 || is_flush) {
        counts.record(offset_of!(Requests, latency), now().saturating_sub(start));
    } else {
        SKIPPED.add(0, 1);
    }
}
