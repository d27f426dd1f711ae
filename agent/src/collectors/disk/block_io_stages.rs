//! Where requests to disks spend their time, counted by the probe `ebpf-probes/src/probes/block_io/stages.rs` where a disk
//! gets each, is done with it, or gives it back.

use crate::{
    collectors::{
        by_disk::{ByDisk, Config},
        prelude::*,
    },
    source::ebpf::{
        Probe, Stages, Table, Use,
        declared::block_io::{self, Followed},
    },
};

metrics! {
    QUEUED: Histogram "node_block_io_queue_seconds" ["device", "operation"], "Time from the allocation of a request until its disk got it, the last time if it gave it back: what an I/O scheduler held it, or it waited for the driver. The wait for a free request, before, is not in it.";
    DEVICE: Histogram "node_block_io_device_seconds" ["device", "operation"], "Time from a disk's getting a request to the request's completion: what the driver and the disk take. With the time in the queue it is node_block_io_latency_seconds, but for writes that the kernel surrounds with flushes. The device ~other sums up what found no room in the probe's table.";
    SIZE: Histogram "node_block_io_size_bytes" ["device", "operation"], "Bytes of the requests that a disk has done, those that failed among them; flushes have none and are not in it.";
    REQUEUES: Counter "node_block_io_requeues_total" ["device", "operation"], "Requests that a busy disk gave back, to be issued again.";
    LOST: Counter "node_block_io_stages_lost_total" [], "Requests that are counted nowhere else here: the kernel had no room at once to note when their disk got them, or the probe was detached for a while since.";
}

pub(super) struct BlockIoStageTimes {
    disks: ByDisk<Stages>,
    lost: Table<u64>,
}

impl Spec for BlockIoStageTimes {
    const SUMMARY: &'static str = "How long requests wait for their disk, how long it has them, and how large they are, by disk and operation, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &block_io::SPEC, features: block_io::STAGES.features }];
    const COST: &'static str =
        "600 to 850 ns at each request to a disk, and four histograms for each disk and operation";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = ByDisk::open(block_io::STAGES, host, config)?;
        Ok(Self { lost: disks.probe().table(block_io::UNFOLLOWED)?, disks })
    }
}

impl Collector for BlockIoStageTimes {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.disks.each(|it| {
            let Stages { queued, device, size, requeues, .. } = &it.counts;
            it.push(out, QUEUED, queued);
            it.push(out, DEVICE, device);
            if size.sum != 0 {
                it.push_sizes(out, SIZE, size);
            }
            it.push_count(out, REQUEUES, it.labels, *requeues);
        })?;
        let lost = Followed::Issue as usize;
        out.push(LOST, (), self.lost.sum(lost..lost + 1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.disks.probe()]
    }
}
