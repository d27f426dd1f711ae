//! Counts by disk and operation: the parts of the probe `ebpf-probes/src/probes/block_io.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use probe_abi::{
    Histogram,
    block::{self, Operation, Requests, Stages, Syncs},
    by_id::{MAX_ROWS, Owner},
    table::{banks, rows},
};

use ebpf_probes::disk::{Layout, Part};

use super::{Error, Kernel, Probe, Settings, by_id::ById, declared::block_io, map::Row, possible_cpus};
use crate::source::{self, KnownDisks};

/// Rows that are made for however few disks.
const MIN_ROWS: usize = 256;

/// Numbers of queues that are foreseen for however few disks.
const MIN_QUEUES: usize = 1024;

/// With less room a CPU, the kernel forgets what is still under way: see kernel/bpf/bpf_lru_list.c.
const FOLLOWED_A_CPU: u32 = 256;

/// How large the tables are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Disks that there are now. Twice as many have rows for all their operations, and four times as many queues.
    pub n_disks: usize,
    /// Bytes that the counts of each part may take in the kernel. CPUs share what they count in as far as it is too
    /// little for one each; one set of rows is always made.
    pub memory: usize,
    /// How much of what is under way each part follows, or more if the map takes it; the oldest is forgotten.
    pub followed: u64,
}

impl Size {
    /// With the one of all others.
    fn rows(self) -> u32 {
        let wanted = (self.n_disks * Operation::ALL.len() * 2).max(MIN_ROWS);
        rows(u32::try_from(wanted).unwrap_or(MAX_ROWS).min(MAX_ROWS))
    }

    fn keys(self) -> u32 {
        block::keys(u32::try_from((4 * self.n_disks).max(MIN_QUEUES)).unwrap_or(u32::MAX))
    }

    /// Of rows of so many bytes.
    fn banks(self, row: usize, n_cpus: u32) -> u32 {
        banks(n_cpus, self.rows() as usize * row, self.memory)
    }

    /// The entries of a part's maps.
    fn entries(self, part: &Layout, n_cpus: u32) -> impl Iterator<Item = (&'static str, u32)> + use<> {
        let n_rows = self.rows() * self.banks(part.row, n_cpus);
        let followed = u32::try_from(self.followed).unwrap_or(u32::MAX).max(n_cpus * FOLLOWED_A_CPU);
        let table = [(part.entries, self.keys()), (part.owners, self.rows()), (part.rows, n_rows)];
        table.into_iter().chain(part.followed.map(|map| (map, followed)))
    }
}

/// A probe with such a table, as it runs.
#[derive(Debug)]
pub struct Disks<T> {
    probe: Arc<Probe>,
    table: ById<T>,
}

/// What was counted of one operation of one disk.
#[derive(Debug)]
pub struct DiskCounts<T> {
    /// As in /proc/diskstats.
    pub name: String,
    pub operation: Operation,
    /// Nanoseconds on the clock of `CLOCK_MONOTONIC` since when it is counted.
    pub created: u64,
    pub counts: T,
}

impl<T: Row> Disks<T> {
    /// A part, by the probe that all of its parts share. Those that are loaded at a time are given the same `size`.
    pub fn load(part: Part<T>, kernel: &Kernel, size: Size) -> Result<Self, Error> {
        let n_cpus = possible_cpus()?;
        let alone = [part.layout()];
        let parts = if part.probe.name == block_io::SPEC.name { block_io::LAYOUTS } else { &alone };
        let banks: Vec<_> = parts.iter().map(|it| (it.banks, size.banks(it.row, n_cpus) - 1)).collect();
        let settings = Settings {
            entries: &|n_cpus| parts.iter().flat_map(|it| size.entries(it, n_cpus)).collect(),
            constants: &banks,
            ..Settings::default()
        };
        let probe = kernel.probe(part.probe, part.features, &settings)?;
        Ok(Self { table: ById::new(&probe, part.table, size.banks(size_of::<T>(), n_cpus))?, probe })
    }

    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted of each disk that is there, sorted by name. The rows of the others come free in time.
    pub fn read(&mut self, there: &mut KnownDisks) -> Result<Vec<DiskCounts<T>>, source::Error> {
        read(&mut self.table, Instant::now(), |seen| there.now(seen))
    }

    /// What was counted for disks that got no row.
    pub fn other(&self) -> T {
        self.table.other()
    }
}

/// `names`: those of all disks that are there, sorted, given those that the table has; asked after it was read, which so
/// knows no disk that they lack. As sysfs has them, which cannot have the slash of `cciss/c0d0` and writes `!`.
fn read<'a, T: Row, E>(
    table: &mut ById<T>,
    now: Instant,
    names: impl FnOnce(&[String]) -> Result<&'a [String], E>,
) -> Result<Vec<DiskCounts<T>>, E> {
    table.free_retired(now);
    let owners: Vec<_> = table.owners().into_iter().map(|(row, owner)| (row, owner, name(&owner))).collect();
    let seen: Vec<String> = owners.iter().map(|(_, _, name)| name.replace('/', "!")).collect();
    let names = names(&seen)?;
    // Of disks that had a name one after the other, only the last is there.
    let mut newest: HashMap<&str, &Owner> = HashMap::new();
    for (_, owner, name) in &owners {
        let known = newest.entry(name).or_insert(owner);
        if known.created < owner.created {
            *known = owner;
        }
    }
    let mut found: BTreeMap<(&str, Operation), DiskCounts<T>> = BTreeMap::new();
    for ((row, owner, name), seen) in owners.iter().zip(&seen) {
        let is_there = names.binary_search(seen).is_ok() && newest[&**name].serial == owner.serial;
        let Some(operation) = block::operation(owner.key).filter(|_| is_there) else {
            table.retire(*row, now);
            continue;
        };
        // Two CPUs may have taken a row each.
        let disk = found.entry((name, operation)).or_insert_with(|| DiskCounts {
            name: name.clone(),
            operation,
            created: owner.created,
            counts: T::default(),
        });
        disk.created = disk.created.min(owner.created);
        table.add_to(&mut disk.counts, *row);
    }
    Ok(found.into_values().collect())
}

fn name(owner: &Owner) -> String {
    String::from_utf8_lossy(&owner.name().collect::<Vec<u8>>()).into_owned()
}

/// Adds a histogram that stands before other words.
fn add_histogram(total: &mut Histogram, words: &mut impl Iterator<Item = u64>) {
    let mut its = words.take(size_of::<Histogram>() / size_of::<u64>());
    total.add(&mut its);
    // What fills up its last cache line.
    its.for_each(drop);
}

impl Row for Requests {
    fn add(&mut self, mut words: impl Iterator<Item = u64>) {
        add_histogram(&mut self.latency, &mut words);
        for (total, word) in self.failures.iter_mut().zip(words) {
            *total = total.wrapping_add(word);
        }
    }
}

impl Row for Syncs {
    fn add(&mut self, mut words: impl Iterator<Item = u64>) {
        add_histogram(&mut self.latency, &mut words);
        self.failures = self.failures.wrapping_add(words.next().unwrap_or_default());
    }
}

impl Row for Stages {
    fn add(&mut self, mut words: impl Iterator<Item = u64>) {
        for histogram in [&mut self.queued, &mut self.device, &mut self.size] {
            add_histogram(histogram, &mut words);
        }
        self.requeues = self.requeues.wrapping_add(words.next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::{super::by_id::tests::table, *};

    const SDA: [u8; 8] = *b"sda\0\0\0\0\0";
    const CCISS: [u8; 8] = *b"cciss/c0";

    fn key(queue: u32, operation: Operation) -> u32 {
        block::key(queue, operation as u32)
    }

    /// Names, operations and counts, a second after whatever was before.
    fn read(table: &mut ById<u64>, now: &mut Instant, names: &[&str]) -> Vec<(String, Operation, u64)> {
        *now += Duration::from_secs(1);
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let disks = super::read(table, *now, |_| Ok::<_, Infallible>(&names)).unwrap();
        disks.into_iter().map(|it| (it.name, it.operation, it.counts)).collect()
    }

    #[test]
    fn disks_are_told_by_name_and_operation() {
        let (mut table, mut now) = (table(9), Instant::now());
        for cpu in 0..3 {
            table.count(key(0, Operation::Write), 1, SDA, cpu);
            table.count(key(1, Operation::Read), 2, CCISS, cpu);
        }
        table.count(key(0, Operation::Read), 1, SDA, 0);
        let expected = [
            ("cciss/c0".to_owned(), Operation::Read, 3),
            ("sda".to_owned(), Operation::Read, 1),
            ("sda".to_owned(), Operation::Write, 3),
        ];
        assert_eq!(read(&mut table, &mut now, &["cciss!c0", "sda"]), expected);
    }

    #[test]
    fn a_disk_that_is_gone_leaves_its_rows_to_others() {
        let (mut table, mut now) = (table(2), Instant::now());
        table.count(key(0, Operation::Read), 1, SDA, 0);
        assert_eq!(read(&mut table, &mut now, &["sdb"]), []);
        assert_eq!(read(&mut table, &mut now, &[]), []);
        table.count(key(1, Operation::Read), 2, SDA, 0);
        assert_eq!(read(&mut table, &mut now, &["sda"]), [("sda".to_owned(), Operation::Read, 1)]);
        assert_eq!(table.other(), 0);
    }

    #[test]
    fn of_disks_with_one_name_only_the_last_counts() {
        let (mut table, mut now) = (table(9), Instant::now());
        table.count(key(0, Operation::Read), 1, SDA, 0);
        table.count(key(0, Operation::Write), 1, SDA, 0);
        assert_eq!(read(&mut table, &mut now, &["sda"]).len(), 2);
        // Another medium in the same drive; then another drive.
        for (queue, serial) in [(0, 2), (7, 3)] {
            table.count(key(queue, Operation::Read), serial, SDA, 0);
            let alone = [("sda".to_owned(), Operation::Read, 1)];
            assert_eq!(read(&mut table, &mut now, &["sda"]), alone);
        }
    }

    #[test]
    fn failures_lie_behind_the_whole_histogram() {
        let first = std::mem::offset_of!(Requests, failures) as u64 / 8;
        let mut requests = Requests::default();
        requests.add(0..size_of::<Requests>() as u64 / 8);
        assert_eq!(requests.latency.slots[..2], [0, 1]);
        assert_eq!(requests.failures[..2], [first, first + 1]);
    }

    #[test]
    fn the_stages_lie_one_behind_the_other() {
        let words = size_of::<Stages>() as u64 / 8;
        let mut stages = Stages::default();
        stages.add(0..words);
        let histogram = size_of::<Histogram>() as u64 / 8;
        assert_eq!(
            [stages.queued, stages.device, stages.size].map(|it| it.slots[0]),
            [0, histogram, 2 * histogram]
        );
        assert_eq!(stages.requeues, 3 * histogram);
    }

    #[test]
    fn the_tables_grow_with_the_disks() {
        let memory = 4 << 20;
        let small = Size { n_disks: 3, memory, followed: 8192 };
        assert_eq!((small.rows(), small.keys()), (257, 8192));
        assert_eq!([1, 2, 512].map(|it| small.banks(size_of::<Requests>(), it)), [1, 2, 8]);
        let large = Size { n_disks: 1000, ..small };
        assert_eq!((large.rows(), large.keys()), (12_001, 32_000));
        assert_eq!(large.banks(size_of::<Requests>(), 512), 1);
    }
}
