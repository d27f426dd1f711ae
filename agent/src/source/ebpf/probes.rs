//! All probes that are loaded, and the budget that they are held to.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ebpf_probes::spec::Spec;

use super::{Loaded, Use, budget::Guard, loaded::lock};
use crate::config::{Budget, Measure};

/// The probes that are loaded, in the order in which they were. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Probes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    loaded: Mutex<Vec<Weak<Loaded>>>,
    is_unmeasured: AtomicBool,
    /// Features of probes that collectors want which are about to be opened.
    wanted: Mutex<Vec<Feature>>,
    /// What a run takes beside its program on this host, in ns.
    overhead: OnceLock<u64>,
    guard: Mutex<Option<Guard>>,
}

/// A probe by its name, and one of its features.
type Feature = (&'static str, &'static str);

impl Probes {
    /// Those that are there now.
    pub fn list(&self) -> Vec<Arc<Loaded>> {
        lock(&self.0.loaded).iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn add(&self, probe: &Arc<Loaded>) {
        let mut loaded = lock(&self.0.loaded);
        loaded.retain(|it| it.strong_count() > 0);
        loaded.push(Arc::downgrade(probe));
    }

    /// What a run takes beside its program, in ns: found by `measure` the first time.
    pub(super) fn overhead(&self, measure: impl FnOnce() -> u64) -> u64 {
        *self.0.overhead.get_or_init(measure)
    }

    /// Says which features the collectors want that are opened next, so that a probe which several of them share is
    /// loaded once.
    pub fn announce(&self, uses: impl Iterator<Item = &'static Use>) {
        *lock(&self.0.wanted) =
            uses.flat_map(|it| it.features.iter().map(|feature| (it.probe.name, *feature))).collect();
    }

    pub(super) fn wants(&self, spec: &Spec, feature: &'static str) -> bool {
        lock(&self.0.wanted).contains(&(spec.name, feature))
    }

    /// Whether those that are loaded from now on are to measure what they cost.
    pub(super) fn are_measured(&self) -> bool {
        !self.0.is_unmeasured.load(Relaxed)
    }

    /// Says whether those that are loaded from now on measure what they cost.
    pub fn measure(&self, how: Measure) {
        self.0.is_unmeasured.store(how != Measure::Sampled, Relaxed);
    }

    /// Holds the probes to `budget` from now on. To be called when the calling thread has the capabilities that the
    /// thread that watches over them is to have: it begins as soon as there is a probe.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn keep_budget(&self, budget: Budget) -> io::Result<()> {
        let mut guard = lock(&self.0.guard);
        match &*guard {
            Some(guard) => guard.change(budget),
            None if budget.measure == Measure::Sampled && !self.list().is_empty() => {
                let shared = Arc::downgrade(&self.0);
                let list = move || shared.upgrade().map(|it| Self(it).list()).unwrap_or_default();
                *guard = Some(Guard::start(list, budget)?);
            }
            None => {}
        }
        Ok(())
    }
}
