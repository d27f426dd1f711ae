//! What the collectors of counts by disk share: the table as it runs, the disks that are wanted, and
//! their rows.

use super::{prelude::*, probe::Latencies};
use crate::{
    config::Ebpf,
    metric::Desc,
    source::{
        KnownDisks,
        ebpf::{Disks, Histogram, Operation, Part, Probe, Row, Size},
    },
};

section! {
    pub(super) struct Config {
        /// Devices to leave out; by default partitions and RAM, loop and floppy disks.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Devices to show, in place of `device_exclude`.
        device_include: Option<Pattern> = "",
    }
}

/// A part of the probe.
pub(super) struct ByDisk<T> {
    disks: Disks<T>,
    filter: Filter,
    latencies: Latencies,
    there: KnownDisks,
}

/// What was counted of one operation of one disk.
pub(super) struct Counted<'a, T> {
    pub(super) labels: [&'a str; 2],
    pub(super) counts: T,
    /// In seconds after the boot, if it is not since the probe was attached.
    start: Option<f64>,
    latencies: &'a Latencies,
}

impl<T: Row + PartialEq> ByDisk<T> {
    pub(super) fn open(part: Part<T>, host: &Host, config: Config) -> Result<Self, Error> {
        let there = KnownDisks::open(host)?;
        let &Ebpf { max_disk_memory_kib, max_disk_io: followed, .. } = host.ebpf();
        let memory = usize::try_from(max_disk_memory_kib.saturating_mul(1024)).unwrap_or(usize::MAX);
        let size = Size { n_disks: there.count(), memory, followed };
        Ok(Self {
            disks: Disks::load(part, host.kernel()?, size)?,
            filter: Filter::either(config.device_include, config.device_exclude, DISKS_LEFT_OUT)?,
            latencies: Latencies::new(host),
            there,
        })
    }

    /// Hands out what was counted of each disk that is wanted, and then of those that found no room.
    pub(super) fn each(&mut self, mut push: impl FnMut(Counted<'_, T>)) -> Result<(), Error> {
        let latencies = &self.latencies;
        for disk in self.disks.read(&mut self.there)? {
            if self.filter.keeps(&disk.name) {
                let labels = [&*disk.name, word(disk.operation)];
                let start = Some(latencies.start(disk.created));
                push(Counted { labels, counts: disk.counts, start, latencies });
            }
        }
        let counts = self.disks.other();
        if counts != T::default() {
            push(Counted { labels: ["~other", "other"], counts, start: None, latencies });
        }
        Ok(())
    }

    pub(super) fn probe(&self) -> &Probe {
        self.disks.probe()
    }
}

impl<T> Counted<'_, T> {
    /// Pushes one of its histograms, in seconds.
    pub(super) fn push(&self, out: &mut Families, family: Desc<2>, latencies: &Histogram) {
        self.push_as(out, family, self.labels, latencies);
    }

    /// The same with other labels.
    pub(super) fn push_as<const N: usize>(
        &self,
        out: &mut Families,
        family: Desc<N>,
        labels: [&str; N],
        latencies: &Histogram,
    ) {
        self.latencies.fill(out.push_histogram(family, labels), latencies, self.start);
    }

    /// The same in bytes.
    pub(super) fn push_sizes(&self, out: &mut Families, family: Desc<2>, sizes: &Histogram) {
        self.latencies.fill_sizes(out.push_histogram(family, self.labels), sizes, self.start);
    }

    /// Pushes one of its counters, which may have more labels.
    pub(super) fn push_count<const N: usize>(
        &self,
        out: &mut Families,
        family: Desc<N>,
        labels: [&str; N],
        count: u64,
    ) {
        match self.start {
            Some(_) => out.push_since(family, labels, count, self.start),
            None => out.push(family, labels, count),
        }
    }
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Flush => "flush",
        Operation::Discard => "discard",
        Operation::Other => "other",
        Operation::Sync => "sync",
    }
}
