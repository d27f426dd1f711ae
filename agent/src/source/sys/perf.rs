//! Counters of perf_event_open(2).
#![expect(unsafe_code, reason = "calls the kernel")]

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

/// What perf_event_open(2) takes, in its first form.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    others: [u64; 2],
}

/// What is counted: a source of events, and which of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `PERF_TYPE_…`
    pub kind: u32,
    pub config: u64,
}

/// An event that counts the nanoseconds of a CPU's own clock, the one that run queues are kept by, and costs nothing
/// until it is read.
///
/// # Errors
/// Of perf_event_open(2).
pub fn cpu_clock(cpu: u32) -> io::Result<OwnedFd> {
    const PERF_TYPE_SOFTWARE: u32 = 1;
    const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
    let event = Event { kind: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CPU_CLOCK };
    open(event, Attributes::default(), cpu, None)
}

/// Counts an event on a CPU, whoever runs there, once [`start`] says so. Those of a group are on the CPU's counters
/// together, and the first of them is read for all: how many they are, the nanoseconds since the start, those of them in
/// which they were counted, and a count each.
///
/// # Errors
/// Of perf_event_open(2).
pub fn counter(event: Event, cpu: u32, first_of_group: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    const PERF_FORMAT_TOTAL_TIMES: u64 = 1 | 2;
    const PERF_FORMAT_GROUP: u64 = 8;
    /// `disabled` and `exclude_hv`: a field of bits, which begins with the lowest where bytes do.
    const DISABLED: u64 = 1;
    const NOT_OF_THE_HYPERVISOR: u64 = 1 << 6;
    // Who joins a group that counts already is not counted before the CPU's events change.
    let disabled = if first_of_group.is_none() { DISABLED } else { 0 };
    let flags = disabled | NOT_OF_THE_HYPERVISOR;
    let attributes = Attributes {
        read_format: PERF_FORMAT_TOTAL_TIMES | PERF_FORMAT_GROUP,
        flags: if cfg!(target_endian = "little") { flags } else { flags.reverse_bits() },
        ..Attributes::default()
    };
    open(event, attributes, cpu, first_of_group)
}

/// Starts a group.
///
/// # Errors
/// Of ioctl(2).
pub fn start(first_of_group: BorrowedFd<'_>) -> io::Result<()> {
    const PERF_EVENT_IOC_ENABLE: u64 = 0x2400;
    const PERF_IOC_FLAG_GROUP: libc::c_ulong = 1;
    // SAFETY: the command takes a number and touches no memory.
    let done =
        unsafe { libc::ioctl(first_of_group.as_raw_fd(), PERF_EVENT_IOC_ENABLE as _, PERF_IOC_FLAG_GROUP) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open(
    event: Event,
    attributes: Attributes,
    cpu: u32,
    first_of_group: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
    let attributes = Attributes {
        kind: event.kind,
        size: size_of::<Attributes>() as u32,
        config: event.config,
        ..attributes
    };
    let group = first_of_group.map_or(-1, |it| it.as_raw_fd());
    let everybody: libc::pid_t = -1;
    // SAFETY: the kernel reads as many bytes as `size` says, which are those of `attributes`.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            everybody,
            cpu,
            group,
            PERF_FLAG_FD_CLOEXEC,
        )
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
