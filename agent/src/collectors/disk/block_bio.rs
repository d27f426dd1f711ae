//! How long I/O takes from its submission to its end, as whoever submits it has it: counted by the probe
//! `ebpf-probes/src/probes/block_io/bios.rs`.

use crate::{
    collectors::{
        by_disk::{ByDisk, Config},
        prelude::*,
    },
    source::ebpf::{
        Histogram, Probe, Table, Use,
        declared::block_io::{self, Followed},
    },
};

metrics! {
    LATENCY: Histogram "node_block_bio_latency_seconds" ["device", "operation"], "Time from the submission of I/O to a device to its end, including the wait for a free request; each of several stacked devices has its own. The device ~other sums up what found no room in the probe's table.";
    LOST: Counter "node_block_bio_lost_total" [], "I/O without a latency: the kernel had no room at once to note when it was submitted, or the probe was detached for a while since.";
}

pub(super) struct BlockBioLatency {
    disks: ByDisk<Histogram>,
    lost: Table<u64>,
}

impl Spec for BlockBioLatency {
    const SUMMARY: &'static str = "How long I/O takes from its submission, waits for a free request included, by device and operation, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &block_io::SPEC, features: block_io::BIOS.features }];
    const COST: &'static str = "some 450 ns at each I/O";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = ByDisk::open(block_io::BIOS, host, config)?;
        Ok(Self { lost: disks.probe().table(block_io::UNFOLLOWED)?, disks })
    }
}

impl Collector for BlockBioLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.disks.each(|it| it.push(out, LATENCY, &it.counts))?;
        let lost = Followed::Submission as usize;
        out.push(LOST, (), self.lost.sum(lost..lost + 1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.disks.probe()]
    }
}
