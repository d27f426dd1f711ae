//! All probes: one file each, one object each. For BPF it is the one that is built.

#[cfg(any(not(target_arch = "bpf"), probe = "block_bio"))]
pub mod block_bio;
#[cfg(any(not(target_arch = "bpf"), probe = "block_io"))]
pub mod block_io;
#[cfg(any(not(target_arch = "bpf"), probe = "calibration"))]
pub mod calibration;
#[cfg(any(not(target_arch = "bpf"), probe = "first_process"))]
pub mod first_process;
#[cfg(any(not(target_arch = "bpf"), probe = "fixture"))]
pub mod fixture;
#[cfg(any(not(target_arch = "bpf"), probe = "judge"))]
pub mod judge;
#[cfg(any(not(target_arch = "bpf"), probe = "packet_drops"))]
pub mod packet_drops;
#[cfg(any(not(target_arch = "bpf"), probe = "runqueue"))]
pub mod runqueue;

/// Every probe's declaration.
#[cfg(not(target_arch = "bpf"))]
pub static ALL: &[&crate::spec::Spec] = &[
    &block_bio::SPEC,
    &block_io::SPEC,
    &calibration::SPEC,
    &first_process::SPEC,
    &fixture::SPEC,
    &judge::SPEC,
    &packet_drops::SPEC,
    &runqueue::SPEC,
];
