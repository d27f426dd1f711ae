//! A probe: found its place in the running kernel, loaded, attached and read.

use std::{os::fd::AsFd as _, sync::Arc};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use probe_abi::{ABSENT, Meter};

use super::{
    Attach, Error, Kernel, Loaded, MANY_CPUS, Memory, Program, Spec, Table, error::chain, kernel::Types,
    loaded::Meters, map::Row, spec::resolve,
};
use crate::source::sys::memory::{SharedWords, WritableWords};

/// The map of the programs' [`Meter`]s, and what precedes a program's name in the global that holds its first row.
const METERS: &str = "METERS";
const METER: &str = "METER_";

/// What is decided when a probe is loaded.
pub struct Sizing<'a> {
    /// Maps and their numbers of entries for a number of possible CPUs, where the object does not say.
    pub entries: &'a dyn Fn(u32) -> Entries,
    /// Globals that do not come from the kernel's types.
    pub globals: &'a [(&'static str, u32)],
}

/// Maps and how many entries they have.
pub type Entries = Vec<(&'static str, u32)>;

impl Default for Sizing<'_> {
    fn default() -> Self {
        Self { entries: &|_| Entries::new(), globals: &[] }
    }
}

/// A probe that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Probe {
    loaded: Arc<Loaded>,
}

/// The object of a probe, built by `cargo xtask ebpf`.
macro_rules! object {
    ($name:literal) => {
        aya::include_bytes_aligned!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../ebpf-probes/prebuilt/",
            $name,
            ".o"
        ))
    };
}
pub(super) use object;

impl Probe {
    /// Loads a probe and attaches its programs, all or none.
    pub fn load(spec: &'static Spec, kernel: &Kernel, sizing: &Sizing<'_>) -> Result<Self, Error> {
        let n_cpus = kernel.possible_cpus()?;
        let is_measured = kernel.probes().are_measured();
        let loaded = kernel.with_types(|types| {
            let mut globals = resolve(spec, &types.btf)?;
            globals.extend(sizing.globals);
            let metered: Vec<&Program> = spec.programs.iter().filter(|it| is_metered(spec, it)).collect();
            for (program, first_row) in metered.iter().zip((0..).step_by(n_cpus as usize)) {
                let first_row = if is_measured { first_row } else { ABSENT };
                // Here, too, the loader wants it for as long as it may live.
                globals.push((format!("{METER}{}", program.name).leak(), first_row));
            }
            let entries = |n_cpus| {
                let mut entries = (sizing.entries)(n_cpus);
                if !metered.is_empty() {
                    entries.push((METERS, if is_measured { metered.len() as u32 * n_cpus } else { 1 }));
                }
                entries
            };
            let ebpf = open(spec, types, &globals, &entries(n_cpus))?;
            let memory = Memory::of(spec, &ebpf, &entries(n_cpus), &entries(MANY_CPUS))?;
            Loaded::load(spec, ebpf, memory, &types.aya, |ebpf| match &metered[..] {
                [_, ..] if is_measured => meters(spec, ebpf, &metered, n_cpus as usize).map(Some),
                _ => Ok(None),
            })
        })?;
        let loaded = Arc::new(loaded);
        kernel.probes().add(&loaded);
        Ok(Self { loaded })
    }

    /// A mmap-able array of the probe as a table.
    pub fn table<T: Row>(&mut self, map: &'static str) -> Result<Table<T>, Error> {
        let taken = self.loaded.with_object(|ebpf| take_array::<T>(self.loaded.spec(), ebpf, map));
        let (data, n_rows) = taken?;
        into_table(&data, n_rows)
    }

    /// What of it is in the kernel.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }
}

/// Whether a program counts and times its runs: those of an iterator are the agent's own.
pub(super) fn is_metered(spec: &Spec, program: &Program) -> bool {
    !matches!(program.attach, Attach::Iter(_)) && has_symbol(spec.object, &format!("{METER}{}", program.name))
}

/// Makes the maps of a probe and sets its globals; no program is loaded yet.
fn open(
    spec: &Spec,
    types: &mut Types,
    globals: &[(&'static str, u32)],
    entries: &[(&'static str, u32)],
) -> Result<Ebpf, Error> {
    let broken = |why| Err(Error::Object { probe: spec.name, why });
    let mut set = Vec::new();
    for &(global, value) in globals {
        // The loader is kept for all probes and so borrows for as long as it may live. Its leftovers are some dozens
        // of words a probe.
        let value: &'static u32 = Box::leak(Box::new(value));
        types.loader.override_global(global, value, false);
        set.push(global);
    }
    for &(map, n_entries) in entries {
        types.loader.map_max_entries(map, n_entries);
        set.push(map);
    }
    if let Some(name) = set.iter().find(|name| !has_symbol(spec.object, name)) {
        return broken(format!("{name} is missing"));
    }
    // The loader does not forget what was set for the probes before.
    if let Some(name) = types.set.iter().find(|name| !set.contains(name) && has_symbol(spec.object, name)) {
        return broken(format!("{name} is not set, and has the name of what another probe sets"));
    }
    types.set.extend(set);
    types.loader.load(spec.object).map_err(|error| Error::open(spec.name, error))
}

/// Whether an object names a symbol.
fn has_symbol(object: &[u8], name: &str) -> bool {
    object.windows(name.len() + 2).any(|it| {
        let (inner, ends) = (&it[1..=name.len()], [it[0], it[name.len() + 1]]);
        ends == [0, 0] && inner == name.as_bytes()
    })
}

/// The meters of `programs`, which have their rows in this order.
fn meters(spec: &Spec, ebpf: &mut Ebpf, programs: &[&Program], n_cpus: usize) -> Result<Meters, Error> {
    let (data, n_rows) = take_array::<Meter>(spec, ebpf, METERS)?;
    let switches = WritableWords::map(data.fd().as_fd(), n_rows * Table::<Meter>::ROW_WORDS)
        .map_err(|source| Error::call("map the meters into memory", source))?;
    let first_rows = programs.iter().map(|it| it.name).zip((0..).step_by(n_cpus)).collect();
    Ok(Meters { rows: into_table(&data, n_rows)?, switches, first_rows, n_cpus })
}

/// Takes an array with rows of `T` out of an object: it, and how many rows it has.
fn take_array<T: Row>(spec: &Spec, ebpf: &mut Ebpf, map: &str) -> Result<(MapData, usize), Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let data = match ebpf.take_map(map) {
        Some(Map::Array(data)) => data,
        Some(_) => return Err(broken(format!("map {map} is no array"))),
        None => return Err(broken(format!("map {map} is missing or was taken"))),
    };
    let info = data.info().map_err(|error| broken(chain(&error)))?;
    let (value_size, n_rows) = (info.value_size() as usize, info.max_entries() as usize);
    if value_size != size_of::<T>() {
        return Err(broken(format!("rows of map {map} have {value_size} bytes, not {}", size_of::<T>())));
    }
    Ok((data, n_rows))
}

/// Maps an array into our memory, where it stays when its descriptor is gone.
fn into_table<T: Row>(data: &MapData, n_rows: usize) -> Result<Table<T>, Error> {
    let words = SharedWords::map(data.fd().as_fd(), n_rows * Table::<T>::ROW_WORDS)
        .map_err(|source| Error::call("map a table into memory", source))?;
    Ok(Table::new(words, n_rows))
}
