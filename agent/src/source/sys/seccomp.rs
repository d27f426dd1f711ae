//! Filters of system calls: see seccomp(2).
#![expect(unsafe_code, reason = "calls seccomp(2), which no crate in use wraps")]

use std::{
    io, ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// An instruction of classic BPF.
pub type Instruction = libc::sock_filter;

static IS_APPLIED: AtomicBool = AtomicBool::new(false);

/// Whether [`apply`] did: one of the process' filters is our own.
#[must_use]
pub fn is_applied() -> bool {
    IS_APPLIED.load(Ordering::Relaxed)
}

/// Holds all threads of the process to `program` for good. The calling one must not be able to gain privileges
/// (`no_new_privs`), or have CAP_SYS_ADMIN.
///
/// # Errors
/// When the kernel has no filters, or will not take this one; and when a thread has another that the calling one has
/// not.
pub fn apply(program: &[Instruction]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies it and writes nothing: the pointer is mutable in its declaration alone.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // Before Linux 5.16 a filter would also take speculation from the threads (`spec_store_bypass_disable=seccomp`).
    // That guards the secrets of a process against foreign code inside of it, such as JavaScript, and slows down all.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | libc::SECCOMP_FILTER_FLAG_TSYNC;
    // SAFETY: the pointers are to one `sock_fprog` and to the `len` instructions that it names; both live until the call
    // returns, and the kernel only reads them. Whatever the program refuses later returns an error to its caller, as
    // any system call may.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program))
    };
    match result {
        0 => {
            IS_APPLIED.store(true, Ordering::Relaxed);
            Ok(())
        }
        ..0 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} has a filter of its own"))),
    }
}
