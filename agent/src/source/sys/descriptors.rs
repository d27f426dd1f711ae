//! The descriptors that a thread holds.
#![expect(unsafe_code, reason = "calls close_range, which no crate wraps")]

use rustix::{
    fs::{Mode, OFlags},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

/// The first descriptor after those of standard input, output and error.
const FIRST: RawFd = 3;

/// Lets the process open as many descriptors as it may ever have; returns how many those are.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(limit())
}

/// How many descriptors may be open.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many more may be opened.
#[must_use]
pub fn n_free() -> u64 {
    // The kernel gives the lowest number that is free, and few below it are: that is exact enough.
    let lowest = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let n_used = lowest.map_or(u64::MAX, |it| u64::try_from(it.as_raw_fd()).unwrap_or(0));
    limit().saturating_sub(n_used)
}

/// Whether one may stay open between scrapes: the upper half of the numbers is for what comes and goes. The kernel
/// gives the lowest number that is free, so this is about how many there are.
#[must_use]
pub fn may_be_kept(fd: &impl AsRawFd) -> bool {
    u64::try_from(fd.as_raw_fd()).is_ok_and(|number| number < limit() / 2)
}

/// Lets the calling thread hold no descriptors of the process but the standard ones (Linux 5.9). A thread that hangs
/// in the kernel outlives the process, and would keep its sockets open: nobody could listen on their ports.
///
/// Only for a thread that never uses a descriptor that it did not open itself.
///
/// # Errors
/// When the kernel cannot.
pub fn let_go() -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_UNSHARE the thread gets a table of its own before anything is closed, so no
    // descriptor of other threads changes. That the thread uses none of them is the caller's part; were it to, it
    // would get EBADF, or a file that it opened itself.
    let result = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, libc::CLOSE_RANGE_UNSHARE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, thread};

    #[test]
    fn a_thread_that_let_go_leaves_the_descriptors_of_the_others_open() {
        let file = File::open("/dev/null").unwrap();
        thread::scope(|scope| {
            let of_thread = scope.spawn(|| {
                let_go().unwrap();
                file.metadata().map(drop).unwrap_err().raw_os_error()
            });
            assert_eq!(of_thread.join().unwrap(), Some(libc::EBADF));
        });
        file.metadata().unwrap();
    }
}
