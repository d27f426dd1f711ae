//! The running kernel's types: read when the first probe is loaded, for all probes, and given back by
//! [`Types::release`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use aya::{Btf as AyaBtf, EbpfLoader, Endianness};
use ebpf_probes::probes::ALL;
use landlock::{AccessFs, Ruleset, RulesetAttr as _, RulesetError};
use tracing::debug;

use super::{Error, btf::Btf, outline::outline};
use crate::source::{
    memory_left,
    sys::memory::{give_back, trim_heap},
};

/// What reading them takes at its peak, in halves of their size: 21 MiB were measured for 5.3 MiB.
const MEMORY_PER_TYPES: u64 = 9;

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

pub(super) struct Types {
    path: PathBuf,
    parsed: Mutex<Option<Parsed>>,
}

pub(super) struct Parsed {
    pub(super) btf: Btf,
    /// To find hooks.
    pub(super) aya: AyaBtf,
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
        give_back();
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
        let malformed = |why| Error::Btf { path: path.into(), why };
        let btf = Btf::parse(fs::read(path).map_err(no_btf)?).map_err(|it| malformed(it.to_string()))?;
        let outline = outline(&btf, ALL);
        let aya = AyaBtf::parse(&outline, Endianness::default()).map_err(|it| malformed(it.to_string()))?;
        Ok(Self { btf, aya, loader: loader() })
    }
}

/// A loader parses the running kernel's types when it is made, for relocations that objects of ours do not have: that
/// takes 25 MB and 30 ms, and cannot be declined. One that may not read files finds none.
fn loader() -> EbpfLoader<'static> {
    let make = || {
        if let Err(error) = read_no_file() {
            debug!(%error, "the loader of probes reads the kernel's types, too");
        }
        EbpfLoader::new()
    };
    let made = thread::Builder::new().name("bpf-loader".to_owned()).spawn(make).map(|it| it.join());
    let mut loader = match made {
        Ok(Ok(loader)) => loader,
        _ => EbpfLoader::new(),
    };
    loader.btf(None);
    trim_heap();
    loader
}

/// Of the calling thread, for good; nothing happens before Linux 5.13.
fn read_no_file() -> Result<(), RulesetError> {
    Ruleset::default().handle_access(AccessFs::ReadFile)?.create()?.restrict_self()?;
    Ok(())
}

/// A word that stays where it is for as long as the process lives, as the loader wants it. Each value is kept once, so
/// that probes that are loaded again and again cost nothing.
pub(super) fn kept(value: u32) -> &'static u32 {
    static KEPT: Mutex<BTreeMap<u32, &'static u32>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.entry(value).or_insert_with(|| Box::leak(Box::new(value)))
}
