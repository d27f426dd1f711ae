//! The probes: eBPF programs, each with its declaration, which two compilers read.
//!
//! For BPF a probe's file is its programs, constants and maps; for any other target it is what the agent must know to
//! load them: a [`Spec`](spec::Spec) beside the compiled object. The macro [`probe!`] makes the one or the other, so
//! that nothing is written twice.
//!
//! A probe reads kernel structs by plain loads through pointers that the verifier knows the type of, at offsets that
//! the agent takes from the running kernel's BTF and sets as constants before it loads the probe. The constants are
//! frozen by then: the verifier checks offset and width of each load against the struct, and leaves out branches that
//! they rule out. So one object serves all kernels, and needs no `bpf_probe_read_kernel`, which lockdown forbids.
#![cfg_attr(target_arch = "bpf", no_std, feature(asm_experimental_arch))]
#![cfg_attr(target_arch = "bpf", expect(unsafe_code, reason = "probes read kernel memory"))]

// The probes call this crate by its name: for BPF they are of another one.
extern crate self as ebpf_probes;

#[cfg(target_arch = "bpf")]
mod kernel;
#[cfg(target_arch = "bpf")]
pub use kernel::*;

#[cfg(not(target_arch = "bpf"))]
mod host;
#[cfg(not(target_arch = "bpf"))]
pub use host::*;
