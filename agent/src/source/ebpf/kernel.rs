//! What the probes need to know of the running kernel.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aya::{Btf as AyaBtf, EbpfLoader, Endianness};

use super::{Error, Probes, btf::Btf};
use crate::source::sys::memory::trim_heap;

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel's types and CPUs. The types are read when the first probe is loaded, for all probes, and given
/// back by [`Kernel::release`].
pub struct Kernel {
    btf_path: PathBuf,
    types: Mutex<Option<Types>>,
    probes: Probes,
}

/// The kernel's types, three times: ours finds fields, aya's two find hooks and cannot be had otherwise.
pub(super) struct Types {
    pub(super) btf: Btf,
    pub(super) aya: AyaBtf,
    /// Making one parses the kernel's BTF (30 ms), so there is one for all probes.
    pub(super) loader: EbpfLoader<'static>,
    /// Globals and maps that were set in the loader so far.
    pub(super) set: Vec<&'static str>,
}

impl Kernel {
    /// `btf_path`: where the kernel's types are, if not in `/sys/kernel/btf/vmlinux`.
    pub fn new(btf_path: Option<PathBuf>) -> Self {
        Self::with_probes(btf_path, Probes::default())
    }

    /// With probes that were loaded for it before.
    pub fn with_probes(btf_path: Option<PathBuf>, probes: Probes) -> Self {
        Self { btf_path: btf_path.unwrap_or_else(|| BTF_PATH.into()), types: Mutex::new(None), probes }
    }

    /// The probes that were loaded for it, wherever they are by now.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// CPUs that the kernel may ever have online: rows of maps by CPU.
    pub fn possible_cpus(&self) -> Result<u32, Error> {
        let cpus =
            aya::util::nr_cpus().map_err(|(path, source)| Error::Read { path: path.into(), source })?;
        Ok(u32::try_from(cpus).expect("the kernel numbers CPUs in 32 bits"))
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
        let bytes = fs::read(path).map_err(|source| Error::NoBtf { path: path.into(), source })?;
        let malformed = |why| Error::Btf { path: path.into(), why };
        let aya = AyaBtf::parse(&bytes, Endianness::default()).map_err(|it| malformed(it.to_string()))?;
        let btf = Btf::parse(bytes).map_err(|it| malformed(it.to_string()))?;
        let mut loader = EbpfLoader::new();
        // It is for relocations that objects of ours do not have.
        loader.btf(None);
        Ok(Self { btf, aya, loader, set: Vec::new() })
    }
}
