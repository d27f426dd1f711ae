//! The object of one probe: of that which `cargo xtask ebpf` names by `--cfg probe="…"`.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
pub mod probes;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
