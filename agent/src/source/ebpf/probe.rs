//! A probe: declared once, found its place in the running kernel, loaded and attached.

use std::{
    fmt, fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs,
};
use probe_abi::ABSENT;

use super::{
    Error, Kernel, Table,
    btf::{Btf, FieldError},
    error::chain,
    kernel::Types,
    map::Row,
};
use crate::source::sys::memory::SharedWords;

/// A probe as it is declared: what it hooks and what it reads, for loading and for the manual.
#[derive(Debug)]
pub struct Spec {
    /// That of its object.
    pub name: &'static str,
    /// The compiled programs: [`object!`].
    pub object: &'static [u8],
    pub programs: &'static [Program],
    /// What of the kernel the programs must know.
    pub constants: &'static [Constant],
}

/// A program of a probe and where it is attached.
#[derive(Debug)]
pub struct Program {
    /// The function's name in the object.
    pub name: &'static str,
    pub attach: Attach,
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A tracepoint, by its name without the group.
    TpBtf(&'static str),
}

impl fmt::Display for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TpBtf(hook) => write!(f, "tp_btf/{hook}"),
        }
    }
}

/// A number that differs between kernels, and the global of the probe that is set to it.
#[derive(Debug)]
pub struct Constant {
    pub global: &'static str,
    pub origin: Origin,
    pub need: Need,
}

/// Where a constant is found.
#[derive(Debug)]
pub enum Origin {
    /// The offset of a field: `struct.field`, several with `|` between if it was renamed; and the bytes it must have.
    Field { path: &'static str, size: u32 },
    /// The first argument of a hook that points to this struct.
    Argument { hook: &'static str, of: &'static str },
    /// How many arguments a hook gives.
    Arity { hook: &'static str },
    /// The value of an enumerator.
    Enumerator { name: &'static str },
}

/// What it means that a kernel lacks a constant.
#[derive(Debug)]
pub enum Need {
    /// The probe cannot run.
    Always,
    /// The probe cannot run, unless the kernel has this other one of its constants.
    Unless(&'static str),
    /// The probe sees [`ABSENT`] and does without.
    Never,
    /// It is known to have this value then.
    Otherwise(u32),
}

impl Constant {
    /// A field that the probe cannot do without.
    pub const fn field(global: &'static str, path: &'static str, size: u32) -> Self {
        Self { global, origin: Origin::Field { path, size }, need: Need::Always }
    }

    /// An enumerator that the probe can do without.
    pub const fn enumerator(global: &'static str, name: &'static str) -> Self {
        Self { global, origin: Origin::Enumerator { name }, need: Need::Never }
    }

    pub const fn need(self, need: Need) -> Self {
        Self { need, ..self }
    }
}

/// What is decided when a probe is loaded.
#[derive(Debug, Default)]
pub struct Sizing<'a> {
    /// Maps and their numbers of entries, where the object does not say.
    pub entries: &'a [(&'static str, u32)],
    /// Globals that do not come from the kernel's types.
    pub globals: &'a [(&'static str, u32)],
}

/// A probe that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Probe {
    spec: &'static Spec,
    object: Ebpf,
    memory: u64,
}

/// What a program has cost, as the kernel counts it while statistics are enabled.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub program: &'static str,
    pub runs: u64,
    pub time: Duration,
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
        kernel.with_types(|types| {
            let constants = resolve(spec, &types.btf)?;
            let object = open(spec, types, constants.iter().chain(sizing.globals), sizing.entries)?;
            let mut probe = Self { spec, object, memory: 0 };
            probe.attach(types)?;
            probe.memory = locked_memory(spec, &probe.object)?;
            Ok(probe)
        })
    }

    /// A mmap-able array of the probe as a table.
    pub fn table<T: Row>(&mut self, map: &'static str) -> Result<Table<T>, Error> {
        let broken = |why| Error::Object { probe: self.spec.name, why };
        let data = match self.object.take_map(map) {
            Some(Map::Array(data)) => data,
            Some(_) => return Err(broken(format!("map {map} is no array"))),
            None => return Err(broken(format!("map {map} is missing or was taken"))),
        };
        let (value_size, n_rows) = shape(&data).map_err(|error| broken(chain(&error)))?;
        if value_size != size_of::<T>() {
            return Err(broken(format!("rows of map {map} have {value_size} bytes, not {}", size_of::<T>())));
        }
        let words = SharedWords::map(data.fd().as_fd(), n_rows * Table::<T>::ROW_WORDS)
            .map_err(|source| Error::call("map a table into memory", source))?;
        Ok(Table::new(words, n_rows))
    }

    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// What maps and programs take in the kernel, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// What each program has cost since it was loaded; nothing while the kernel keeps no statistics.
    pub fn costs(&self) -> Result<Vec<Cost>, Error> {
        let cost = |program: &'static Program| {
            let loaded = self.object.program(program.name).ok_or(programs::ProgramError::NotLoaded);
            let info = loaded
                .and_then(programs::Program::info)
                .map_err(|error| Error::program(self.spec.name, program.name, error))?;
            Ok(Cost { program: program.name, runs: info.run_count(), time: info.run_time() })
        };
        self.spec.programs.iter().map(cost).collect()
    }

    fn attach(&mut self, types: &Types) -> Result<(), Error> {
        for Program { name, attach: Attach::TpBtf(hook) } in self.spec.programs {
            let broken = |why: String| Error::Object { probe: self.spec.name, why };
            let Some(program) = self.object.program_mut(name) else {
                return Err(broken(format!("program {name} is missing")));
            };
            let programs::Program::BtfTracePoint(program) = program else {
                return Err(broken(format!("program {name} is not for a tracepoint")));
            };
            program
                .load(hook, &types.aya)
                .and_then(|()| program.attach())
                .map_err(|error| Error::program(self.spec.name, name, error))?;
        }
        Ok(())
    }
}

/// The bytes of a value and the number of entries of a map.
fn shape(data: &MapData) -> Result<(usize, usize), aya::maps::MapError> {
    let info = data.info()?;
    Ok((info.value_size() as usize, info.max_entries() as usize))
}

/// Finds the value of each constant, and that the kernel has each hook.
fn resolve(spec: &Spec, btf: &Btf) -> Result<Vec<(&'static str, u32)>, Error> {
    for Program { attach: Attach::TpBtf(hook), .. } in spec.programs {
        if btf.arity(hook).is_none() {
            return Err(Error::NoHook { hook });
        }
    }
    let value = |constant: &Constant| match (find(&constant.origin, btf), &constant.need) {
        (Ok(value), _) => Ok(value),
        // Wrong is worse than absent: a bit field or another size is never passed over.
        (Err(error @ (Error::FieldSize { .. } | Error::NoField(FieldError::BitField(_)))), _) => Err(error),
        (Err(error), Need::Always) => Err(error),
        (Err(error), Need::Unless(other)) => {
            let other = spec.constants.iter().find(|it| it.global == *other);
            other.and_then(|it| find(&it.origin, btf).ok()).map(|_| ABSENT).ok_or(error)
        }
        (Err(_), Need::Never) => Ok(ABSENT),
        (Err(_), Need::Otherwise(value)) => Ok(*value),
    };
    spec.constants.iter().map(|constant| Ok((constant.global, value(constant)?))).collect()
}

fn find(origin: &Origin, btf: &Btf) -> Result<u32, Error> {
    match *origin {
        Origin::Field { path, size: expected } => {
            let field = btf.field(path).map_err(Error::NoField)?;
            if field.size != expected {
                return Err(Error::FieldSize { path, found: field.size, expected });
            }
            Ok(field.offset)
        }
        Origin::Argument { hook, of } => btf.argument(hook, of).ok_or(Error::NoArgument { hook, what: of }),
        Origin::Arity { hook } => btf.arity(hook).ok_or(Error::NoHook { hook }),
        Origin::Enumerator { name } => {
            let value = btf.enumerator(name).ok_or(Error::NoEnumerator { name })?;
            u32::try_from(value).map_err(|_| Error::NoEnumerator { name })
        }
    }
}

/// Makes the maps of a probe and sets its globals; no program is loaded yet.
fn open<'a>(
    spec: &Spec,
    types: &mut Types,
    globals: impl Iterator<Item = &'a (&'static str, u32)>,
    entries: &[(&'static str, u32)],
) -> Result<Ebpf, Error> {
    let broken = |why| Err(Error::Object { probe: spec.name, why });
    let mut set = Vec::new();
    for &(global, value) in globals {
        // The loader is kept for all probes and so borrows for as long as it may live. Its leftovers are some dozens
        // of words, once.
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

/// What the kernel has set aside for an object's maps and programs, in bytes, as it says itself.
fn locked_memory(spec: &Spec, object: &Ebpf) -> Result<u64, Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let mut total = 0;
    for (name, map) in object.maps() {
        let (Map::Array(map) | Map::HashMap(map)) = map else {
            return Err(broken(format!("map {name} is of an unforeseen type")));
        };
        total += locked(map.fd().as_fd())?;
    }
    for (_, program) in object.programs() {
        total += locked(program.fd().map_err(|error| broken(chain(&error)))?.as_fd())?;
    }
    Ok(total)
}

/// `memlock` of a map or program in `/proc/self/fdinfo`. It takes no capability, where bpf(2) might.
fn locked(object: BorrowedFd<'_>) -> Result<u64, Error> {
    let path = format!("/proc/self/fdinfo/{}", object.as_raw_fd());
    let text =
        fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone().into(), source })?;
    let memlock = text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    memlock.ok_or_else(|| Error::Read { path: path.into(), source: io::ErrorKind::InvalidData.into() })
}
