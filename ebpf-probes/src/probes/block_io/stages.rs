//! How long requests waited until their disk got them, how long the disk had them, how large they were, and how often it
//! gave them back.
//!
//! When a request was issued is kept by its address until it is completed (block/blk-mq.c, `blk_mq_start_request`). What
//! the kernel does around a request counts as what it is for the disk: a write between flushes when it is written, the
//! flushes apart.

use core::mem::offset_of;

use ebpf_probes::{
    Object,
    by_id::{ById, Counts},
    now,
};
use probe_abi::{
    block::{PASSTHROUGH, Stages},
    histogram,
};

use super::*;

const TABLE: ById<Stages> =
    ById { entries: STAGES_ENTRIES, owners: STAGES_OWNERS, rows: STAGES_ROWS, banks: &STAGES_BANKS };

#[inline(always)]
pub(super) fn issued(request: Object) {
    if !PASSTHROUGH.contains(&(CMD_FLAGS.of(request) & 0xff)) {
        let is_kept = ISSUES.put(request.address(), [now(), DATA_LEN.of(request).into()]);
        if !is_kept {
            UNFOLLOWED.add(Followed::Issue as u32, 1);
        }
    }
}

/// When a request was issued, and its bytes then.
#[inline(always)]
fn issue(request: Object) -> Option<[u64; 2]> {
    let issue = ISSUES.take(request.address())?;
    if ATTACHED.since(issue[0]) {
        return Some(issue);
    }
    UNFOLLOWED.add(Followed::Issue as u32, 1);
    None
}

/// It will be issued again.
#[inline(always)]
pub(super) fn given_back(request: Object, cpu: u32) {
    let Some([_, n_bytes]) = issue(request) else { return };
    if let Some(counts) = counts(request, n_bytes, cpu) {
        counts.add(offset_of!(Stages, requeues), 0, 1);
    }
}

#[inline(always)]
pub(super) fn completed(request: Object, n_done: u32, cpu: u32) {
    if !REQUESTS.is_last(request, n_done) {
        return;
    }
    let Some([issued, n_bytes]) = issue(request) else { return };
    let Some(counts) = counts(request, n_bytes, cpu) else { return };
    let start = START_TIME.of(request);
    if start != 0 {
        counts.record(offset_of!(Stages, queued), issued.saturating_sub(start));
    }
    counts.record(offset_of!(Stages, device), now().saturating_sub(issued));
    if n_bytes != 0 {
        counts.tally(offset_of!(Stages, size), histogram::of_bytes(n_bytes as u32), n_bytes);
    }
}

/// The counts of a request's disk.
#[inline(always)]
fn counts(request: Object, n_bytes: u64, cpu: u32) -> Option<Counts<Stages>> {
    let operation = REQUESTS.operation(CMD_FLAGS.of(request), n_bytes == 0);
    REQUESTS.of_request(&TABLE, request, operation as u32, cpu)
}
