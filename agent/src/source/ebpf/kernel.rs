//! What the probes need to know of the running kernel.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aya::{Btf as AyaBtf, EbpfLoader, Endianness};

use super::{Error, Loaded, btf::Btf, budget::Guard, loaded::lock};
use crate::{
    config::{Budget, Measure},
    source::sys::memory::trim_heap,
};

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel's types and CPUs. The types are read when the first probe is loaded, for all probes, and given
/// back by [`Kernel::release`].
pub struct Kernel {
    btf_path: PathBuf,
    types: Mutex<Option<Types>>,
    probes: Probes,
    measures: AtomicBool,
    guard: Mutex<Option<Guard>>,
}

/// The probes that are loaded, in the order in which they were.
#[derive(Clone, Debug, Default)]
pub struct Probes(Arc<Mutex<Vec<Weak<Loaded>>>>);

impl Probes {
    pub fn list(&self) -> Vec<Arc<Loaded>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn add(&self, probe: &Arc<Loaded>) {
        let mut probes = lock(&self.0);
        probes.retain(|it| it.strong_count() > 0);
        probes.push(Arc::downgrade(probe));
    }
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
        Self {
            btf_path: btf_path.unwrap_or_else(|| BTF_PATH.into()),
            types: Mutex::new(None),
            probes: Probes::default(),
            measures: AtomicBool::new(true),
            guard: Mutex::new(None),
        }
    }

    /// The probes that were loaded for it, wherever they are by now.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Holds the probes to `budget` from now on; those that are loaded later measure what they cost or do not, as it
    /// says. To be called before they are loaded, and when the calling thread has the capabilities that the thread
    /// that watches over them is to have: it begins as soon as there is a probe.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn keep_budget(&self, budget: Budget) -> io::Result<()> {
        let is_measured = budget.measure == Measure::Sampled;
        self.measures.store(is_measured, Relaxed);
        let mut guard = lock(&self.guard);
        match &*guard {
            Some(guard) => guard.change(budget),
            None if is_measured && !self.probes.list().is_empty() => {
                *guard = Some(Guard::start(self.probes.clone(), budget)?);
            }
            None => {}
        }
        Ok(())
    }

    pub(super) fn measures(&self) -> bool {
        self.measures.load(Relaxed)
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
