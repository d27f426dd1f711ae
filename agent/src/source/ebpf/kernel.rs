//! What the probes need to know of the running kernel.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ebpf_probes::spec::Spec;

use super::{Error, Probe, Probes, Settings, calibration, types::Types};

/// The running kernel: its types, and the probes in it.
pub struct Kernel {
    types: Types,
    probes: Probes,
    /// Those that several collectors may read.
    shared: Mutex<Vec<Weak<Probe>>>,
}

impl Kernel {
    /// `btf_path`: where the kernel's types are, if not in `/sys/kernel/btf/vmlinux`.
    pub fn new(btf_path: Option<PathBuf>) -> Self {
        Self::with_probes(btf_path, Probes::default())
    }

    /// With probes that were loaded for it before.
    pub fn with_probes(btf_path: Option<PathBuf>, probes: Probes) -> Self {
        Self { types: Types::new(btf_path), probes, shared: Mutex::default() }
    }

    /// The probes that were loaded for it, wherever they are by now.
    pub fn probes(&self) -> &Probes {
        &self.probes
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
            return whole(probe, features);
        }
        let overhead = match self.probes.are_measured() {
            true => self.probes.overhead(|| calibration::overhead(&self.types, &self.probes)),
            false => 0,
        };
        let probe = Probe::load(spec, &self.types, &self.probes, features, settings, overhead)?;
        let probe = Arc::new(probe);
        self.probes.add(probe.loaded());
        shared.push(Arc::downgrade(&probe));
        whole(probe, features)
    }

    /// The names of an enum's enumerators in the running kernel, each at the index that is its value, without the first
    /// of `prefixes` that it has; empty where there is none. Values of 2^16 and more are left out.
    ///
    /// # Errors
    /// When the kernel's types cannot be read.
    pub fn names(&self, of: &str, prefixes: &[&str]) -> Result<Vec<String>, Error> {
        self.names_by(of, prefixes, |value| u16::try_from(value).ok())
    }

    /// The same by the lower half of the value, of values whose upper half says whose they are.
    ///
    /// # Errors
    /// When the kernel's types cannot be read.
    pub fn low_names(&self, of: &str, prefixes: &[&str]) -> Result<Vec<String>, Error> {
        self.names_by(of, prefixes, |value| (value >> 16 != 0).then_some(value as u16))
    }

    fn names_by(
        &self,
        of: &str,
        prefixes: &[&str],
        index: fn(i64) -> Option<u16>,
    ) -> Result<Vec<String>, Error> {
        self.types.with(|types| {
            let mut names = Vec::new();
            for (name, value) in types.btf.enumerators(of) {
                let Some(value) = index(value).map(usize::from) else { continue };
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
        self.types.release();
    }
}

/// The probe, if this kernel has the hooks of all its programs for these features.
fn whole(probe: Arc<Probe>, features: &[&str]) -> Result<Arc<Probe>, Error> {
    match probe.missing(features) {
        Some(program) => Err(Error::NoHook { hook: program.attach }),
        None => Ok(probe),
    }
}
