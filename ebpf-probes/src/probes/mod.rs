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
#[cfg(any(not(target_arch = "bpf"), probe = "socket_drops"))]
pub mod socket_drops;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_connections"))]
pub mod tcp_connections;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_events"))]
pub mod tcp_events;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_rtt"))]
pub mod tcp_rtt;

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
    &socket_drops::SPEC,
    &tcp_connections::SPEC,
    &tcp_events::SPEC,
    &tcp_rtt::SPEC,
];
