//! What happens to I/O: for how long, by disk and operation, each part for who wants it.
//!
//! - Latency: how long requests to disks took, from their making to their completion, and what failed; `latency.rs`.
//! - Stages: how long requests waited until their disk got them, how long it had them, how large they were, and how
//!   often it gave them back; `stages.rs`.
//! - Bios: how long I/O took from its submission to its end; `bios.rs`.

use ebpf_probes::{
    Object, Text,
    maps::{Attached, Fixed, LruHash, Rows},
    probe,
};
use probe_abi::{
    Histogram,
    block::{Requests, Stages},
    by_id::Owner,
};

#[cfg(target_arch = "bpf")]
mod bios;
#[cfg(target_arch = "bpf")]
mod latency;
#[cfg(not(target_arch = "bpf"))]
mod parts;
#[cfg(target_arch = "bpf")]
mod stages;
#[cfg(not(target_arch = "bpf"))]
pub use self::parts::{BIOS, LATENCY, LAYOUTS, STAGES};

probe! {
    name: "block_io",
    constants {
        LATENCY = feature();
        STAGES = feature();
        BIOS = feature();

        /// 0 if the queue keeps no statistics.
        START_TIME: u64 = field("request.start_time_ns");
        /// The operation is in its low byte.
        CMD_FLAGS: u32 = field("request.cmd_flags");
        RQ_FLAGS: u32 = field("request.rq_flags");
        /// Bytes that are not done yet.
        DATA_LEN: u32 = field("request.__data_len");
        /// 0 of a write that is nothing but a flush.
        SEGMENTS: u16 = field("request.nr_phys_segments");
        /// The first that is not done yet.
        BIO: Object = field("request.bio");
        /// The bit of `rq_flags` that says: in a sequence with flushes. A macro before 6.11, the same since 4.10.
        FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
        /// The bit of `rq_flags` that says: counted in the disk's statistics.
        IO_STAT_BIT = enumerator("__RQF_IO_STAT"), otherwise(13);
        /// The argument that tells of a failure; before 5.17 it was an error number.
        STATUS = argument_of_type("block_rq_complete", "blk_status_t"), optional;
        /// Before 5.11 the queue stood before the request, and in some versions of 5.10.
        ISSUED = argument("block_rq_issue", "request");
        REQUEUED = argument("block_rq_requeue", "request");
        /// Before 5.11 the queue stood before the bio.
        QUEUED = argument("block_bio_queue", "bio");
        OPF: u32 = field("bio.bi_opf");
        SIZE: u32 = field("bio.bi_iter.bi_size");
        NEXT: Object = field("bio.bi_next");
        /// Before 5.12.
        BIO_DISK: Object = field("bio.bi_disk"), unless(DEVICE);
        /// From 5.12.
        DEVICE: Object = field("bio.bi_bdev"), unless(BIO_DISK);
        DEVICE_DISK: Object = field("block_device.bd_disk");

        /// The number of the operation that appends to a zone, from 5.8.
        ZONE_APPEND = enumerator("REQ_OP_ZONE_APPEND"), optional;
        /// Before 5.17.
        RQ_DISK: Object = field("request.rq_disk"), unless(QUEUE_DISK);
        QUEUE: Object = field("request.q");
        /// From 5.17.
        QUEUE_DISK: Object = field("request_queue.disk"), unless(RQ_DISK);
        QUEUE_ID: u32 = field("request_queue.id");
        /// From 5.15.
        DISKSEQ: u64 = field("gendisk.diskseq"), optional;
        DISK_NAME: Text = field("gendisk.disk_name");
        /// Banks of the rows of each part less one.
        LATENCY_BANKS = setting();
        STAGES_BANKS = setting();
        BIOS_BANKS = setting();
    }
    maps {
        LATENCY_ENTRIES: Rows<u64>, with(LATENCY);
        LATENCY_OWNERS: Rows<Owner>, with(LATENCY);
        LATENCY_ROWS: Rows<Requests>, with(LATENCY);
        /// Requests that were not counted because their queue keeps no statistics (`queue/iostats` is 0).
        SKIPPED: Fixed<u64, 1>, with(LATENCY);

        STAGES_ENTRIES: Rows<u64>, with(STAGES);
        STAGES_OWNERS: Rows<Owner>, with(STAGES);
        STAGES_ROWS: Rows<Stages>, with(STAGES);
        /// By a request's address, when the disk got it, and its bytes. Should an end go by unseen, the entry goes when
        /// it is the oldest, or when its address is another's.
        ISSUES: LruHash<u64, [u64; 2]>, with(STAGES);

        BIOS_ENTRIES: Rows<u64>, with(BIOS);
        BIOS_OWNERS: Rows<Owner>, with(BIOS);
        BIOS_ROWS: Rows<Histogram>, with(BIOS);
        /// By a bio's address, when it was submitted, and in the lowest bits its operation. It goes as those of
        /// [`ISSUES`] do.
        SUBMITTED: LruHash<u64, u64>, with(BIOS);

        ATTACHED: Attached;
        /// What could not be followed, by [`Followed`].
        UNFOLLOWED: Fixed<u64, 2>;
    }
    programs {
        // A request may have 32 bios to look for.
        tp_btf("block_rq_complete") fn block_rq_complete(args, cpu) up_to 32768 {
            let (request, n_bytes) = (args.object(0), args.number(2) as u32);
            if LATENCY.get() != 0 {
                latency::completed(request, args.number(1) as i32, n_bytes, cpu);
            }
            if STAGES.get() != 0 {
                stages::completed(request, n_bytes, cpu);
            }
            if BIOS.get() != 0 {
                bios::completed(request, n_bytes, cpu);
            }
        }

        tp_btf("block_rq_issue") fn block_rq_issue(args, _), with(STAGES) {
            stages::issued(args.object_at(&ISSUED));
        }

        tp_btf("block_rq_requeue") fn block_rq_requeue(args, cpu), with(STAGES) {
            stages::given_back(args.object_at(&REQUEUED), cpu);
        }

        tp_btf("block_bio_queue") fn block_bio_queue(args, _), with(BIOS) {
            bios::submitted(args.object_at(&QUEUED));
        }

        tp_btf("block_bio_complete") fn block_bio_complete(args, cpu), with(BIOS) {
            bios::ended(args.object(0), args.object(1), cpu);
        }
    }
}

/// What is kept from one hook to the next.
#[derive(Clone, Copy, Debug)]
pub enum Followed {
    Issue,
    Submission,
}

#[cfg(target_arch = "bpf")]
const DISKS: ebpf_probes::disk::Disks =
    ebpf_probes::disk::Disks { queue_id: &QUEUE_ID, diskseq: &DISKSEQ, name: &DISK_NAME };

#[cfg(target_arch = "bpf")]
const REQUESTS: ebpf_probes::disk::Requests = ebpf_probes::disk::Requests {
    disks: DISKS,
    data_len: &DATA_LEN,
    zone_append: &ZONE_APPEND,
    rq_disk: &RQ_DISK,
    queue: &QUEUE,
    queue_disk: &QUEUE_DISK,
};
