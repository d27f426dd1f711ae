//! Numbers from probes in the kernel.
//!
//! A probe is an object of `ebpf-probes`, built beforehand and part of this binary, with its declaration
//! ([`ebpf_probes::spec::Spec`]): its hooks, and the kernel's fields it reads. [`Kernel::probe`] looks the fields up in
//! the running kernel's BTF, hands their offsets to the probe and attaches it. From then on the kernel counts and the
//! agent reads shared memory: a scrape makes no system call here, and needs no privilege.
//!
//! The modules: [`kernel`] the running kernel and its probes, [`types`] its types, [`btf`] their reader, [`outline`] what the loader
//! needs of them, [`resolve`] what
//! a probe declares found there, [`probe`] how it is loaded, [`loaded`] what of it is in the kernel, [`map`] tables in
//! shared memory, [`by_id`] those whose rows owners come to have and lose, [`disks`] such tables of disks, [`list`]
//! lists of the kernel, [`probes`] all that are loaded, [`budget`] what they may cost, [`calibration`] what a run takes
//! beside its program, [`others`] what the programs of others cost, [`first_process`] whether programs are run for
//! process 1.

pub mod btf;
mod budget;
pub mod by_id;
mod calibration;
mod clocks;
pub mod disks;
mod error;
mod first_process;
mod interfaces;
pub mod iterator;
pub mod kernel;
pub mod loaded;
pub mod map;
pub mod memory;
mod others;
mod outline;
pub mod probe;
mod probes;
mod resolve;
mod types;

pub use self::{
    by_id::ById,
    disks::{DiskCounts, Disks, Size},
    error::Error,
    first_process::{FirstProcess, Sight, Switches},
    interfaces::Interfaces,
    iterator::BpfIterator,
    kernel::Kernel,
    loaded::{Cost, Excess, Loaded, Standing},
    map::{Counters, Histograms, Row, Table},
    memory::{MANY_CPUS, MapMemory, Memory, Sizes, possible_cpus},
    others::{Kind, OtherPrograms, Sampling},
    probe::{Probe, Settings},
    probes::Probes,
};

pub use super::sys::memory::SharedWords as Words;
pub use ebpf_probes::{
    disk::Part,
    maps::ById as MapsById,
    probes as declared,
    spec::{Attach, Need, Origin, Program, Spec},
};
pub use probe_abi::{
    QueueClock, blame,
    block::{Failure, Operation, Requests, Stages, Syncs},
    device, dns,
    histogram::{self, Histogram},
    lock,
    process::USED,
    socket, tcp,
};

/// A probe that a collector reads, and which of its features.
#[derive(Debug)]
pub struct Use {
    pub probe: &'static Spec,
    /// Constants that are declared as `feature()`.
    pub features: &'static [&'static str],
}

impl Use {
    /// A probe that has no features, or none that are wanted.
    pub const fn of(probe: &'static Spec) -> Self {
        Self { probe, features: &[] }
    }

    /// The programs that these features need.
    pub fn programs(&self) -> impl Iterator<Item = &'static Program> + use<> {
        let Self { probe, features } = *self;
        let is_off = |name: &str| {
            let constant = probe.constants.iter().find(|it| it.name == name);
            constant.is_some_and(|it| matches!(it.origin, Origin::Feature) && !features.contains(&name))
        };
        probe.programs.iter().filter(move |it| !matches!(it.need, Need::With(name) if is_off(name)))
    }
}

#[cfg(test)]
mod tests;
