//! What the probes need to know of the running kernel.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use aya::{Btf as AyaBtf, EbpfLoader, Endianness};

use ebpf_probes::spec::Spec;

use super::{Error, Probe, Probes, Settings, btf::Btf};
use crate::source::sys::memory::trim_heap;

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel's types and CPUs. The types are read when the first probe is loaded, for all probes, and given
/// back by [`Kernel::release`].
pub struct Kernel {
    btf_path: PathBuf,
    types: Mutex<Option<Types>>,
    probes: Probes,
    /// Those that several collectors may read.
    shared: Mutex<Vec<Weak<Probe>>>,
}

/// The kernel's types, three times: ours finds fields, aya's two find hooks and cannot be had otherwise.
pub(super) struct Types {
    pub(super) btf: Btf,
    pub(super) aya: AyaBtf,
    /// Making one parses the kernel's BTF (30 ms), so there is one for all probes.
    pub(super) loader: EbpfLoader<'static>,
}

impl Kernel {
    /// `btf_path`: where the kernel's types are, if not in `/sys/kernel/btf/vmlinux`.
    pub fn new(btf_path: Option<PathBuf>) -> Self {
        Self::with_probes(btf_path, Probes::default())
    }

    /// With probes that were loaded for it before.
    pub fn with_probes(btf_path: Option<PathBuf>, probes: Probes) -> Self {
        Self {
            btf_path: btf_path.unwrap_or_else(|| BTF_PATH.into()),
            types: Mutex::new(None),
            probes,
            shared: Mutex::default(),
        }
    }

    /// The probes that were loaded for it, wherever they are by now.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// One more than the highest number of a CPU that the kernel may ever have online: rows of maps by CPU.
    pub fn possible_cpus(&self) -> Result<u32, Error> {
        let path = Path::new("/sys/devices/system/cpu/possible");
        let read = || {
            let list = fs::read_to_string(path)?;
            let highest = list.trim_end().rsplit([',', '-']).next().and_then(|it| it.parse::<u32>().ok());
            highest.map(|it| it + 1).ok_or_else(|| io::Error::other(format!("{list:?} is no list of CPUs")))
        };
        read().map_err(|source| Error::Read { path: path.into(), source })
    }

    /// A probe with these features and settings: one that runs already, or loaded now. See [`Probe::table`].
    ///
    /// # Errors
    /// When this kernel, its settings or the agent's privileges do not allow it.
    pub fn probe(
        &self,
        spec: &'static Spec,
        features: &[&'static str],
        settings: &Settings<'_>,
    ) -> Result<Arc<Probe>, Error> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|it| it.strong_count() > 0);
        let running = shared.iter().filter_map(Weak::upgrade);
        let mut running = running.filter(|it| it.loaded().spec().name == spec.name);
        if let Some(probe) = running.find(|it| it.serves(features, settings)) {
            return Ok(probe);
        }
        let probe = Arc::new(Probe::load(spec, self, features, settings)?);
        self.probes.add(probe.loaded());
        shared.push(Arc::downgrade(&probe));
        Ok(probe)
    }

    /// The names of an enum's enumerators in the running kernel, each at the index that is its value, without the first
    /// of `prefixes` that it has; empty where there is none. Values of 2^16 and more are left out.
    ///
    /// # Errors
    /// When the kernel's types cannot be read.
    pub fn names(&self, of: &str, prefixes: &[&str]) -> Result<Vec<String>, Error> {
        self.with_types(|types| {
            let mut names = Vec::new();
            for (name, value) in types.btf.enumerators(of) {
                let Some(value) = u16::try_from(value).ok().map(usize::from) else { continue };
                let short = prefixes.iter().find_map(|it| name.strip_prefix(it));
                names.resize(names.len().max(value + 1), String::new());
                names[value] = short.unwrap_or(&name).to_owned();
            }
            Ok(names)
        })
    }

    /// Forgets the kernel's types and gives their memory back, some 30 MB. To be called when all probes are loaded; a
    /// probe that is loaded later reads them again.
    pub fn release(&self) {
        drop(self.lock().take());
        trim_heap();
    }

    /// Calls `then` with the kernel's types, reading them if they are not there yet.
    pub(super) fn with_types<T>(
        &self,
        then: impl FnOnce(&mut Types) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut types = self.lock();
        let types = match &mut *types {
            Some(types) => types,
            empty => empty.insert(Types::read(&self.btf_path)?),
        };
        then(types)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Types>> {
        // What a panic could leave behind are settings of the loader, which each probe sets anew.
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Types {
    fn read(path: &Path) -> Result<Self, Error> {
        // It parses the running kernel's types for relocations that objects of ours do not have, and gives them back
        // here, before ours are read: the peak is that of one copy.
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        trim_heap();
        let bytes = fs::read(path).map_err(|source| Error::NoBtf { path: path.into(), source })?;
        let malformed = |why| Error::Btf { path: path.into(), why };
        let aya = AyaBtf::parse(&bytes, Endianness::default()).map_err(|it| malformed(it.to_string()))?;
        let btf = Btf::parse(bytes).map_err(|it| malformed(it.to_string()))?;
        Ok(Self { btf, aya, loader })
    }
}

/// A word that stays where it is for as long as the process lives, as the loader wants it. Each value is kept once, so
/// that probes that are loaded again and again cost nothing.
pub(super) fn kept(value: u32) -> &'static u32 {
    static KEPT: Mutex<BTreeMap<u32, &'static u32>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.entry(value).or_insert_with(|| Box::leak(Box::new(value)))
}
