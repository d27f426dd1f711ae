//! How long requests to disks take, counted by the probe `ebpf-probes/src/probes/block_io.rs` at each completion: now
//! less the request's `start_time_ns`, the time at which it was allocated.

use crate::{
    collectors::{
        prelude::*,
        probe::{self, Latencies, word},
    },
    source::ebpf::{BlockIo, Failure, Probe, Requests, Use, declared},
};

metrics! {
    LATENCY: Histogram "node_block_io_latency_seconds" ["device", "operation"], "Time from the allocation of a request to a disk to its completion, failed ones among them; what waited for a free request is not in it. A sync is a flush as it is asked for, a flush what the disk gets of them. The device ~other sums up what found no room in the probe's table.";
    ERRORS: Counter "node_block_io_errors_total" ["device", "operation", "error"], "Failures of requests to a disk, or of parts of them, by the kernel's kind of error.";
    SKIPPED: Counter "node_block_io_skipped_total" [], "Requests without a latency, because their disk keeps no statistics (queue/iostats is 0).";
}

section! {
    pub(super) struct Config {
        /// Devices to leave out; by default partitions and RAM, loop and floppy disks.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Devices to show, in place of `device_exclude`.
        device_include: Option<Pattern> = "",
        /// KiB of kernel memory that the counts may take; CPUs share counters as far as it is too little for each. One set of counters is always made: 2 KiB for each disk and operation twice, at least 512 KiB.
        max_memory_kib: u64 = 4096,
    }
}

pub(super) struct BlockIoLatency {
    probe: BlockIo,
    filter: Filter,
    latencies: Latencies,
    disks: Option<Folder>,
}

impl Spec for BlockIoLatency {
    const SUMMARY: &'static str =
        "How long requests to disks take, by disk and operation, and which fail, by eBPF at each completion.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&declared::block_io::SPEC)];
    const COST: &'static str = "some 100 ns at each request to a disk";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let disks = Folder::open(host.sys("block"))?;
        let size = probe::disk_tables(disks.as_ref(), config.max_memory_kib)?;
        Ok(Self {
            probe: BlockIo::load(host.kernel()?, size)?,
            filter: Filter::either(config.device_include, config.device_exclude, DISKS_LEFT_OUT)?,
            latencies: Latencies::new(host),
            disks,
        })
    }
}

impl Collector for BlockIoLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for disk in self.probe.disks.read(|| probe::disks(self.disks.as_ref()))? {
            if !self.filter.keeps(&disk.name) {
                continue;
            }
            let Requests { latency, failures } = &disk.counts;
            let labels = [&*disk.name, word(disk.operation)];
            self.latencies.fill(out.push_histogram(LATENCY, labels), latency, Some(disk.created));
            push_errors(out, labels, failures);
        }
        let Requests { latency, failures } = self.probe.disks.other();
        if latency.sum != 0 {
            let labels = ["~other", "other"];
            self.latencies.fill(out.push_histogram(LATENCY, labels), &latency, None);
            push_errors(out, labels, &failures);
        }
        out.push(SKIPPED, (), self.probe.skipped());
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![self.probe.disks.probe()]
    }
}

fn push_errors(out: &mut Families, [device, operation]: [&str; 2], failures: &[u64]) {
    for failure in Failure::ALL {
        let n_failures = failures[failure as usize];
        if n_failures > 0 {
            out.push(ERRORS, [device, operation, error(failure)], n_failures);
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
