//! How long requests to disks took, from their making to their completion, by disk and operation, and what failed.
//!
//! The kernel stamps each request when it makes it (`start_time_ns`, on the clock of `bpf_ktime_get_ns`), so nothing
//! need be kept between two hooks. What counts is what the kernel's own statistics count (`/proc/diskstats`,
//! block/blk-mq.c: `blk_account_io_done`, `blk_account_io_flush`): each request once, when its last part is done,
//! failed ones among them; of a write that the kernel surrounds with flushes the whole, when the last of them is done;
//! flushes of the disk's cache apart. Commands that bypass the block layer's files (`SG_IO`, NVMe admin) are left out.

use ebpf_probes::{disk_probe, maps::Fixed};
use probe_abi::block::Requests;

disk_probe! {
    name: "block_io",
    rows: Requests,
    constants {
        /// 0 if the queue keeps no statistics.
        START_TIME: u64 = field("request.start_time_ns");
        /// The operation is in its low byte.
        CMD_FLAGS: u32 = field("request.cmd_flags");
        RQ_FLAGS: u32 = field("request.rq_flags");
        /// 0 of a write that is nothing but a flush.
        SEGMENTS: u16 = field("request.nr_phys_segments");
        /// The bit of `rq_flags` that says: in a sequence with flushes. A macro before 6.11, the same since 4.10.
        FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
        /// The bit of `rq_flags` that says: counted in the disk's statistics.
        IO_STAT_BIT = enumerator("__RQF_IO_STAT"), otherwise(13);
        /// The argument that tells of a failure; before 5.17 it was an error number.
        STATUS = argument_of_type("block_rq_complete", "blk_status_t"), optional;
    }
    maps {
        /// Requests that were not counted because their queue keeps no statistics (`queue/iostats` is 0).
        SKIPPED: Fixed<u64, 1>;
    }
    programs {
        tp_btf("block_rq_complete") fn block_rq_complete(args, cpu) {
            kernel::completed(args.object(0), args.number(1) as i32, args.number(2) as u32, cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use core::mem::offset_of;

    use ebpf_probes::{Object, now};
    use probe_abi::block::{Failure, Operation, PASSTHROUGH, Requests};

    use super::*;

    #[inline(always)]
    pub(super) fn completed(request: Object, error: i32, n_bytes: u32, cpu: u32) {
        let op = CMD_FLAGS.of(request);
        if PASSTHROUGH.contains(&(op & 0xff)) {
            return;
        }
        let operation = DISKS.operation(op, SEGMENTS.of(request) == 0);
        let flags = RQ_FLAGS.of(request);
        // A flush of the cache is the kernel's own request, in its sequence and without the other flag.
        let is_flush = matches!(operation, Operation::Flush);
        if flags >> FLUSH_SEQ_BIT.get() & 1 != 0 && !is_flush {
            // The data part: the request completes again, after the flush that follows.
            return;
        }
        let is_last = DISKS.is_last(request, n_bytes);
        if !is_last && error == 0 {
            return;
        }
        let Some(counts) = DISKS.of_request(request, operation as u32, cpu) else { return };
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
}
