//! Whole disks, as the block layer knows them.

use probe_abi::{
    block::{Operation, key},
    by_id::{serial, serial_of},
};

use crate::{
    Field, Number, Object, Text,
    by_id::{ById, Counts},
};

/// What tells disks apart.
pub struct Disks {
    /// `request_queue.id`: dense; another's as soon as the queue is gone.
    pub queue_id: &'static Field<u32>,
    /// `gendisk.diskseq`, from 5.15: another one for each disk, and for each medium in it.
    pub diskseq: &'static Field<u64>,
    /// `gendisk.disk_name`: as /proc/diskstats has it.
    pub name: &'static Field<Text>,
}

/// What of the kernel leads from a request to its disk.
pub struct Requests {
    pub disks: Disks,
    /// `request.__data_len`: bytes that are not done yet.
    pub data_len: &'static Field<u32>,
    /// `REQ_OP_ZONE_APPEND`
    pub zone_append: &'static Number,
    /// `request.rq_disk`, or its queue's, `request_queue.disk`
    pub rq_disk: &'static Field<Object>,
    pub queue: &'static Field<Object>,
    pub queue_disk: &'static Field<Object>,
}

impl Requests {
    /// The operation that a request's or a bio's flags have in their low byte.
    #[inline(always)]
    pub fn operation(&self, flags: u32, is_empty: bool) -> Operation {
        Operation::of(flags & 0xff, is_empty, self.zone_append.get())
    }

    /// Whether these bytes are the last of a request. A driver may complete it in parts: the hook fires for each, before
    /// the part is taken off.
    #[inline(always)]
    pub fn is_last(&self, request: Object, n_bytes: u32) -> bool {
        n_bytes >= self.data_len.of(request)
    }

    /// The counts of an operation of a request's disk.
    #[inline(always)]
    pub fn of_request<T: Copy>(
        &self,
        table: &ById<T>,
        request: Object,
        operation: u32,
        cpu: u32,
    ) -> Option<Counts<T>> {
        let queue = self.queue.of(request);
        let disk =
            if self.rq_disk.is_present() { self.rq_disk.of(request) } else { self.queue_disk.of(queue) };
        self.disks.of_disk(table, (queue, disk), operation, cpu)
    }
}

impl Disks {
    /// The counts of an operation, by its number, of a disk that has this queue.
    #[inline(always)]
    pub fn of_disk<T: Copy>(
        &self,
        table: &ById<T>,
        (queue, disk): (Object, Object),
        operation: u32,
        cpu: u32,
    ) -> Option<Counts<T>> {
        let serial = if self.diskseq.is_present() {
            serial(self.diskseq.of(disk))
        } else {
            serial_of(disk.behind(queue), [self.name.word(disk, 0), self.name.word(disk, 1)])
        };
        let name = || [0, 1, 2, 3].map(|word| self.name.word(disk, word));
        table.counts(key(self.queue_id.of(queue), operation), serial, cpu, name)
    }
}
