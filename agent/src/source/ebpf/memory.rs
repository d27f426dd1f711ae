//! What probes take of the kernel's memory, as it says itself in `/proc/self/fdinfo`: see proc_pid_fdinfo(5). That takes
//! no capability, where bpf(2) might.

use std::{
    fs, io,
    os::fd::{AsRawFd, BorrowedFd},
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    maps::{Map, MapData, MapError},
};
use std::os::fd::AsFd as _;

use ebpf_probes::spec::Spec;

use super::{Error, error::chain};
use crate::source::{File, number};

/// Possible CPUs of a large host, for which memory is told beside this one's.
pub const MANY_CPUS: u32 = 512;

/// One more than the highest number of a CPU that the kernel may ever have online: rows of maps by CPU.
pub fn possible_cpus() -> Result<u32, Error> {
    let path = Path::new("/sys/devices/system/cpu/possible");
    let read = || {
        let list = fs::read_to_string(path)?;
        let highest = list.trim_end().rsplit([',', '-']).next().and_then(|it| it.parse::<u32>().ok());
        highest.map(|it| it + 1).ok_or_else(|| io::Error::other(format!("{list:?} is no list of CPUs")))
    };
    read().map_err(|source| Error::Read { path: path.into(), source })
}

/// Maps and how many entries they have.
pub type Sizes = Vec<(&'static str, u32)>;

/// Bytes of kernel memory.
#[derive(Debug)]
pub struct Memory {
    /// By name, sorted.
    pub maps: Vec<MapMemory>,
    pub programs: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapMemory {
    pub name: String,
    pub bytes: u64,
    /// What it would take with [`MANY_CPUS`].
    pub bytes_with_many_cpus: u64,
}

impl Memory {
    pub fn total(&self) -> u64 {
        self.maps.iter().map(|it| it.bytes).sum::<u64>() + self.programs
    }

    /// What it would be with [`MANY_CPUS`].
    pub fn total_with_many_cpus(&self) -> u64 {
        self.maps.iter().map(|it| it.bytes_with_many_cpus).sum::<u64>() + self.programs
    }

    /// Of an object whose maps are all there yet. `entries` are those that were sized for this host, `many` the same
    /// with many CPUs.
    pub(super) fn of(spec: &Spec, object: &Ebpf, entries: &Sizes, many: &Sizes) -> Result<Self, Error> {
        let n_in =
            |entries: &Sizes, map: &str| entries.iter().find(|it| it.0 == map).map(|it| u64::from(it.1));
        let broken = |why| Error::Object { probe: spec.name, why };
        let mut maps = Vec::new();
        for (name, map) in object.maps() {
            let (Map::Array(data)
            | Map::HashMap(data)
            | Map::LruHashMap(data)
            | Map::PerCpuArray(data)
            | Map::PerfEventArray(data)) = map
            else {
                return Err(broken(format!("map {name} is of an unforeseen type")));
            };
            let (entry, n_entries) = shape(data).map_err(|error| broken(chain(&error)))?;
            let bytes = locked(data.fd().as_fd()).unwrap_or(entry * n_entries);
            let (here, many) = (n_in(entries, name).unwrap_or(1), n_in(many, name).unwrap_or(1));
            maps.push(MapMemory {
                name: name.to_owned(),
                bytes,
                bytes_with_many_cpus: bytes + entry * many.saturating_sub(here),
            });
        }
        maps.sort();
        Ok(Self { maps, programs: 0 })
    }

    /// Adds the programs of an object, which are loaded by now.
    pub(super) fn add_programs<'a>(
        &mut self,
        spec: &Spec,
        object: &Ebpf,
        programs: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let broken = |why| Error::Object { probe: spec.name, why };
        for program in programs.filter_map(|it| object.program(it)) {
            let fd = program.fd().map_err(|error| broken(chain(&error)))?;
            self.programs += locked(fd.as_fd()).unwrap_or(0);
        }
        Ok(())
    }
}

/// The kernel's descriptions of programs of `spec`, in their order.
pub(super) fn descriptions<'a>(
    spec: &Spec,
    object: &Ebpf,
    programs: impl Iterator<Item = &'a str>,
) -> Result<Vec<File>, Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let description = |program| {
        let fd = object.program(program).ok_or(aya::programs::ProgramError::NotLoaded);
        let fd = fd.and_then(|it| it.fd()).map_err(|error| broken(chain(&error)))?;
        Ok(File::new(path(fd.as_fd())))
    };
    programs.map(description).collect()
}

/// A number of a description.
pub(super) fn field(text: &[u8], key: &str) -> Option<u64> {
    let value = |line: &[u8]| {
        line.strip_prefix(key.as_bytes())?.strip_prefix(b":").map(<[u8]>::trim_ascii).map(number)
    };
    text.split(|it| *it == b'\n').find_map(value)?
}

/// What the kernel counts as locked for a map or program; `None` where its description cannot be read: before 5.14 a
/// process that got its capabilities from its file may not.
fn locked(object: BorrowedFd<'_>) -> Option<u64> {
    let mut file = File::new(path(object));
    field(file.read().ok()?, "memlock")
}

fn path(object: BorrowedFd<'_>) -> PathBuf {
    format!("/proc/self/fdinfo/{}", object.as_raw_fd()).into()
}

/// Bytes of an entry, key and value as the kernel rounds them, and the number of entries.
fn shape(data: &MapData) -> Result<(u64, u64), MapError> {
    let info = data.info()?;
    let entry = info.key_size().next_multiple_of(8) + info.value_size().next_multiple_of(8);
    Ok((u64::from(entry), u64::from(info.max_entries())))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn reads_the_field_that_was_asked_for() {
        let text = b"pos:\t0\nmemlock:\t8192\nrun_cnt:\t7\nrecursion_misses:\t3\n";
        assert_eq!(field(text, "memlock"), Some(8192));
        assert_eq!(field(text, "recursion_misses"), Some(3));
        assert_eq!(field(text, "misses"), None);
        assert_eq!(field(b"memlock:\tmuch\n", "memlock"), None);
    }
}
