//! A probe: found its place in the running kernel, loaded, attached and read.

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::AsFd as _,
    sync::{Arc, Mutex},
};

use aya::{
    Ebpf,
    maps::{Map as AyaMap, MapData},
};
use ebpf_probes::{
    maps::{CounterBy, HistogramBy, METERS, Map, Shared},
    spec::{Constant, Entries, Need, Origin, Program, Spec},
};
use probe_abi::{ABSENT, Meter, table};

use super::{
    Counters, Error, Histograms, Loaded, MANY_CPUS, Memory, Probes, Sizes, Table, clocks,
    error::chain,
    loaded::{Meters, lock},
    map::Row,
    memory::possible_cpus,
    resolve::resolve,
    types::{Parsed, Types, kept},
};
use crate::source::sys::{
    descriptors,
    memory::{SharedWords, WritableWords},
};

/// What the agent decides when it loads a probe.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Entries of the maps that are declared without a number, for a number of CPUs.
    pub entries: &'a dyn Fn(u32) -> Sizes,
    /// The constants that are declared as settings.
    pub constants: &'a [(&'static str, u32)],
    /// Bytes that all banked tables together may take. CPUs share banks as far as it is too little for one each; one
    /// bank is always made.
    pub banked: usize,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { entries: &|_| Sizes::new(), constants: &[], banked: 1 << 20 }
    }
}

/// A probe that runs. It ends when the last collector that reads it is gone.
#[derive(Debug)]
pub struct Probe {
    loaded: Arc<Loaded>,
    /// What was decided when it was loaded: features among them.
    settings: Vec<(&'static str, u32)>,
    /// The maps that were asked for, in our memory.
    tables: Mutex<HashMap<&'static str, Arc<SharedWords>>>,
    /// The same of those that are written, too, with their numbers of rows.
    writable: Mutex<HashMap<&'static str, (Arc<WritableWords>, usize)>>,
}

impl Probe {
    /// Loads a probe and attaches its programs, all that this kernel has a hook for or none. `features`: the constants
    /// declared as features that are to be 1; those of collectors that wait to be opened are added. `overhead`: what a
    /// run takes beside its program, in ns.
    pub(super) fn load(
        spec: &'static Spec,
        types: &Types,
        probes: &Probes,
        features: &[&'static str],
        settings: &Settings<'_>,
        overhead: u64,
    ) -> Result<Self, Error> {
        leave_descriptors(spec)?;
        let n_cpus = possible_cpus()?;
        let is_measured = probes.are_measured();
        let decided = decided(spec, probes, features, settings)?;
        let loaded = types.with(|types| {
            let resolved = resolve(spec, &types.btf, &decided)?;
            let metered: Vec<&Program> = spec.programs.iter().filter(|it| it.meter.is_some()).collect();
            let mut constants = resolved.constants;
            constants.extend(&decided);
            for (program, first_row) in metered.iter().zip((0..).step_by(n_cpus as usize)) {
                let first_row = if is_measured { first_row } else { ABSENT };
                constants.extend(program.meter.map(|it| (it, first_row)));
            }
            constants.extend(banks(spec, settings, n_cpus).map(|it| ("BANK_MASK", it - 1)));
            let n_meters = if is_measured { metered.len() as u32 } else { 0 };
            let sizes = sizes(spec, settings, n_meters, n_cpus)?;
            let ebpf = open(spec, types, &constants, &sizes)?;
            for map in spec.maps.iter().filter(|it| it.entries == Entries::CpuClocks) {
                clocks::count(spec, &ebpf, map.name, n_cpus)?;
            }
            let many = self::sizes(spec, settings, n_meters, MANY_CPUS)?;
            let memory = Memory::of(spec, &ebpf, &sizes, &many)?;
            let take_meters = |ebpf: &mut Ebpf| match &metered[..] {
                [_, ..] if is_measured => meters(spec, ebpf, &metered, n_cpus as usize).map(Some),
                _ => Ok(None),
            };
            Loaded::load(spec, resolved.programs, ebpf, memory, &types.aya, take_meters, overhead)
        })?;
        let loaded = Arc::new(loaded);
        Ok(Self { loaded, settings: decided, tables: Mutex::default(), writable: Mutex::default() })
    }

    /// A map of the probe as a table. Collectors may share it.
    pub fn table<S: Shared<Row: Row>>(&self, map: Map<S>) -> Result<Table<S::Row>, Error> {
        let mut tables = lock(&self.tables);
        if !tables.contains_key(map.name) {
            let taken =
                self.loaded.with_object(|ebpf| take_array::<S::Row>(self.loaded.spec(), ebpf, map.name));
            let (data, n_rows) = taken?;
            tables.insert(map.name, Arc::new(map_words(&data, n_rows * Table::<S::Row>::ROW_WORDS)?));
        }
        Ok(Table::new(Arc::clone(&tables[map.name])))
    }

    /// A map of the probe to be written, too: its words, and how many rows they are. For one collector at a time: after a
    /// reload it may be the next.
    pub fn writable<S: Shared>(&self, map: Map<S>) -> Result<(Arc<WritableWords>, usize), Error> {
        let mut writable = lock(&self.writable);
        if !writable.contains_key(map.name) {
            let taken =
                self.loaded.with_object(|ebpf| take_array::<S::Row>(self.loaded.spec(), ebpf, map.name));
            let (data, n_rows) = taken?;
            let n_words = n_rows * size_of::<S::Row>() / size_of::<u64>();
            let words = WritableWords::map(data.fd().as_fd(), n_words)
                .map_err(|source| Error::call("map a table into memory", source))?;
            writable.insert(map.name, (Arc::new(words), n_rows));
        }
        let (words, n_rows) = &writable[map.name];
        Ok((Arc::clone(words), *n_rows))
    }

    /// A map of counters by an index, of which the last is that of all others.
    pub fn counters<const N: usize>(&self, map: Map<CounterBy<N>>) -> Result<Counters, Error> {
        Ok(Counters::new(self.table(map)?, N as u32))
    }

    /// A map of histograms by an index, of which the last is that of all others.
    pub fn histograms<const N: usize>(&self, map: Map<HistogramBy<N>>) -> Result<Histograms, Error> {
        Ok(Histograms::new(self.table(map)?, N as u32))
    }

    /// What of it is in the kernel.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// A program for one of these features that this kernel has no hook for.
    pub(super) fn missing(&self, features: &[&str]) -> Option<&'static Program> {
        let is_for = |it: &&Program| matches!(it.need, Need::With(feature) if features.contains(&feature));
        self.loaded.spec().programs.iter().filter(is_for).find(|it| !self.loaded.has(it.name))
    }

    /// Whether it will do for a collector that wants these features and settings.
    pub(super) fn serves(&self, features: &[&str], settings: &Settings<'_>) -> bool {
        let has = |name: &str, value| self.settings.iter().any(|it| it.0 == name && it.1 == value);
        features.iter().all(|it| has(it, 1))
            && settings.constants.iter().all(|(name, value)| has(name, *value))
    }
}

/// Refuses a probe that would leave too few descriptors for connections and for the files of a scrape.
fn leave_descriptors(spec: &Spec) -> Result<(), Error> {
    const FOR_SCRAPES: u64 = 24;
    // Each program has a link, and the object its types.
    let needed = (2 * spec.programs.len() + spec.maps.len() + 1) as u64;
    let left = descriptors::n_free();
    if left < needed + FOR_SCRAPES { Err(Error::FewDescriptors { needed, left }) } else { Ok(()) }
}

/// The settings and features of a probe with their values.
fn decided(
    spec: &Spec,
    probes: &Probes,
    features: &[&'static str],
    settings: &Settings<'_>,
) -> Result<Vec<(&'static str, u32)>, Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let has = |name: &str, is_kind: fn(&Constant) -> bool| {
        spec.constants.iter().any(|it| it.name == name && is_kind(it))
    };
    let mut decided = Vec::new();
    for constant in spec.constants {
        let name = constant.name;
        match constant.origin {
            Origin::Setting => {
                let set = settings.constants.iter().find(|it| it.0 == name);
                decided.push(*set.ok_or_else(|| broken(format!("{name} is not set")))?);
            }
            Origin::Feature => {
                let is_wanted = features.contains(&name) || probes.wants(spec, name);
                decided.push((name, is_wanted.into()));
            }
            _ => {}
        }
    }
    let unknown_feature = features.iter().find(|it| !has(it, |it| matches!(it.origin, Origin::Feature)));
    let unknown_setting = settings
        .constants
        .iter()
        .map(|it| &it.0)
        .find(|it| !has(it, |it| matches!(it.origin, Origin::Setting)));
    match unknown_feature.or(unknown_setting) {
        Some(name) => Err(broken(format!("{name} is not declared"))),
        None => Ok(decided),
    }
}

/// How many banks the banked tables of a probe have; `None` if it has no such table.
fn banks(spec: &Spec, settings: &Settings<'_>, n_cpus: u32) -> Option<u32> {
    let sizes = spec.maps.iter().filter_map(|it| match it.entries {
        Entries::Banked { per_bank, bytes } => Some(per_bank as usize * bytes as usize),
        _ => None,
    });
    let bank: usize = sizes.sum();
    (bank != 0).then(|| table::banks(n_cpus, bank, settings.banked))
}

/// How many entries each map of a probe has.
fn sizes(spec: &Spec, settings: &Settings<'_>, n_meters: u32, n_cpus: u32) -> Result<Sizes, Error> {
    let given: BTreeMap<_, _> = (settings.entries)(n_cpus).into_iter().collect();
    let mut sizes = Sizes::new();
    for map in spec.maps {
        let n_entries = match map.entries {
            Entries::Fixed(n) => n,
            Entries::PerCpu(n) => n * n_cpus,
            Entries::CpuClocks => n_cpus,
            Entries::Banked { per_bank, .. } => {
                per_bank * banks(spec, settings, n_cpus).expect("a map of the probe is banked")
            }
            Entries::Setting => *given.get(map.name).ok_or_else(|| Error::Object {
                probe: spec.name,
                why: format!("map {} has no size", map.name),
            })?,
        };
        sizes.push((map.name, n_entries));
    }
    sizes.push((METERS.name, (n_meters * n_cpus).max(1)));
    Ok(sizes)
}

/// Makes the maps of a probe and sets its constants; no program is loaded yet.
///
/// The loader does not forget what was set for the probes before, so all that a probe declares is set, and what it does
/// not declare need not exist.
fn open(
    spec: &Spec,
    types: &mut Parsed,
    constants: &[(&'static str, u32)],
    sizes: &Sizes,
) -> Result<Ebpf, Error> {
    for &(name, value) in constants {
        types.loader.override_global(name, kept(value), false);
    }
    for &(map, n_entries) in sizes {
        types.loader.map_max_entries(map, n_entries);
    }
    types.loader.load(spec.object).map_err(|error| Error::open(spec.name, error))
}

/// The meters of `programs`, which have their rows in this order.
fn meters(spec: &Spec, ebpf: &mut Ebpf, programs: &[&Program], n_cpus: usize) -> Result<Meters, Error> {
    let (data, n_rows) = take_array::<Meter>(spec, ebpf, METERS.name)?;
    let switches = WritableWords::map(data.fd().as_fd(), n_rows * Table::<Meter>::ROW_WORDS)
        .map_err(|source| Error::call("map the meters into memory", source))?;
    let first_rows = programs.iter().map(|it| it.name).zip((0..).step_by(n_cpus)).collect();
    let rows = Table::new(Arc::new(map_words(&data, n_rows * Table::<Meter>::ROW_WORDS)?));
    Ok(Meters { rows, switches, first_rows, n_cpus })
}

/// Takes an array with rows of `T` out of an object: it, and how many rows it has.
fn take_array<T>(spec: &Spec, ebpf: &mut Ebpf, map: &str) -> Result<(MapData, usize), Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let data = match ebpf.take_map(map) {
        Some(AyaMap::Array(data)) => data,
        Some(_) => return Err(broken(format!("map {map} is no array"))),
        None => return Err(broken(format!("map {map} is missing"))),
    };
    let info = data.info().map_err(|error| broken(chain(&error)))?;
    let (value_size, n_rows) = (info.value_size() as usize, info.max_entries() as usize);
    if value_size != size_of::<T>() {
        return Err(broken(format!("rows of map {map} have {value_size} bytes, not {}", size_of::<T>())));
    }
    Ok((data, n_rows))
}

/// Maps an array into our memory, where it stays when its descriptor is gone.
fn map_words(data: &MapData, n_words: usize) -> Result<SharedWords, Error> {
    SharedWords::map(data.fd().as_fd(), n_words)
        .map_err(|source| Error::call("map a table into memory", source))
}
