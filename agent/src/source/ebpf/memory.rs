//! What probes take of the kernel's memory, as it says itself in `/proc/self/fdinfo`: see proc_pid_fdinfo(5). That takes
//! no capability, where bpf(2) might.

use std::{
    os::fd::{AsRawFd, BorrowedFd},
    path::PathBuf,
};

use aya::{
    Ebpf,
    maps::{Map, MapData, MapError},
};
use std::os::fd::AsFd as _;

use super::{Error, Spec, error::chain};
use crate::source::{File, number};

/// Bytes of kernel memory.
#[derive(Debug)]
pub struct Memory {
    /// By name, sorted.
    pub maps: Vec<(String, u64)>,
    pub programs: u64,
}

impl Memory {
    pub fn total(&self) -> u64 {
        self.maps.iter().map(|it| it.1).sum::<u64>() + self.programs
    }

    /// Of an object whose maps are all there yet, and whose programs are loaded.
    pub(super) fn of(spec: &Spec, object: &Ebpf) -> Result<Self, Error> {
        let broken = |why| Error::Object { probe: spec.name, why };
        let mut maps = Vec::new();
        for (name, map) in object.maps() {
            let (Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) | Map::PerCpuArray(data)) =
                map
            else {
                return Err(broken(format!("map {name} is of an unforeseen type")));
            };
            let bytes = match locked(data.fd().as_fd()) {
                Some(bytes) => bytes,
                None => estimate(data).map_err(|error| broken(chain(&error)))?,
            };
            maps.push((name.to_owned(), bytes));
        }
        maps.sort();
        let mut programs = 0;
        for program in spec.programs.iter().filter_map(|it| object.program(it.name)) {
            let fd = program.fd().map_err(|error| broken(chain(&error)))?;
            programs += locked(fd.as_fd()).unwrap_or(0);
        }
        Ok(Self { maps, programs })
    }
}

/// The kernel's descriptions of the programs of `spec`, in its order.
pub(super) fn descriptions(spec: &Spec, object: &Ebpf) -> Result<Vec<File>, Error> {
    let broken = |why| Error::Object { probe: spec.name, why };
    let description = |program| {
        let fd = object.program(program).ok_or(aya::programs::ProgramError::NotLoaded);
        let fd = fd.and_then(|it| it.fd()).map_err(|error| broken(chain(&error)))?;
        Ok(File::new(path(fd.as_fd())))
    };
    spec.programs.iter().map(|it| description(it.name)).collect()
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

/// Keys and values as the kernel rounds them, without what it needs to find them.
fn estimate(data: &MapData) -> Result<u64, MapError> {
    let info = data.info()?;
    let entry = info.key_size().next_multiple_of(8) + info.value_size().next_multiple_of(8);
    Ok(u64::from(entry) * u64::from(info.max_entries()))
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
