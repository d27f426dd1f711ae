//! Numbers from probes in the kernel.
//!
//! A probe is an object of `ebpf-probes`, built beforehand and part of this binary. It is declared by a [`Spec`]:
//! its hooks, and the kernel's fields it reads. [`Probe::load`] looks the fields up in the running kernel's BTF, hands
//! their offsets to the probe and attaches it. From then on the kernel counts and the agent reads shared memory: a
//! scrape makes no system call here, and needs no privilege.
//!
//! The modules: [`kernel`] what is known of the running kernel, [`btf`] the reader of its types, [`probe`] load and
//! attach, [`map`] tables in shared memory, and one module for each probe.

pub mod block_io;
pub mod btf;
mod error;
pub mod kernel;
pub mod map;
pub mod probe;
pub mod runqueue;

pub use self::{
    block_io::BlockIo,
    error::Error,
    kernel::Kernel,
    map::Table,
    probe::{Attach, Constant, Probe, Program, Sizing, Spec},
    runqueue::RunQueue,
};

pub use probe_abi::{
    block::Operation,
    histogram::{self, Histogram},
};

#[cfg(test)]
mod tests;
