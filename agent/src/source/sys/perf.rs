//! Counters of perf_event_open(2) that programs of eBPF read.
#![expect(unsafe_code, reason = "calls the kernel")]

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

/// What perf_event_open(2) takes; of the bits and words behind `config`, none is set.
#[repr(C)]
struct Event {
    kind: u32,
    size: u32,
    config: u64,
    others: [u64; 6],
}

/// What bpf(2) takes to set an entry of a map.
#[repr(C)]
struct Update {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// An event that counts the nanoseconds of a CPU's own clock, the one that run queues are kept by, and costs nothing
/// until it is read.
///
/// # Errors
/// Of perf_event_open(2).
pub fn cpu_clock(cpu: u32) -> io::Result<OwnedFd> {
    const PERF_TYPE_SOFTWARE: u32 = 1;
    const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
    let event = Event {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<Event>() as u32,
        config: PERF_COUNT_SW_CPU_CLOCK,
        others: [0; 6],
    };
    let (pid, group) = (-1 as libc::pid_t, -1 as libc::c_int);
    // SAFETY: the kernel reads as many bytes as `size` says, which are those of `event`.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const event, pid, cpu, group, PERF_FLAG_FD_CLOEXEC)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether an event could not be had because its CPU is not online.
pub fn is_offline(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENODEV)
}

/// Puts an event into a map of such. The map keeps it: the descriptor need not stay open.
///
/// # Errors
/// Of bpf(2).
pub fn put(map: BorrowedFd<'_>, cpu: u32, event: &OwnedFd) -> io::Result<()> {
    const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
    let value = event.as_raw_fd();
    let update = Update {
        map: map.as_raw_fd() as u64,
        key: &raw const cpu as u64,
        value: &raw const value as u64,
        flags: 0,
    };
    // SAFETY: key and value are words of four bytes, as in any map of events, and outlive the call, which reads them.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_UPDATE_ELEM, &raw const update, size_of::<Update>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
