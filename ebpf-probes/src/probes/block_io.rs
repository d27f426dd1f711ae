//! How long requests to disks took, from their making to their completion, by disk and operation.
//!
//! The kernel stamps each request when it makes it (`start_time_ns`, on the clock of `bpf_ktime_get_ns`), so nothing
//! need be kept between two hooks. What counts is what the kernel's own statistics count (`/proc/diskstats`,
//! block/blk-mq.c: `blk_account_io_done`, `blk_account_io_flush`): each request once, when its last part is done;
//! of a write that the kernel surrounds with flushes the whole, when the last of them is done; flushes of the disk's
//! cache apart. Commands that bypass the block layer's files (`SG_IO`, NVMe admin) are left out.

use ebpf_probes::{
    Object,
    maps::{Fixed, Hash, Rows},
    probe,
};
use probe_abi::Histogram;

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
        /// The bit of `rq_flags` that says: in a sequence with flushes. A macro before 6.11, the same since 4.10.
        FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
        /// The bit of `rq_flags` that says: counted in the disk's statistics.
        IO_STAT_BIT = enumerator("__RQF_IO_STAT"), otherwise(13);
        /// The number of the operation that appends to a zone, from 5.8.
        ZONE_APPEND = enumerator("REQ_OP_ZONE_APPEND"), optional;
        /// Before 5.17.
        RQ_DISK: Object = field("request.rq_disk"), unless(QUEUE_DISK);
        QUEUE: Object = field("request.q");
        /// From 5.17.
        QUEUE_DISK: Object = field("request_queue.disk"), unless(RQ_DISK);
        MAJOR: u32 = field("gendisk.major");
        FIRST_MINOR: u32 = field("gendisk.first_minor");
        /// How many rows can have a key; the row after them takes the rest.
        ROWS = setting();
        /// Banks less one. A row has a power of two of them, that CPUs may count without sharing cache lines.
        BANKS = setting();
    }
    maps {
        /// `ROWS + 1` rows of `BANKS + 1` banks each.
        LATENCIES: Rows<Histogram>;
        /// The key of each row, as [`Key::encode`](probe_abi::block::Key::encode) has it; 0 is a free row.
        KEYS: Rows<u64>;
        /// Whose row it is: decides between CPUs that want the same one.
        CLAIMS: Hash<u32, u64>;
        /// Requests that were not counted because their queue keeps no statistics (`queue/iostats` is 0).
        SKIPPED: Fixed<u64, 1>;
    }
    programs {
        tp_btf("block_rq_complete") fn block_rq_complete(args, cpu) {
            kernel::completed(args.object(0), args.number(2) as u32, cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::now;
    use probe_abi::block::{Key, Operation};

    use super::*;

    /// `request` operations, include/linux/blk_types.h; the same since 4.10.
    const REQ_OP_READ: u32 = 0;
    const REQ_OP_WRITE: u32 = 1;
    const REQ_OP_FLUSH: u32 = 2;
    const REQ_OP_DISCARD: u32 = 3;
    /// From SCSI_IN to DRV_OUT: commands of drivers and user space.
    const PASSTHROUGH: core::ops::RangeInclusive<u32> = 32..=35;

    /// How many rows are tried for a key before it is counted among the rest: enough while a third of the rows is
    /// free. The verifier's work grows with the square of it; 16 take it 4 ms.
    const MAX_TRIES: u32 = 16;

    #[inline(always)]
    pub(super) fn completed(request: Object, n_bytes: u32, cpu: u32) {
        // A driver may complete a request in parts: the hook fires for each, before the part is taken off.
        if n_bytes < DATA_LEN.of(request) {
            return;
        }
        let op = CMD_FLAGS.of(request) & 0xff;
        if PASSTHROUGH.contains(&op) {
            return;
        }
        let flags = RQ_FLAGS.of(request);
        let in_sequence = flags >> FLUSH_SEQ_BIT.get() & 1 != 0;
        let counted = flags >> IO_STAT_BIT.get() & 1 != 0;
        // A flush of the cache is the kernel's own request, in its sequence and without the other flag.
        let is_flush = op == REQ_OP_FLUSH;
        if in_sequence && !is_flush {
            // The data part: the request completes again, after the flush that follows.
            return;
        }
        let start = START_TIME.of(request);
        if start != 0 && (counted || is_flush) {
            count(cpu, request, operation(op), start);
        } else {
            SKIPPED.add(0, 1);
        }
    }

    #[inline(always)]
    fn operation(op: u32) -> Operation {
        match op {
            REQ_OP_READ => Operation::Read,
            REQ_OP_WRITE => Operation::Write,
            REQ_OP_FLUSH => Operation::Flush,
            REQ_OP_DISCARD => Operation::Discard,
            _ if op == ZONE_APPEND.get() => Operation::Write,
            _ => Operation::Other,
        }
    }

    /// Adds a request that completes now, on `cpu`, to its row.
    #[inline(always)]
    fn count(cpu: u32, request: Object, operation: Operation, start: u64) {
        let disk = if RQ_DISK.is_present() { RQ_DISK.of(request) } else { QUEUE_DISK.of(QUEUE.of(request)) };
        let key = Key { major: MAJOR.of(disk), minor: FIRST_MINOR.of(disk), operation }.encode();
        let latency = now().saturating_sub(start);
        let bank = cpu & BANKS.get();
        LATENCIES.record(row_of(key) * (BANKS.get() + 1) + bank, latency);
    }

    /// The row of a key, claimed if need be; the last one if none is to be had.
    ///
    /// Rows are tried in an order that only the key decides, and keep their key for ever. So CPUs that bring the same
    /// new key come to the same free row.
    #[inline(always)]
    fn row_of(key: u64) -> u32 {
        let rows = ROWS.get();
        // Multiplicative hashing: the high half of the product is well mixed.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut row = (hash * rows as u64 >> 32) as u32;
        for _ in 0..MAX_TRIES {
            match KEYS.load(row) {
                Some(found) if found == key => return row,
                Some(0) => return if claim(row, key) { row } else { rows },
                Some(_) => {}
                None => break,
            }
            row += 1;
            if row == rows {
                row = 0;
            }
        }
        rows
    }

    /// Takes a free row for a key. If two CPUs want it, the hash map lets one of them in; whether the other had the
    /// same key it finds there. One with another key is counted among the rest this once, and goes on to the next row
    /// the next time. So is one that cannot lock the map, as its CPU holds the lock in what the hook interrupted.
    #[inline(always)]
    fn claim(row: u32, key: u64) -> bool {
        if CLAIMS.claim(row, key) {
            KEYS.store(row, key);
            return true;
        }
        CLAIMS.get(row) == Some(key)
    }
}
