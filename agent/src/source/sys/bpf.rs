//! Calls of bpf(2) that no crate hands out.
#![expect(unsafe_code, reason = "calls bpf(2)")]

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

/// What bpf(2) takes to attach a program to a tracepoint.
#[repr(C)]
struct Tracepoint {
    /// A pointer; none for a program that knows its hook.
    name: u64,
    program: i32,
    unused: u32,
}

/// What bpf(2) takes to set an entry of a map.
#[repr(C)]
struct Update {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// Attaches a program that was loaded for its hook: `tp_btf`, `fentry`, `fexit`. It stays attached as long as the
/// descriptor is open.
///
/// # Errors
/// Of bpf(2).
pub fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
    let tracepoint = Tracepoint { name: 0, program: program.as_raw_fd(), unused: 0 };
    // SAFETY: the pointer is to attributes of the length that is given, which the kernel only reads.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &raw const tracepoint, size_of::<Tracepoint>())
    };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call has opened it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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
