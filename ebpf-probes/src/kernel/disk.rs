//! Whole disks, as the block layer knows them.

use probe_abi::{
    block::key,
    by_id::{serial, serial_of},
};

use crate::{
    Field, Object, Text,
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

impl Disks {
    /// The counts of a disk's operation, by its number.
    #[inline(always)]
    pub fn counts<T: Copy>(
        &self,
        table: &ById<T>,
        queue: Object,
        disk: Object,
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
