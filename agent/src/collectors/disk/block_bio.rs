//! How long I/O takes from its submission to its end, as whoever submits it has it: counted by the probe
//! `ebpf-probes/src/probes/block_bio.rs`.

use crate::{
    collectors::{
        by_disk::{ByDisk, Settings},
        prelude::*,
    },
    source::ebpf::{Followed, Histogram, Probe, Use, declared::block_bio},
};

metrics! {
    LATENCY: Histogram "node_block_bio_latency_seconds" ["device", "operation"], "Time from the submission of I/O to a device to its end, including the wait for a free request; each of several stacked devices has its own. The device ~other sums up what found no room in the probe's table.";
}

section! {
    pub(super) struct Config {
        /// Devices to leave out; by default partitions and RAM, loop and floppy disks.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Devices to show, in place of `device_exclude`.
        device_include: Option<Pattern> = "",
        /// How much I/O is followed at a time, at least 256 for each CPU; each takes some 100 bytes of kernel memory. Beyond it the oldest is forgotten.
        max_started: u64 = 8192,
        /// KiB of kernel memory that the counts may take; CPUs share counters where it is too little for one set each. One set is always made: 2 KiB for each device and operation twice, at least 512 KiB.
        max_memory_kib: u64 = 4096,
    }
}

pub(super) struct BlockBioLatency(ByDisk<Histogram>);

impl Spec for BlockBioLatency {
    const SUMMARY: &'static str = "How long I/O takes from its submission, waits for a free request included, by device and operation, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&block_bio::SPEC)];
    const COST: &'static str = "some 450 ns at each I/O";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let Config { device_include: include, device_exclude: exclude, max_started, max_memory_kib } = config;
        let followed = Followed { map: block_bio::STARTED.name, max: max_started };
        let settings = Settings { include, exclude, max_memory_kib };
        ByDisk::open(host, (&block_bio::SPEC, block_bio::TABLE), Some(followed), settings).map(Self)
    }
}

impl Collector for BlockBioLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.0.each(|it| it.push(out, LATENCY, &it.counts))
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.0.probe()]
    }
}
