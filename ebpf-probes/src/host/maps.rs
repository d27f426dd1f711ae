//! Maps as the agent sees them: the type of their rows, and how many there are. The probes' side has the same names.

use std::{fmt, marker::PhantomData};

use probe_abi::{Histogram, Meter, by_id::Owner, table};

use crate::spec::{Entries, MapSpec};

/// A map of a probe by its name, and its kind.
pub struct Map<S> {
    pub name: &'static str,
    kind: PhantomData<fn() -> S>,
}

/// The three maps of a table whose rows owners come to have and lose: see [`probe_abi::by_id`].
#[derive(Clone, Copy, Debug)]
pub struct ById<T> {
    pub entries: Map<Rows<u64>>,
    pub owners: Map<Rows<Owner>>,
    pub rows: Map<Rows<T>>,
}

/// A kind of map.
pub trait Kind {
    const ENTRIES: Entries;
}

/// A kind of map that the agent reads as shared memory.
pub trait Shared: Kind {
    type Row;
}

/// A row for each possible CPU, which that CPU alone writes.
#[derive(Debug)]
pub struct PerCpu<T>(PhantomData<T>);

/// As many rows as the agent says.
#[derive(Debug)]
pub struct Rows<T>(PhantomData<T>);

/// `N` rows.
#[derive(Debug)]
pub struct Fixed<T, const N: usize>(PhantomData<T>);

/// `N` counters, and one for all whose index is higher.
#[derive(Debug)]
pub struct CounterBy<const N: usize>;

/// `N` histograms, and one for all whose index is higher.
#[derive(Debug)]
pub struct HistogramBy<const N: usize>;

/// `N` words for each possible CPU, which that CPU alone writes: whole cache lines.
#[derive(Debug)]
pub struct CpuWords<const N: usize>;

/// A hash of as many entries as the agent says, for the programs alone.
#[derive(Debug)]
pub struct Hash<K, V>(PhantomData<(K, V)>);

/// The same, in which the oldest entry goes where there is no room.
#[derive(Debug)]
pub struct LruHash<K, V>(PhantomData<(K, V)>);

/// When what `N` tasks do began, for the programs alone.
#[derive(Debug)]
pub struct Started<const N: usize>;

/// When the programs were attached, in nanoseconds of the monotonic clock: what began before ended unseen.
#[derive(Debug)]
pub struct Attached;

impl Kind for Attached {
    const ENTRIES: Entries = Entries::Attached;
}

/// For each possible CPU an event that counts the nanoseconds of its clock, which run queues are kept by.
#[derive(Debug)]
pub struct CpuClocks;

impl Kind for CpuClocks {
    const ENTRIES: Entries = Entries::CpuClocks;
}

impl<T> Kind for PerCpu<T> {
    const ENTRIES: Entries = Entries::PerCpu(1);
}

impl<T> Shared for PerCpu<T> {
    type Row = T;
}

impl<T> Kind for Rows<T> {
    const ENTRIES: Entries = Entries::Setting;
}

impl<T> Shared for Rows<T> {
    type Row = T;
}

impl<T, const N: usize> Kind for Fixed<T, N> {
    const ENTRIES: Entries = Entries::Fixed(N as u32);
}

impl<T, const N: usize> Shared for Fixed<T, N> {
    type Row = T;
}

impl<const N: usize> Kind for CounterBy<N> {
    const ENTRIES: Entries = Entries::Banked { per_bank: table::counter_words(N as u32), bytes: 8 };
}

impl<const N: usize> Shared for CounterBy<N> {
    type Row = u64;
}

impl<const N: usize> Kind for HistogramBy<N> {
    const ENTRIES: Entries =
        Entries::Banked { per_bank: table::rows(N as u32), bytes: size_of::<Histogram>() as u32 };
}

impl<const N: usize> Shared for HistogramBy<N> {
    type Row = Histogram;
}

impl<const N: usize> Kind for CpuWords<N> {
    const ENTRIES: Entries = Entries::PerCpu(N as u32);
}

impl<const N: usize> Shared for CpuWords<N> {
    type Row = u64;
}

impl<K, V> Kind for Hash<K, V> {
    const ENTRIES: Entries = Entries::Setting;
}

impl<K, V> Kind for LruHash<K, V> {
    const ENTRIES: Entries = Entries::Setting;
}

impl<const N: usize> Kind for Started<N> {
    const ENTRIES: Entries = Entries::Fixed(N as u32);
}

/// The meters of a probe's programs: for each that has some a row for each possible CPU.
pub const METERS: Map<Rows<Meter>> = Map::new("METERS");

impl<S> Map<S> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self { name, kind: PhantomData }
    }
}

impl<S: Kind> Map<S> {
    #[doc(hidden)]
    pub const fn spec(&self, features: &'static [&'static str]) -> MapSpec {
        MapSpec { name: self.name, entries: S::ENTRIES, feature: features.first().copied() }
    }
}

impl<S> Clone for Map<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Map<S> {}

impl<S> fmt::Debug for Map<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
