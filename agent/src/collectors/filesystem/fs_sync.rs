//! How long it takes to make files of ext4 safe on their disk, counted by the probe `ebpf-probes/src/probes/fs_sync.rs`.

use crate::{
    collectors::{
        by_disk::{ByDisk, Config},
        prelude::*,
    },
    source::ebpf::{Probe, Syncs, Table, Use, declared::fs_sync},
};

metrics! {
    LATENCY: Histogram "node_fs_sync_latency_seconds" ["device"], "Time that fsync and fdatasync of files of ext4 took, msync with MS_SYNC, and the second half of writes with O_SYNC or O_DSYNC, by the disk under the file system; failed ones among them. The device ~other sums up what found no room in the probe's table.";
    ERRORS: Counter "node_fs_sync_errors_total" ["device"], "Those that failed: what was written may be lost.";
    LOST: Counter "node_fs_sync_lost_total" [], "Those without a latency, because more threads than the probe follows were at it.";
}

pub(super) struct FsSync {
    disks: ByDisk<Syncs>,
    lost: Table<u64>,
}

impl Spec for FsSync {
    const SUMMARY: &'static str = "How long fsync takes on ext4, by disk, and how often it fails, by eBPF at each; where ext4 is built into the kernel.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&fs_sync::SPEC)];
    const COST: &'static str = "some 1 µs at each fsync";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = ByDisk::open(fs_sync::SYNCS, host, config)?;
        Ok(Self { lost: disks.probe().table(fs_sync::MISSED)?, disks })
    }
}

impl Collector for FsSync {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.disks.each(|it| {
            let [device, _] = it.labels;
            it.push_as(out, LATENCY, [device], &it.counts.latency);
            it.push_count(out, ERRORS, [device], it.counts.failures);
        })?;
        out.push(LOST, (), self.lost.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.disks.probe()]
    }
}
