//! How long requests to disks take, counted by the probe `ebpf-probes/src/probes/block_io.rs` at each completion: now
//! less the request's `start_time_ns`, the time at which it was allocated.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::{
        DiskNames,
        ebpf::{BlockIo, Operation, Probe, Use, declared},
    },
};

metrics! {
    LATENCY: Histogram "node_block_io_latency_seconds" ["device", "operation"], "Time from the allocation of a request to a disk to its completion. The device ~other sums up what found no room in the probe's table.";
    SKIPPED: Counter "node_block_io_skipped_total" [], "Requests without a latency, because their disk keeps no statistics (queue/iostats is 0).";
}

section! {
    pub(super) struct Config {
        /// How many pairs of disk and operation are told apart; what exceeds them is summed up as `~other`.
        max_rows: u64 = 64,
        /// KiB of kernel memory that the counts may take; CPUs share counters as far as it is too little for each.
        max_memory_kib: u64 = 1024,
    }
}

pub(super) struct BlockIoLatency {
    probe: BlockIo,
    slots: Slots,
    names: DiskNames,
}

impl Spec for BlockIoLatency {
    const SUMMARY: &'static str =
        "How long requests to disks take, by disk and operation, by eBPF at each completion.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&declared::block_io::SPEC)];
    const COST: &'static str = "some 150 ns at each request to a disk";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let rows = u32::try_from(config.max_rows).unwrap_or(u32::MAX);
        let memory = usize::try_from(config.max_memory_kib * 1024).unwrap_or(usize::MAX);
        let probe = BlockIo::load(host.kernel()?, rows, memory)?;
        Ok(Self { probe, slots: probe::latency_slots(host), names: DiskNames::new(host.sys("dev/block")) })
    }
}

impl Collector for BlockIoLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (key, latencies) in self.probe.latencies() {
            let device = self.names.name(key.major, key.minor);
            let labels = (device, word(key.operation));
            probe::fill(out.push_histogram(LATENCY, labels), &self.slots, &latencies);
        }
        let other = self.probe.other();
        if other.sum != 0 {
            probe::fill(out.push_histogram(LATENCY, ["~other", "other"]), &self.slots, &other);
        }
        out.push(SKIPPED, (), self.probe.skipped());
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.probe.probe()]
    }
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Flush => "flush",
        Operation::Discard => "discard",
        Operation::Other => "other",
    }
}
