//! Numbers from probes in the kernel.
//!
//! A probe is an object of `ebpf-probes`, built beforehand and part of this binary. It is declared by a [`Spec`]:
//! its hooks, and the kernel's fields it reads. [`Probe::load`] looks the fields up in the running kernel's BTF, hands
//! their offsets to the probe and attaches it. From then on the kernel counts and the agent reads shared memory: a
//! scrape makes no system call here, and needs no privilege.
//!
//! The modules: [`kernel`] what is known of the running kernel, [`btf`] the reader of its types, [`spec`] what a probe
//! declares, [`probe`] how it is loaded, [`loaded`] what of it is in the kernel, [`map`] tables in shared memory,
//! [`list`] lists of the kernel, [`probes`] all that are loaded, [`budget`] what they may cost, [`others`]
//! what the programs of others cost, and one module for each probe.

pub mod block_io;
pub mod btf;
mod budget;
mod error;
pub mod kernel;
pub mod list;
pub mod loaded;
pub mod map;
pub mod memory;
mod others;
pub mod probe;
mod probes;
pub mod runqueue;
pub mod spec;

pub use self::{
    block_io::BlockIo,
    error::Error,
    kernel::Kernel,
    list::List,
    loaded::{Cost, Excess, Loaded, Standing},
    map::Table,
    memory::{MANY_CPUS, MapMemory, Memory},
    others::{Kind, OtherPrograms, Sampling},
    probe::{Probe, Sizing},
    probes::Probes,
    runqueue::RunQueue,
    spec::{Attach, Constant, Need, Origin, Program, Spec},
};

pub use probe_abi::{
    block::Operation,
    histogram::{self, Histogram},
};

#[cfg(test)]
mod tests;
