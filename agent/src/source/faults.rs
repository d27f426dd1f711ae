//! Errors of a read, for tests: a file that can be opened and then answers as a sensor without a value does.

use rustix::{fd::AsFd, io::Errno};
use std::{
    cell::RefCell,
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

thread_local! {
    static FAULT: RefCell<Option<(PathBuf, Errno)>> = const { RefCell::new(None) };
}

/// Calls `then`; meanwhile this thread gets `errno` whenever it reads the file at `path`.
pub(crate) fn with_fault(path: &Path, errno: Errno, then: impl FnOnce()) {
    FAULT.set(Some((path.to_owned(), errno)));
    then();
    FAULT.set(None);
}

/// The error to give for a read of `fd`.
pub(super) fn check(fd: impl AsFd) -> Result<(), Errno> {
    FAULT.with_borrow(|fault| match fault {
        Some((path, errno)) => {
            let name = fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()));
            if name.is_ok_and(|it| it == *path) { Err(*errno) } else { Ok(()) }
        }
        None => Ok(()),
    })
}
