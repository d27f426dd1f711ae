//! The descriptors that a thread holds.
#![expect(unsafe_code, reason = "calls close_range, which no crate wraps")]

use std::{io, os::fd::RawFd};

/// The first descriptor after those of standard input, output and error.
const FIRST: RawFd = 3;

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
