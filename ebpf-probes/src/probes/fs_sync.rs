//! How long it took to make files of ext4 safe on their disk: fsync(2) and fdatasync(2), msync(2) with `MS_SYNC`, and
//! writes to files that are open with `O_SYNC` or `O_DSYNC`.
//!
//! By ext4's own tracepoints, which a kernel has among its types where ext4 is no module. All file systems go through
//! `vfs_fsync_range`, but compilers build that into some of its callers: on Debian's 6.1 no fdatasync(2) is seen there.

use ebpf_probes::{
    Object, Text,
    maps::{Attached, Fixed, Rows, Started},
    probe,
};
use probe_abi::{block::Syncs, by_id::Owner};

probe! {
    name: "fs_sync",
    constants {
        FILE_SYSTEM: Object = field("inode.i_sb");
        /// Null of a file system that lies on no disk.
        DEVICE: Object = field("super_block.s_bdev");
        DISK: Object = field("block_device.bd_disk");
        QUEUE: Object = field("gendisk.queue");
        QUEUE_ID: u32 = field("request_queue.id");
        /// From 5.15.
        DISKSEQ: u64 = field("gendisk.diskseq"), optional;
        DISK_NAME: Text = field("gendisk.disk_name");
        /// Banks of the rows less one.
        BANKS = setting();
    }
    maps {
        ATTACHED: Attached;
        STARTED: Started<TASKS>;
        ENTRIES: Rows<u64>;
        OWNERS: Rows<Owner>;
        ROWS: Rows<Syncs>;
        /// Beginnings for which there was no room.
        MISSED: Fixed<u64, 1>;
    }
    programs {
        tp_btf("ext4_sync_file_enter") fn ext4_entered(_, _) {
            kernel::began();
        }

        tp_btf("ext4_sync_file_exit") fn ext4_returned(args, cpu) {
            kernel::ended(args.object(0), args.number(1) as i32, cpu);
        }
    }
}

/// Threads that may do so at a time.
const TASKS: usize = 4096;

#[cfg(not(target_arch = "bpf"))]
pub const SYNCS: ebpf_probes::disk::Part<Syncs> = ebpf_probes::disk::Part {
    probe: &SPEC,
    features: &[],
    table: ebpf_probes::maps::ById { entries: ENTRIES, owners: OWNERS, rows: ROWS },
    banks: "BANKS",
    followed: None,
};

#[cfg(target_arch = "bpf")]
mod kernel {
    use core::mem::offset_of;

    use ebpf_probes::{by_id::ById, disk::Disks};

    use super::*;

    const TABLE: ById<Syncs> = ById { entries: ENTRIES, owners: OWNERS, rows: ROWS, banks: &BANKS };
    const DISKS: Disks = Disks { queue_id: &QUEUE_ID, diskseq: &DISKSEQ, name: &DISK_NAME };

    #[inline(always)]
    pub(super) fn began() {
        if !STARTED.begin() {
            MISSED.add(0, 1);
        }
    }

    #[inline(always)]
    pub(super) fn ended(inode: Object, result: i32, cpu: u32) {
        let Some(time) = STARTED.end(ATTACHED) else { return };
        let device = DEVICE.of(FILE_SYSTEM.of(inode));
        let counts = match device.is_null() {
            true => TABLE.other(cpu),
            false => {
                let disk = DISK.of(device);
                DISKS.of_disk(&TABLE, (QUEUE.of(disk), disk), 0, cpu)
            }
        };
        let Some(counts) = counts else { return };
        counts.record(offset_of!(Syncs, latency), time);
        if result < 0 {
            counts.add(offset_of!(Syncs, failures), 0, 1);
        }
    }
}
