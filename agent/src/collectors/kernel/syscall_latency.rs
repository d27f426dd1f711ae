//! How long system calls take, by class, counted by the probe `ebpf-probes/src/probes/syscalls.rs` at both ends of each.

use crate::{
    collectors::{prelude::*, probe},
    metric::Slots,
    source::ebpf::{
        Histograms, Probe, Settings, Table, Use,
        declared::syscalls::{self, CLASSES, NUMBERS},
    },
};
use ::syscalls::Sysno;
use std::sync::Arc;

metrics! {
    TIMES: Histogram "node_syscall_latency_seconds" ["class"], "Time from the beginning of a system call to its end, by what it does: read, write and sync move data of files and sockets, file opens, names and describes them, socket is all else of sockets, memory and process make and change them; poll, futex and sleep are waits that programs ask for. other is all else, and calls of 32-bit programs.";
    UNTIMED: Counter "node_syscall_untimed_total" [], "System calls that are in no latency: they began before the probe did, or were the first return of a new thread, or two threads in a call have numbers that are a multiple of 32768 apart.";
}

const FEATURES: &[&str] = &["LATENCY"];

pub(super) struct SyscallLatency {
    probe: Arc<Probe>,
    times: Histograms,
    untimed: Table<u64>,
    slots: Slots,
}

impl Spec for SyscallLatency {
    const SUMMARY: &'static str = "How long system calls take, by class, by eBPF at both ends of each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &syscalls::SPEC, features: FEATURES }];
    const COST: &'static str = "some 160 ns at each system call, and 140 ns more because the kernel uses its slow entry path while any program is attached";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&syscalls::SPEC, FEATURES, &Settings::default())?;
        let (classes, _) = probe.writable(syscalls::CLASS)?;
        for number in 0..=NUMBERS {
            let class = Sysno::new(number).map_or(OTHER, |it| class(it.name()));
            classes.store(number, class as u64);
        }
        Ok(Self {
            times: probe.histograms(syscalls::TIMES)?,
            untimed: probe.table(syscalls::UNTIMED)?,
            slots: probe::latency_slots(host, 1e-6..=8.0),
            probe,
        })
    }
}

impl Collector for SyscallLatency {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (class, times) in self.times.rows().enumerate() {
            let name = match class {
                OTHER => "other",
                class if class < NAMES.len() => NAMES[class].0,
                _ => continue,
            };
            probe::fill(out.push_histogram(TIMES, [name]), &self.slots, &times);
        }
        out.push(UNTIMED, (), self.untimed.sum(0..1));
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

/// The row of those without a class.
const OTHER: usize = CLASSES;

/// Classes, each at its row, and what is in them.
const NAMES: [(&str, &str); 10] = [
    ("read", "read readv pread64 preadv preadv2 sendfile splice copy_file_range readahead"),
    ("write", "write writev pwrite64 pwritev pwritev2"),
    ("sync", "fsync fdatasync sync syncfs sync_file_range msync"),
    (
        "file",
        "open openat openat2 creat close close_range stat fstat lstat newfstatat statx access faccessat faccessat2 readlink \
         readlinkat getdents getdents64 rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link linkat symlink \
         symlinkat truncate ftruncate fallocate chmod fchmod fchmodat chown fchown fchownat statfs fstatfs lseek",
    ),
    (
        "socket",
        "socket socketpair bind listen accept accept4 connect shutdown sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg \
         getsockname getpeername getsockopt setsockopt",
    ),
    ("memory", "brk mmap munmap mremap mprotect madvise mlock mlock2 munlock mlockall munlockall"),
    ("process", "clone clone3 fork vfork execve execveat"),
    (
        "poll",
        "poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2 io_getevents io_pgetevents io_uring_enter",
    ),
    ("futex", "futex futex_wait futex_wake futex_waitv futex_requeue"),
    ("sleep", "nanosleep clock_nanosleep pause rt_sigsuspend rt_sigtimedwait wait4 waitid"),
];

/// The row of a system call.
fn class(syscall: &str) -> usize {
    let is_in = |names: &str| names.split_ascii_whitespace().any(|it| it == syscall);
    NAMES.iter().position(|it| is_in(it.1)).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_system_call_has_one_class_and_each_class_some() {
        assert!(NAMES.len() <= CLASSES);
        let all: Vec<&str> = NAMES.iter().flat_map(|it| it.1.split_ascii_whitespace()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let known: BTreeSet<usize> =
            (0..=NUMBERS).filter_map(Sysno::new).map(|it| class(it.name())).collect();
        assert!((0..NAMES.len()).all(|it| known.contains(&it)));
        assert_eq!([class("fsync"), class("getpid")], [2, OTHER]);
    }
}
