//! A probe: found its place in the running kernel, loaded, attached and read.

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::AsFd as _,
    sync::{Arc, Mutex},
};

use aya::{Ebpf, maps::Map as AyaMap};
use ebpf_probes::{
    maps::{CounterBy, HistogramBy, METERS, Map, Shared},
    spec::{Constant, Entries, MapSpec, Need, Origin, Program, Spec},
};
use probe_abi::{ABSENT, Meter, table};

use super::{
    Counters, Error, Histograms, Loaded, MANY_CPUS, Memory, Probes, Sizes, Table, clocks,
    error::chain,
    loaded::{Meters, Written, lock},
    map::Row,
    memory::possible_cpus,
    resolve::resolve,
    types::{Parsed, Types, kept},
};
use crate::source::sys::memory::SharedWords;

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
    /// Why the clocks of CPUs that it reads are not counted.
    uncounted_clocks: Option<String>,
    /// The maps that were asked for, in our memory, with the bytes of a row.
    tables: Mutex<HashMap<&'static str, (Arc<SharedWords>, usize)>>,
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
        let n_cpus = possible_cpus()?;
        let is_measured = probes.are_measured();
        let decided = decided(spec, probes, features, settings)?;
        let mut uncounted_clocks = None;
        let loaded = types.with(|types| {
            let resolved = resolve(spec, &types.btf, &decided)?;
            let metered: Vec<&Program> = spec.programs.iter().filter(|it| it.meter.is_some()).collect();
            let mut constants = resolved.constants;
            constants.extend(&decided);
            for (program, first_row) in metered.iter().zip((0..).step_by(n_cpus as usize)) {
                let first_row = if is_measured { first_row } else { ABSENT };
                constants.extend(program.meter.map(|it| (it, first_row)));
            }
            let maps: Vec<_> = spec.maps.iter().map(|it| (it, is_used(it, &decided))).collect();
            constants.extend(banks(&maps, settings, n_cpus).map(|it| ("BANK_MASK", it - 1)));
            let n_meters = if is_measured { metered.len() as u32 } else { 0 };
            let sizes = sizes(spec, &maps, settings, n_meters, n_cpus)?;
            let ebpf = open(spec, types, &constants, &sizes)?;
            for (map, _) in maps.iter().filter(|it| it.0.entries == Entries::CpuClocks) {
                uncounted_clocks = clocks::count(spec, &ebpf, map.name, n_cpus)?;
            }
            let many = self::sizes(spec, &maps, settings, n_meters, MANY_CPUS)?;
            let memory = Memory::of(spec, &ebpf, &sizes, &many)?;
            let take = |ebpf: &mut Ebpf| {
                let meters = match &metered[..] {
                    [_, ..] if is_measured => Some(meters(spec, ebpf, &metered, n_cpus as usize)?),
                    _ => None,
                };
                Ok(Written { meters, attached_at: attached_at(spec, ebpf)? })
            };
            Loaded::load(spec, resolved.programs, ebpf, memory, &types.aya, take, overhead)
        })?;
        let (loaded, tables) = (Arc::new(loaded), Mutex::default());
        let probe = Self { loaded, settings: decided, uncounted_clocks, tables };
        let is_closed = probe.loaded.is_to_be_closed();
        if is_closed {
            probe.map_all()?;
        }
        probe.loaded.attach()?;
        if is_closed {
            probe.loaded.close()?;
        }
        Ok(probe)
    }

    /// A map of the probe as a table. Collectors may share it.
    pub fn table<S: Shared<Row: Row>>(&self, map: Map<S>) -> Result<Table<S::Row>, Error> {
        Ok(Table::new(self.rows(map)?))
    }

    /// A map of the probe to be written, too: its words, and how many rows they are. For one collector at a time: after a
    /// reload it may be the next.
    pub fn writable<S: Shared>(&self, map: Map<S>) -> Result<(Arc<SharedWords>, usize), Error> {
        let words = self.rows(map)?;
        let n_rows = words.n_words() * size_of::<u64>() / size_of::<S::Row>();
        Ok((words, n_rows))
    }

    /// The words of a map with rows of this type.
    fn rows<S: Shared>(&self, map: Map<S>) -> Result<Arc<SharedWords>, Error> {
        let (words, row) = self.words(map.name)?;
        match size_of::<S::Row>() {
            size if size == row => Ok(words),
            size => {
                let why = format!("rows of map {} have {row} bytes, not {size}", map.name);
                Err(Error::Object { probe: self.loaded.spec().name, why })
            }
        }
    }

    /// Maps all arrays, which closes them: what is not needed costs addresses alone.
    fn map_all(&self) -> Result<(), Error> {
        for map in self.loaded.spec().maps {
            if self.loaded.with_object(|ebpf| Ok(matches!(ebpf.map(map.name), Some(AyaMap::Array(_)))))? {
                self.words(map.name)?;
            }
        }
        Ok(())
    }

    /// Maps an array, where it is not yet: its words, and the bytes of a row.
    fn words(&self, map: &'static str) -> Result<(Arc<SharedWords>, usize), Error> {
        let mut tables = lock(&self.tables);
        if !tables.contains_key(map) {
            let words = self.loaded.with_object(|ebpf| take_array(self.loaded.spec(), ebpf, map))?;
            tables.insert(map, words);
        }
        Ok(tables[map].clone())
    }

    /// A map of counters by an index, of which the last is that of all others.
    pub fn counters<const N: usize>(&self, map: Map<CounterBy<N>>) -> Result<Counters, Error> {
        Ok(Counters::new(self.table(map)?, N as u32))
    }

    /// A map of histograms by an index, of which the last is that of all others.
    pub fn histograms<const N: usize>(&self, map: Map<HistogramBy<N>>) -> Result<Histograms, Error> {
        Ok(Histograms::new(self.table(map)?, N as u32))
    }

    /// Why the clocks of CPUs are not counted, if it reads them and they are not.
    pub fn uncounted_clocks(&self) -> Option<&str> {
        self.uncounted_clocks.as_deref()
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

/// A map that is declared, and whether any of the features that are wanted needs it.
type Wanted = (&'static MapSpec, bool);

fn is_used(map: &MapSpec, decided: &[(&str, u32)]) -> bool {
    map.feature.is_none_or(|feature| decided.contains(&(feature, 1)))
}

/// How many banks the banked tables of a probe have; `None` if it has no such table.
fn banks(maps: &[Wanted], settings: &Settings<'_>, n_cpus: u32) -> Option<u32> {
    let sizes = maps.iter().filter(|it| it.1).filter_map(|(it, _)| match it.entries {
        Entries::Banked { per_bank, bytes } => Some(per_bank as usize * bytes as usize),
        _ => None,
    });
    let bank: usize = sizes.sum();
    (bank != 0).then(|| table::banks(n_cpus, bank, settings.banked))
}

/// How many entries each map of a probe has.
fn sizes(
    spec: &Spec,
    maps: &[Wanted],
    settings: &Settings<'_>,
    n_meters: u32,
    n_cpus: u32,
) -> Result<Sizes, Error> {
    let given: BTreeMap<_, _> = (settings.entries)(n_cpus).into_iter().collect();
    let banks = banks(maps, settings, n_cpus).unwrap_or(1);
    let mut sizes = Sizes::new();
    for (map, is_used) in maps {
        let n_entries = match map.entries {
            _ if !is_used => 1,
            Entries::Fixed(n) => n,
            Entries::Attached => 1,
            Entries::PerCpu(n) => n * n_cpus,
            Entries::CpuClocks => n_cpus,
            Entries::Banked { per_bank, .. } => per_bank * banks,
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
    let (words, row) = take_array(spec, ebpf, METERS.name)?;
    if row != size_of::<Meter>() {
        return Err(Error::Object { probe: spec.name, why: format!("a meter has {row} bytes") });
    }
    let first_rows = programs.iter().map(|it| it.name).zip((0..).step_by(n_cpus)).collect();
    let (rows, switches) = (Table::new(Arc::clone(&words)), words);
    Ok(Meters { rows, switches, first_rows, n_cpus })
}

/// Where its programs find when they were attached, if they ask.
fn attached_at(spec: &Spec, ebpf: &mut Ebpf) -> Result<Option<Arc<SharedWords>>, Error> {
    let map = spec.maps.iter().find(|it| it.entries == Entries::Attached);
    map.map(|it| take_array(spec, ebpf, it.name).map(|(words, _)| words)).transpose()
}

/// Takes an array out of an object and maps it into our memory, where it stays when its descriptor is gone: its words,
/// and the bytes of a row.
fn take_array(spec: &Spec, ebpf: &mut Ebpf, map: &str) -> Result<(Arc<SharedWords>, usize), Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let data = match ebpf.take_map(map) {
        Some(AyaMap::Array(data)) => data,
        Some(_) => return Err(broken(format!("map {map} is no array"))),
        None => return Err(broken(format!("map {map} is missing"))),
    };
    let info = data.info().map_err(|error| broken(chain(&error)))?;
    let row = info.value_size() as usize;
    let words = SharedWords::map(data.fd().as_fd(), info.max_entries() as usize * row / size_of::<u64>());
    Ok((Arc::new(words.map_err(|source| Error::call("map a table into memory", source))?), row))
}
