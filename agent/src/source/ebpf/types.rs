//! The running kernel's types: read when the first probe is loaded, for all probes, and given back by
//! [`Types::release`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aya::{Btf as AyaBtf, EbpfLoader, Endianness};

use super::{Error, btf::Btf};
use crate::source::{memory_left, sys::memory::trim_heap};

/// What reading them takes at its peak, in halves of their size: 21 MiB were measured for 5.3 MiB.
const MEMORY_PER_TYPES: u64 = 9;

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

pub(super) struct Types {
    path: PathBuf,
    parsed: Mutex<Option<Parsed>>,
}

/// Three times: ours finds fields, aya's two find hooks and cannot be had otherwise.
pub(super) struct Parsed {
    pub(super) btf: Btf,
    pub(super) aya: AyaBtf,
    /// Making one parses the kernel's BTF (30 ms), so there is one for all probes.
    pub(super) loader: EbpfLoader<'static>,
}

impl Types {
    /// `path`: where they are, if not in `/sys/kernel/btf/vmlinux`.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path: path.unwrap_or_else(|| BTF_PATH.into()), parsed: Mutex::new(None) }
    }

    /// Forgets them and gives their memory back, some 30 MB. Who needs them later reads them again.
    pub(super) fn release(&self) {
        drop(self.lock().take());
        trim_heap();
    }

    /// Calls `then` with them, reading them if they are not there yet.
    pub(super) fn with<T>(&self, then: impl FnOnce(&mut Parsed) -> Result<T, Error>) -> Result<T, Error> {
        let mut parsed = self.lock();
        let parsed = match &mut *parsed {
            Some(parsed) => parsed,
            empty => empty.insert(Parsed::read(&self.path)?),
        };
        then(parsed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Parsed>> {
        // What a panic could leave behind are settings of the loader, which each probe sets anew.
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parsed {
    fn read(path: &Path) -> Result<Self, Error> {
        let no_btf = |source| Error::NoBtf { path: path.into(), source };
        let needed = fs::metadata(path).map_err(no_btf)?.len() / 2 * MEMORY_PER_TYPES;
        if let Some(left) = memory_left().filter(|left| *left < needed) {
            return Err(Error::ShortOfMemory { needed, left });
        }
        // It parses the running kernel's types for relocations that objects of ours do not have, and gives them back
        // here, before ours are read: the peak is that of one copy.
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        trim_heap();
        let bytes = fs::read(path).map_err(no_btf)?;
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
