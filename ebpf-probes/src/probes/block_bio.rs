//! How long I/O took from its submission to its end, by disk and operation: what waits for a free request, and what
//! devices without requests do, is in it.
//!
//! When a `bio` was submitted is kept by its address (block/blk-core.c, `submit_bio_noacct_nocheck`) until its request
//! is completed, or where there is none until it ends itself (block/bio.c, `bio_endio`). What is split ends with its
//! last part. Of a stack of devices each tells of its own.

use ebpf_probes::{Object, disk_probe, maps::LruHash};
use probe_abi::Histogram;

disk_probe! {
    name: "block_bio",
    rows: Histogram,
    constants {
        /// Before 5.11 the queue stood before the bio.
        QUEUED = argument("block_bio_queue", "bio");
        /// The operation is in its low byte.
        OPF: u32 = field("bio.bi_opf");
        SIZE: u32 = field("bio.bi_iter.bi_size");
        NEXT: Object = field("bio.bi_next");
        /// Before 5.12.
        BIO_DISK: Object = field("bio.bi_disk"), unless(DEVICE);
        /// From 5.12.
        DEVICE: Object = field("bio.bi_bdev"), unless(BIO_DISK);
        DEVICE_DISK: Object = field("block_device.bd_disk");
        /// The first that is not done yet.
        BIO: Object = field("request.bio");
        RQ_FLAGS: u32 = field("request.rq_flags");
        /// The bit of `rq_flags` that says: in a sequence with flushes. A macro before 6.11, the same since 4.10.
        FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
    }
    maps {
        /// By address, when it was submitted, and in the lowest bits its operation. Should an end go by unseen, the
        /// entry goes when it is the oldest, or when its address is another's.
        STARTED: LruHash<u64, u64>;
    }
    programs {
        tp_btf("block_bio_queue") fn block_bio_queue(args, _) {
            kernel::submitted(args.object_at(&QUEUED));
        }

        tp_btf("block_rq_complete") fn block_rq_complete(args, cpu) {
            kernel::completed(args.object(0), args.number(2) as u32, cpu);
        }

        tp_btf("block_bio_complete") fn block_bio_complete(args, cpu) {
            kernel::ended(args.object(0), args.object(1), cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{by_id::Counts, now};

    use super::*;

    const OPERATION_BITS: u32 = 3;

    /// Bios of a request that are looked at: there are more only where many small ones were merged.
    const MAX_BIOS: u32 = 32;

    #[inline(always)]
    pub(super) fn submitted(bio: Object) {
        let operation = DISKS.operation(OPF.of(bio), SIZE.of(bio) == 0);
        // One that cannot be kept has no latency.
        STARTED.put(bio.address(), now() << OPERATION_BITS | operation as u64);
    }

    /// A request's bios that are not done yet are done if all of it is.
    #[inline(always)]
    pub(super) fn completed(request: Object, n_bytes: u32, cpu: u32) {
        let is_in_sequence = RQ_FLAGS.of(request) >> FLUSH_SEQ_BIT.get() & 1 != 0;
        // Or to be completed again, after the flush that follows.
        if !DISKS.is_last(request, n_bytes) || is_in_sequence {
            return;
        }
        let mut bio = BIO.of(request);
        let Some(started) = STARTED.take(bio.address()) else { return };
        let Some(counts) = DISKS.of_request(request, operation(started), cpu) else { return };
        let now = now();
        record(counts, started, now);
        for _ in 1..MAX_BIOS {
            bio = NEXT.of(bio);
            if bio.is_null() {
                return;
            }
            if let Some(started) = STARTED.take(bio.address()) {
                record(counts, started, now);
            }
        }
    }

    #[inline(always)]
    pub(super) fn ended(queue: Object, bio: Object, cpu: u32) {
        let Some(started) = STARTED.take(bio.address()) else { return };
        let disk = if BIO_DISK.is_present() { BIO_DISK.of(bio) } else { DEVICE_DISK.of(DEVICE.of(bio)) };
        if let Some(counts) = DISKS.of_disk(queue, disk, operation(started), cpu) {
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
}
