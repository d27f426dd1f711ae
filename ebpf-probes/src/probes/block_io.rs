//! How long requests to disks took, from their making to their completion, by disk and operation, and what failed.
//!
//! The kernel stamps each request when it makes it (`start_time_ns`, on the clock of `bpf_ktime_get_ns`), so nothing
//! need be kept between two hooks. What counts is what the kernel's own statistics count (`/proc/diskstats`,
//! block/blk-mq.c: `blk_account_io_done`, `blk_account_io_flush`): each request once, when its last part is done,
//! failed ones among them; of a write that the kernel surrounds with flushes the whole, when the last of them is done;
//! flushes of the disk's cache apart. Commands that bypass the block layer's files (`SG_IO`, NVMe admin) are left out.

use ebpf_probes::{
    Object, Text,
    maps::{Fixed, Rows},
    probe,
};
use probe_abi::{block::Requests, by_id::Owner};

probe! {
    name: "block_io",
    constants {
        /// 0 if the queue keeps no statistics.
        START_TIME: u64 = field("request.start_time_ns");
        /// Bytes that are not done yet.
        DATA_LEN: u32 = field("request.__data_len");
        /// The operation is in its low byte.
        CMD_FLAGS: u32 = field("request.cmd_flags");
        RQ_FLAGS: u32 = field("request.rq_flags");
        /// 0 of a write that is nothing but a flush.
        SEGMENTS: u16 = field("request.nr_phys_segments");
        /// The bit of `rq_flags` that says: in a sequence with flushes. A macro before 6.11, the same since 4.10.
        FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
        /// The bit of `rq_flags` that says: counted in the disk's statistics.
        IO_STAT_BIT = enumerator("__RQF_IO_STAT"), otherwise(13);
        /// The number of the operation that appends to a zone, from 5.8.
        ZONE_APPEND = enumerator("REQ_OP_ZONE_APPEND"), optional;
        /// The argument that tells of a failure; before 5.17 it was an error number.
        STATUS = argument_of_type("block_rq_complete", "blk_status_t"), optional;
        /// Before 5.17.
        RQ_DISK: Object = field("request.rq_disk"), unless(QUEUE_DISK);
        QUEUE: Object = field("request.q");
        /// From 5.17.
        QUEUE_DISK: Object = field("request_queue.disk"), unless(RQ_DISK);
        QUEUE_ID: u32 = field("request_queue.id");
        /// From 5.15.
        DISKSEQ: u64 = field("gendisk.diskseq"), optional;
        DISK_NAME: Text = field("gendisk.disk_name");
        /// Banks of `ROWS` less one.
        BANKS = setting();
    }
    maps {
        ENTRIES: Rows<u64>;
        OWNERS: Rows<Owner>;
        ROWS: Rows<Requests>;
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

    use ebpf_probes::{
        Object,
        by_id::{ById, Counts},
        disk::Disks,
        now,
    };
    use probe_abi::block::{Failure, Operation, PASSTHROUGH, Requests};

    use super::*;

    #[inline(always)]
    pub(super) fn completed(request: Object, error: i32, n_bytes: u32, cpu: u32) {
        let op = CMD_FLAGS.of(request) & 0xff;
        if PASSTHROUGH.contains(&op) {
            return;
        }
        let operation = Operation::of(op, SEGMENTS.of(request) == 0, ZONE_APPEND.get());
        let flags = RQ_FLAGS.of(request);
        // A flush of the cache is the kernel's own request, in its sequence and without the other flag.
        let is_flush = matches!(operation, Operation::Flush);
        if flags >> FLUSH_SEQ_BIT.get() & 1 != 0 && !is_flush {
            // The data part: the request completes again, after the flush that follows.
            return;
        }
        // A driver may complete a request in parts: the hook fires for each, before the part is taken off.
        let is_last = n_bytes >= DATA_LEN.of(request);
        if !is_last && error == 0 {
            return;
        }
        let Some(counts) = counts(request, operation, cpu) else { return };
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

    /// The counts of a request's disk.
    #[inline(always)]
    fn counts(request: Object, operation: Operation, cpu: u32) -> Option<Counts<Requests>> {
        let table = ById { entries: ENTRIES, owners: OWNERS, rows: ROWS, banks: &BANKS };
        let disks = Disks { queue_id: &QUEUE_ID, diskseq: &DISKSEQ, name: &DISK_NAME };
        let queue = QUEUE.of(request);
        let disk = if RQ_DISK.is_present() { RQ_DISK.of(request) } else { QUEUE_DISK.of(queue) };
        disks.counts(&table, queue, disk, operation as u32, cpu)
    }
}
