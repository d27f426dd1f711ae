//! The descriptors that a thread holds.
#![expect(unsafe_code, reason = "calls close_range, which no crate wraps")]

use rustix::{
    fs::{Mode, OFlags},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::mpsc::{Sender, channel},
    thread,
};

/// The first descriptor after those of standard input, output and error.
const FIRST: u32 = 3;

/// With fewer, some of what is done to save time is not.
pub const MANY: u64 = 256;

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
    limit().saturating_sub(n_used())
}

/// Whether so many more may stay open between scrapes: there are [`MANY`], and the upper half is for what comes and goes.
#[must_use]
pub fn may_keep(n_more: usize) -> bool {
    limit() >= MANY && n_used() + n_more as u64 <= limit() / 2
}

fn n_used() -> u64 {
    // The kernel gives the lowest number that is free, and few below it are: that is exact enough.
    let lowest = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    lowest.map_or(u64::MAX, |it| u64::try_from(it.as_raw_fd()).unwrap_or(0))
}

/// Whether one may stay open between scrapes: its number is in the lower half. The kernel gives the lowest number that
/// is free, so this is about how many there are.
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
    let_go_but(&[])
}

/// Keeps descriptors open until it is dropped, on a thread with a table of its own: no limit of the others counts them.
#[derive(Debug)]
pub struct Keeper {
    /// Closed, the thread ends.
    _end: Sender<()>,
}

impl Keeper {
    /// # Errors
    /// When no thread is to be had, or before Linux 5.9. The descriptors are closed then.
    pub fn keep(fds: Vec<OwnedFd>) -> io::Result<Self> {
        let mut numbers: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        numbers.sort_unstable();
        let (_end, ended) = channel();
        let (tell, told) = channel();
        let keep = move || {
            // Who waits for it does so until it is told.
            tell.send(let_go_but(&numbers)).ok();
            // Nothing is sent: it returns when the other end is gone.
            ended.recv().ok();
        };
        thread::Builder::new().name("keeper".to_owned()).stack_size(64 * 1024).spawn(keep)?;
        told.recv().map_err(io::Error::other)??;
        Ok(Self { _end })
    }
}

/// [`let_go`] of all but `kept`, which are sorted.
fn let_go_but(kept: &[RawFd]) -> io::Result<()> {
    // Nothing has this number: the thread gets a table of its own, and no more.
    close_range(u32::MAX, u32::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    let mut first = FIRST;
    for kept in kept.iter().map(|fd| fd.cast_unsigned()) {
        if first < kept {
            close_range(first, kept - 1, 0)?;
        }
        first = kept + 1;
    }
    close_range(first, u32::MAX, 0)
}

fn close_range(first: u32, last: u32, flags: u32) -> io::Result<()> {
    // SAFETY: see `let_go_but`: the thread has a table of its own before anything is closed, so no descriptor of other
    // threads changes. That the thread uses none of those that are closed is the caller's part; were it to, it would
    // get EBADF, or a file that it opened itself.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::{self, File},
        io::{PipeReader, Read as _, pipe},
    };

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

    /// Whether the other end is open: waits a second for that it is not.
    fn is_open(reader: &mut PipeReader) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(reader, PollFlags::IN)], Some(&second)).unwrap() == 0
    }

    #[test]
    fn a_keeper_keeps_what_it_is_given_and_nothing_else() {
        let (mut of_kept, kept) = pipe().unwrap();
        let (mut of_other, other) = pipe().unwrap();
        let (mut of_last, last) = pipe().unwrap();
        let number = kept.as_raw_fd();
        // In any order.
        let keeper = Keeper::keep(vec![last.into(), kept.into()]).unwrap();
        drop(other);
        assert!(!is_open(&mut of_other), "another one is kept");
        assert!(is_open(&mut of_kept) && is_open(&mut of_last), "it is not kept");
        let name = fs::read_link(format!("/proc/self/fd/{number}"));
        assert_ne!(name.ok(), fs::read_link(format!("/proc/self/fd/{}", of_kept.as_raw_fd())).ok());
        drop(keeper);
        assert!(!is_open(&mut of_kept) && !is_open(&mut of_last), "it is kept longer");
        assert_eq!(of_kept.read(&mut [0]).unwrap(), 0);
    }
}
