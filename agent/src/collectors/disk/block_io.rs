//! How long requests to disks take, counted by the probe `ebpf-probes/src/probes/block_io/latency.rs` at each completion:
//! now less the request's `start_time_ns`, the time at which it was allocated.

use crate::{
    collectors::{
        by_disk::{ByDisk, Config, Counted},
        prelude::*,
    },
    source::ebpf::{Failure, Probe, Requests, Table, Use, declared::block_io},
};

metrics! {
    LATENCY: Histogram "node_block_io_latency_seconds" ["device", "operation"], "Time from the allocation of a request to a disk to its completion, including failed requests, without the wait for a free request. The operation sync is a flush as it was requested, flush one as it was sent to the disk. The device ~other sums up what found no room in the probe's table.";
    ERRORS: Counter "node_block_io_errors_total" ["device", "operation", "error"], "Failures of requests to a disk, or of parts of them, by the kernel's kind of error.";
    SKIPPED: Counter "node_block_io_skipped_total" [], "Requests without a latency, because their disk keeps no statistics (queue/iostats is 0).";
}

pub(super) struct BlockIoLatency {
    disks: ByDisk<Requests>,
    skipped: Table<u64>,
}

impl Spec for BlockIoLatency {
    const SUMMARY: &'static str =
        "How long requests to disks take, by disk and operation, and which fail, by eBPF at each completion.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use { probe: &block_io::SPEC, features: block_io::LATENCY.features }];
    const COST: &'static str = "100 to 180 ns at each request to a disk";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = ByDisk::open(block_io::LATENCY, host, config)?;
        Ok(Self { skipped: disks.probe().table(block_io::SKIPPED)?, disks })
    }
}

impl Collector for BlockIoLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.disks.each(|it| {
            let Requests { latency, failures } = &it.counts;
            it.push(out, LATENCY, latency);
            push_errors(&it, failures, out);
        })?;
        out.push(SKIPPED, (), self.skipped.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.disks.probe()]
    }
}

fn push_errors(it: &Counted<'_, Requests>, failures: &[u64], out: &mut Families) {
    let [device, operation] = it.labels;
    for failure in Failure::ALL {
        let n_failures = failures[failure as usize];
        if n_failures > 0 {
            it.push_count(out, ERRORS, [device, operation, error(failure)], n_failures);
        }
    }
}

fn error(failure: Failure) -> &'static str {
    match failure {
        Failure::Other => "other",
        Failure::Unsupported => "unsupported",
        Failure::Timeout => "timeout",
        Failure::NoSpace => "no_space",
        Failure::Transport => "transport",
        Failure::Target => "target",
        Failure::Reservation => "reservation",
        Failure::Medium => "medium",
        Failure::Protection => "protection",
        Failure::Resource => "resource",
        Failure::Io => "io",
    }
}
