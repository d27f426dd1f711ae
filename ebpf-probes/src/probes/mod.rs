//! All probes: one file each, one object each. For BPF it is the one that is built.

#[cfg(any(not(target_arch = "bpf"), probe = "block_io"))]
pub mod block_io;
#[cfg(any(not(target_arch = "bpf"), probe = "calibration"))]
pub mod calibration;
#[cfg(any(not(target_arch = "bpf"), probe = "dns"))]
pub mod dns;
#[cfg(any(not(target_arch = "bpf"), probe = "first_process"))]
pub mod first_process;
#[cfg(any(not(target_arch = "bpf"), probe = "fixture"))]
pub mod fixture;
#[cfg(any(not(target_arch = "bpf"), probe = "fs_sync"))]
pub mod fs_sync;
#[cfg(any(not(target_arch = "bpf"), probe = "irq_time"))]
pub mod irq_time;
#[cfg(any(not(target_arch = "bpf"), probe = "judge"))]
pub mod judge;
#[cfg(any(not(target_arch = "bpf"), probe = "lock_contention"))]
pub mod lock_contention;
#[cfg(any(not(target_arch = "bpf"), probe = "memory_stalls"))]
pub mod memory_stalls;
#[cfg(any(not(target_arch = "bpf"), probe = "napi"))]
pub mod napi;
#[cfg(any(not(target_arch = "bpf"), probe = "oom_kills"))]
pub mod oom_kills;
#[cfg(any(not(target_arch = "bpf"), probe = "packet_drops"))]
pub mod packet_drops;
#[cfg(any(not(target_arch = "bpf"), probe = "page_cache"))]
pub mod page_cache;
#[cfg(any(not(target_arch = "bpf"), probe = "page_faults"))]
pub mod page_faults;
#[cfg(any(not(target_arch = "bpf"), probe = "process_events"))]
pub mod process_events;
#[cfg(any(not(target_arch = "bpf"), probe = "process_top"))]
pub mod process_top;
#[cfg(any(not(target_arch = "bpf"), probe = "runqueue"))]
pub mod runqueue;
#[cfg(any(not(target_arch = "bpf"), probe = "signals"))]
pub mod signals;
#[cfg(any(not(target_arch = "bpf"), probe = "socket_drops"))]
pub mod socket_drops;
#[cfg(any(not(target_arch = "bpf"), probe = "softirq_time"))]
pub mod softirq_time;
#[cfg(any(not(target_arch = "bpf"), probe = "syscalls"))]
pub mod syscalls;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_connections"))]
pub mod tcp_connections;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_events"))]
pub mod tcp_events;
#[cfg(any(not(target_arch = "bpf"), probe = "tcp_rtt"))]
pub mod tcp_rtt;
#[cfg(any(not(target_arch = "bpf"), probe = "timer_handlers"))]
pub mod timer_handlers;
#[cfg(any(not(target_arch = "bpf"), probe = "tlb_flushes"))]
pub mod tlb_flushes;
#[cfg(any(not(target_arch = "bpf"), probe = "workqueues"))]
pub mod workqueues;
#[cfg(any(not(target_arch = "bpf"), probe = "writeback_throttle"))]
pub mod writeback_throttle;

/// Every probe's declaration.
#[cfg(not(target_arch = "bpf"))]
pub static ALL: &[&crate::spec::Spec] = &[
    &block_io::SPEC,
    &calibration::SPEC,
    &dns::SPEC,
    &first_process::SPEC,
    &fixture::SPEC,
    &fs_sync::SPEC,
    &irq_time::SPEC,
    &judge::SPEC,
    &lock_contention::SPEC,
    &memory_stalls::SPEC,
    &oom_kills::SPEC,
    &napi::SPEC,
    &packet_drops::SPEC,
    &page_cache::SPEC,
    &page_faults::SPEC,
    &process_events::SPEC,
    &process_top::SPEC,
    &runqueue::SPEC,
    &socket_drops::SPEC,
    &syscalls::SPEC,
    &tcp_connections::SPEC,
    &tcp_events::SPEC,
    &tcp_rtt::SPEC,
    &signals::SPEC,
    &softirq_time::SPEC,
    &timer_handlers::SPEC,
    &tlb_flushes::SPEC,
    &workqueues::SPEC,
    &writeback_throttle::SPEC,
];
