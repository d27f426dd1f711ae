//! CPUs in sysfs, `/sys/devices/system/cpu`: see Documentation/admin-guide/cputopology.rst of the kernel.

use super::{Error, File, Folder, Host, number, numbered};
use std::collections::{BTreeMap, btree_map::Entry};

/// The folders of the CPUs, online or not, by name: `cpu0`, `cpu1`, `cpu10`, `cpu2`.
///
/// # Errors
/// When the folder cannot be listed.
pub fn folders(cpus: &Folder) -> Result<Vec<String>, Error> {
    let mut names = cpus.names()?;
    names.retain(|name| number_of(name).is_some());
    Ok(names)
}

/// The `10` of `cpu10`.
#[must_use]
pub fn number_of(folder: &str) -> Option<&str> {
    numbered(folder, "cpu")
}

/// A set of CPUs in the kernel's spelling, `0-3,8`; `None` when it is spelled otherwise. See cpuset(7).
#[must_use]
pub fn parse_set(text: &[u8]) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in text.trim_ascii().split(|&byte| byte == b',').filter(|part| !part.is_empty()) {
        let mut ends = part.splitn(2, |&byte| byte == b'-').map(number);
        let first: u16 = ends.next()??;
        let last = ends.next().unwrap_or(Some(first))?;
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// The CPUs that the scheduler leaves alone, which is fixed at boot.
#[derive(Debug)]
pub struct Isolated {
    file: File,
    /// `None` until they are known.
    cpus: Option<Vec<u16>>,
}

impl Isolated {
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self { file: File::new(host.sys("devices/system/cpu/isolated")), cpus: None }
    }

    /// # Errors
    /// When they cannot be read; the next call tries again.
    pub fn cpus(&mut self) -> Result<&[u16], Error> {
        let cpus = match self.cpus.take() {
            Some(known) => known,
            None => match self.file.read_if_present()?.map_or(Some(Vec::new()), parse_set) {
                Some(cpus) => cpus,
                None => return Err(self.file.parse_error(1, "expected a set of CPUs such as `0-3,8`")),
            },
        };
        Ok(self.cpus.insert(cpus))
    }
}

/// What the folders of the CPUs hold. It stays while the same CPUs are online.
#[derive(Debug, Default)]
pub struct CpuFiles {
    /// The files that count thermal throttling, by package and core: several CPUs are one core, and all of them count
    /// for it.
    pub core_throttles: BTreeMap<(u64, u64), String>,
    pub package_throttles: BTreeMap<u64, String>,
    /// Whether each CPU tells if it is online. None does where the first one cannot be switched off.
    pub tell_online: bool,
}

impl CpuFiles {
    /// The files of the CPUs that are online now.
    ///
    /// # Errors
    /// When the CPUs cannot be listed.
    pub fn find(cpus: &Folder) -> Result<Self, Error> {
        let mut found =
            Self { tell_online: !matches!(cpus.value("cpu0/online"), Ok(None)), ..Self::default() };
        let known = |file: &str| cpus.number::<u64>(file).ok().flatten();
        let is_there = |file: &String| matches!(cpus.value(file), Ok(Some(_)));
        for cpu in folders(cpus)? {
            // A CPU that is offline has no topology, and one may go offline at any time.
            let Some(package) = known(&format!("{cpu}/topology/physical_package_id")) else { continue };
            let file_named = |name| Some(format!("{cpu}/thermal_throttle/{name}")).filter(is_there);
            if let Entry::Vacant(vacant) = found.package_throttles.entry(package) {
                file_named("package_throttle_count").map(|file| vacant.insert(file));
            }
            let Some(core) = known(&format!("{cpu}/topology/core_id")) else { continue };
            if let Entry::Vacant(vacant) = found.core_throttles.entry((package, core)) {
                file_named("core_throttle_count").map(|file| vacant.insert(file));
            }
        }
        Ok(found)
    }
}

/// Where a CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub cpu: usize,
    /// The first of the CPUs that share its last cache; where none is told of, its package.
    pub cache: u32,
    /// Of NUMA; 0 where there are none.
    pub node: u32,
}

/// Where the CPUs are that are online. It stays while the same ones are.
pub struct CpuPlaces {
    cpus: Option<Folder>,
    /// As the kernel spells it.
    online: Vec<u8>,
}

impl CpuPlaces {
    /// # Errors
    /// When there is a folder of CPUs that cannot be opened.
    pub fn new(host: &Host) -> Result<Self, Error> {
        Ok(Self { cpus: Folder::open(host.sys("devices/system/cpu"))?, online: Vec::new() })
    }

    /// The places of all CPUs that are online, if others are than at the last call; else of none.
    ///
    /// # Errors
    /// When it cannot be read which are; the next call tries again.
    pub fn changed(&mut self) -> Result<Vec<Place>, Error> {
        let Some(cpus) = &self.cpus else { return Ok(Vec::new()) };
        let mut buffer = Vec::new();
        let online = cpus.text("online", &mut buffer)?.unwrap_or_default();
        if online == self.online {
            return Ok(Vec::new());
        }
        let numbers = parse_set(online).unwrap_or_default();
        self.online = online.to_vec();
        Ok(numbers.into_iter().filter_map(|cpu| place(cpus, cpu)).collect())
    }
}

/// `None` for one that has gone offline meanwhile.
fn place(cpus: &Folder, cpu: u16) -> Option<Place> {
    let folder = cpus.folder(&format!("cpu{cpu}")).ok().flatten()?;
    let mut node = 0;
    for name in folder.names().ok()? {
        if let Some(number) = numbered(&name, "node") {
            node = number.parse().ok()?;
        }
    }
    let shared = (0..MAX_CACHES).rev().find_map(|it| {
        let list = folder.value(&format!("cache/index{it}/shared_cpu_list")).ok().flatten()?;
        Some(u32::from(*parse_set(&list)?.first()?))
    });
    let package = || folder.number("topology/physical_package_id").ok().flatten();
    Some(Place { cpu: cpu.into(), cache: shared.or_else(package)?, node })
}

/// More than any CPU has.
const MAX_CACHES: u32 = 6;

/// Whether each CPU is in use, by number, where it tells.
///
/// # Errors
/// When the CPUs cannot be listed.
pub fn online(cpus: &Folder) -> Result<Vec<(String, Option<bool>)>, Error> {
    let is_online = |folder: &str| match cpus.value(&format!("{folder}/online")) {
        Ok(Some(it)) => [false, true].into_iter().find(|&is_online| *it == [b'0' + u8::from(is_online)]),
        _ => None,
    };
    let number = |folder: &str| number_of(folder).unwrap_or_default().to_owned();
    Ok(folders(cpus)?.iter().map(|folder| (number(folder), is_online(folder))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sets_of_cpus() {
        for (text, cpus) in [
            ("\n", Some(vec![])),
            ("3\n", Some(vec![3])),
            ("0-2,8,10-11\n", Some(vec![0, 1, 2, 8, 10, 11])),
            ("3-1\n", Some(vec![])),
            ("0-\n", None),
            ("a\n", None),
            ("0-1-2\n", None),
            ("0-4000000000\n", None),
        ] {
            assert_eq!(parse_set(text.as_bytes()), cpus, "{text}");
        }
    }
}
