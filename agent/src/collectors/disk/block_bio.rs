//! How long I/O takes from its submission to its end, as whoever submits it has it: counted by the probe
//! `ebpf-probes/src/probes/block_bio.rs`.

use crate::{
    collectors::{
        prelude::*,
        probe::{self, Latencies, word},
    },
    source::ebpf::{BlockBio, Probe, Use, declared},
};

metrics! {
    LATENCY: Histogram "node_block_bio_latency_seconds" ["device", "operation"], "Time from the submission of I/O to a device to its end, what it waited for a free request among it; of stacked devices each has its own. The device ~other sums up what found no room in the probe's table.";
}

section! {
    pub(super) struct Config {
        /// Devices to leave out; by default partitions and RAM, loop and floppy disks.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Devices to show, in place of `device_exclude`.
        device_include: Option<Pattern> = "",
        /// How much I/O is followed at a time, at least 256 for each CPU; each takes some 100 bytes of kernel memory. Beyond it the oldest is forgotten.
        max_started: u64 = 8192,
        /// KiB of kernel memory that the counts may take; CPUs share counters as far as it is too little for each. One set of counters is always made: 2 KiB for each device and operation twice, at least 512 KiB.
        max_memory_kib: u64 = 4096,
    }
}

pub(super) struct BlockBioLatency {
    probe: BlockBio,
    filter: Filter,
    latencies: Latencies,
    disks: Option<Folder>,
}

impl Spec for BlockBioLatency {
    const SUMMARY: &'static str = "How long I/O takes from its submission, waits for a free request included, by device and operation, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&declared::block_bio::SPEC)];
    const COST: &'static str = "some 550 ns at each I/O";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = Folder::open(host.sys("block"))?;
        let size = probe::disk_tables(disks.as_ref(), config.max_memory_kib)?;
        let max_started = u32::try_from(config.max_started).unwrap_or(u32::MAX);
        Ok(Self {
            probe: BlockBio::load_following(host.kernel()?, size, max_started)?,
            filter: Filter::either(config.device_include, config.device_exclude, DISKS_LEFT_OUT)?,
            latencies: Latencies::new(host),
            disks,
        })
    }
}

impl Collector for BlockBioLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for disk in self.probe.read(|| probe::disks(self.disks.as_ref()))? {
            if self.filter.keeps(&disk.name) {
                let buckets = out.push_histogram(LATENCY, [&*disk.name, word(disk.operation)]);
                self.latencies.fill(buckets, &disk.counts, Some(disk.created));
            }
        }
        let other = self.probe.other();
        if other.sum != 0 {
            self.latencies.fill(out.push_histogram(LATENCY, ["~other", "other"]), &other, None);
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.probe.probe()]
    }
}
