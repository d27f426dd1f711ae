//! Reads of kernel files, for tests: made to fail as a sensor without a value does, and noted.

use rustix::{fd::AsFd, io::Errno};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

thread_local! {
    static FAULT: RefCell<Option<(PathBuf, Errno)>> = const { RefCell::new(None) };
    static SEEN: RefCell<Option<BTreeSet<PathBuf>>> = const { RefCell::new(None) };
}

/// Calls `then`, and returns the files that this thread read meanwhile.
pub(crate) fn files_read(then: impl FnOnce()) -> BTreeSet<PathBuf> {
    SEEN.set(Some(BTreeSet::new()));
    then();
    SEEN.take().unwrap_or_default()
}

/// Calls `then`; meanwhile this thread gets `errno` whenever it reads the file at `path`.
pub(crate) fn with_fault(path: &Path, errno: Errno, then: impl FnOnce()) {
    FAULT.set(Some((path.to_owned(), errno)));
    then();
    FAULT.set(None);
}

/// Notes a read of `fd`, and gives the error that it is to have.
pub(super) fn check(fd: impl AsFd) -> Result<(), Errno> {
    let path = || fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()));
    SEEN.with_borrow_mut(|seen| seen.as_mut().map(|seen| seen.extend(path())));
    FAULT.with_borrow(|fault| match fault {
        Some((faulty, errno)) if path().is_ok_and(|it| it == *faulty) => Err(*errno),
        _ => Ok(()),
    })
}
