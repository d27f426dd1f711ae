//! What the agent never asks of the kernel once it serves.
//!
//! A list of what is refused, not of what is allowed. Firecracker and Chromium list what is allowed: they ship their C
//! library or pin it. A list like that breaks with the C library: `clone3`, `rseq`, `statx`, `faccessat2` and
//! `clock_nanosleep_time64` each broke containers or sshd; and a collector that opens on another host takes other ways.
//! So the list follows systemd's sets (`@mount`, `@module`, `@privileged`, `@debug`, …), which units of agents leave
//! out, and adds arguments: what may be opened, mapped, created. Calls that are newer than the list are unknown, as they
//! are to an older kernel (`ENOSYS`), which every C library is ready for: the list need not grow to stay tight.

use super::{
    Limits,
    program::{Rule, Table, Test},
};
use libc::*;
use std::collections::BTreeMap;

const REFUSED: u16 = EPERM as u16;
const UNKNOWN: u16 = ENOSYS as u16;

/// `mseal`, of Linux 6.10. From 424 on a call has one number on all architectures.
const LAST: u32 = 462;
const SYS_FCHMODAT2: c_long = 452;

/// `AUDIT_ARCH_…` of `include/uapi/linux/audit.h`; `None` where nobody has looked at the numbers of calls.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else {
    None
};

/// Another program, or another process.
const PROGRAMS: &[c_long] = &[SYS_execve, SYS_execveat];

/// Other processes: their memory, descriptors and signals.
const PROCESSES: &[c_long] = &[
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
];

/// Mounts and namespaces.
const MOUNTS: &[c_long] = &[
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_unshare,
];

/// The kernel and the machine; and ways around a filter or into the kernel's less trodden parts.
const KERNEL: &[c_long] = &[
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
    SYS_vhangup,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_fanotify_init,
    SYS_open_by_handle_at,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
];

/// Memory that is written here and executed there, whatever mmap(2) refuses: shared memory, files without a name.
const MEMORY: &[c_long] = &[SYS_shmget, SYS_shmat, SYS_memfd_create, SYS_memfd_secret, SYS_remap_file_pages];

/// What types into a terminal (TIOCSTI and, on a console, TIOCLINUX), has signals sent to others (FIOSETOWN, SIOCSPGRP,
/// FIOASYNC, TIOCSPGRP), and changes attributes of files (FS_IOC_SETFLAGS with 32 and 64 bits, FS_IOC_SETVERSION,
/// FS_IOC_FSSETXATTR).
const IOCTLS: [u32; 10] =
    [0x5412, 0x541c, 0x8901, 0x8902, 0x5452, 0x5410, 0x4004_6602, 0x4008_6602, 0x4008_7602, 0x401c_5820];

/// F_SETOWN, F_SETSIG, F_SETOWN_EX, F_NOTIFY: each has the kernel send signals.
const OWNERS: [u32; 4] = [8, 10, 15, 1026];

/// Other users; capabilities are given up, and may be raised again with `privileges = "retain"`.
const USERS: &[c_long] = &[
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
];

/// Changes to files. What is written to is refused when it is opened.
const FILES: &[c_long] = &[
    SYS_mkdirat,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_renameat2,
    SYS_truncate,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_FCHMODAT2,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
];

/// Calls that newer architectures have one of instead.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    SYS_fork,
    SYS_vfork,
    SYS_kexec_file_load,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS__sysctl,
    SYS_creat,
    SYS_mkdir,
    SYS_rmdir,
    SYS_mknod,
    SYS_symlink,
    SYS_link,
    SYS_rename,
    SYS_renameat,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[38 /* renameat */, 294 /* kexec_file_load */];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLDER: &[c_long] = &[];

#[cfg(target_arch = "x86_64")]
const UNLINK: &[c_long] = &[SYS_unlinkat, SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const UNLINK: &[c_long] = &[SYS_unlinkat];

/// Flags that make an open file more than one to read from.
const TO_WRITE: c_int = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

/// Loading programs, making maps, and what keeps them alive without the agent: `enum bpf_cmd` of
/// `include/uapi/linux/bpf.h`. Attaching what is loaded, reading it and asking about it is not among them.
const LOADING: [u32; 6] = [
    0,  // BPF_MAP_CREATE
    5,  // BPF_PROG_LOAD
    6,  // BPF_OBJ_PIN
    10, // BPF_PROG_TEST_RUN
    18, // BPF_BTF_LOAD
    36, // BPF_TOKEN_CREATE
];

/// `None` on an architecture that is not known.
pub(super) fn table(limits: &Limits<'_>) -> Option<Table> {
    let architecture = ARCHITECTURE?;
    let mut rules = BTreeMap::new();
    let mut rule = |call: c_long, rule| {
        let call = u32::try_from(call).expect("numbers of calls are small");
        rules.insert(call, rule);
    };
    let lists = [PROGRAMS, PROCESSES, MOUNTS, KERNEL, MEMORY, USERS, FILES, OLDER];
    lists.into_iter().flatten().for_each(|call| rule(*call, Rule::Refuse(REFUSED)));
    if limits.sockets.is_empty() {
        UNLINK.iter().for_each(|call| rule(*call, Rule::Refuse(REFUSED)));
    }

    // Their arguments are in memory, which no filter can look into: the C library falls back to the calls below.
    rule(SYS_clone3, Rule::Refuse(UNKNOWN));
    rule(SYS_openat2, Rule::Refuse(UNKNOWN));

    let mut refuse_if = |call, argument, test, errno: c_int| {
        let errno = u16::try_from(errno).expect("error numbers are small");
        rule(call, Rule::RefuseIf { argument, test, errno });
    };
    let bits = |bits: c_int| bits.cast_unsigned();
    refuse_if(SYS_clone, 0, Test::NoBit(bits(CLONE_THREAD)), EPERM);
    refuse_if(SYS_tgkill, 0, Test::NoneOf(vec![std::process::id()]), EPERM);
    refuse_if(SYS_prlimit64, 0, Test::NoneOf(vec![0]), EPERM);

    refuse_if(SYS_openat, 2, Test::AnyBit(bits(TO_WRITE)), EPERM);
    #[cfg(target_arch = "x86_64")]
    refuse_if(SYS_open, 1, Test::AnyBit(bits(TO_WRITE)), EPERM);
    refuse_if(SYS_ioctl, 1, Test::OneOf(IOCTLS.to_vec()), EPERM);
    refuse_if(SYS_fcntl, 1, Test::OneOf(OWNERS.to_vec()), EPERM);

    // No code but what is there. A name server is asked through libraries that are mapped when they are needed.
    let code = if limits.connects {
        Test::AllBits(bits(PROT_WRITE | PROT_EXEC))
    } else {
        Test::AnyBit(bits(PROT_EXEC))
    };
    refuse_if(SYS_mmap, 2, code, EPERM);
    refuse_if(SYS_mprotect, 2, Test::AnyBit(bits(PROT_EXEC)), EPERM);
    refuse_if(SYS_pkey_mprotect, 2, Test::AnyBit(bits(PROT_EXEC)), EPERM);

    let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_VSOCK].map(c_int::cast_unsigned);
    refuse_if(SYS_socket, 0, Test::NoneOf(families.to_vec()), EAFNOSUPPORT);
    if !limits.connects {
        // Which connects as it sends.
        let fast_open = || Test::AnyBit(bits(MSG_FASTOPEN));
        refuse_if(SYS_sendto, 3, fast_open(), EPERM);
        refuse_if(SYS_sendmsg, 2, fast_open(), EPERM);
        refuse_if(SYS_sendmmsg, 3, fast_open(), EPERM);
    }
    if !limits.loads_probes {
        refuse_if(SYS_bpf, 0, Test::OneOf(LOADING.to_vec()), EPERM);
    }

    // Listeners are open.
    rule(SYS_listen, Rule::Refuse(REFUSED));
    if !limits.connects {
        rule(SYS_connect, Rule::Refuse(REFUSED));
    }
    Some(Table { architecture, foreign: REFUSED, rules, last: LAST, unknown: UNKNOWN })
}

#[cfg(test)]
mod tests {
    use super::{super::program::run, *};
    use crate::config::{NetworkNamespace, Paths};
    use std::path::{Path, PathBuf};

    const LIMITS: Limits<'_> = Limits {
        paths: Paths {
            procfs: PathBuf::new(),
            sysfs: PathBuf::new(),
            rootfs: PathBuf::new(),
            udev_data: PathBuf::new(),
            network_namespace: NetworkNamespace::Own,
        },
        sockets: &[],
        traces: false,
        connects: false,
        loads_probes: false,
    };

    /// The error of a call, 0 if it is allowed.
    fn errno(limits: &Limits<'_>, call: c_long, argument: usize, value: c_int) -> c_int {
        let table = table(limits).expect("tests run where the numbers are known");
        let mut arguments = [0; 6];
        arguments[argument] = value.cast_unsigned().into();
        match run(&table.assemble(), table.architecture, call.try_into().unwrap(), arguments) {
            SECCOMP_RET_ALLOW => 0,
            returned => (returned & SECCOMP_RET_DATA).cast_signed(),
        }
    }

    #[test]
    fn what_threads_and_collectors_ask_for_is_allowed() {
        let asked_for = [
            (SYS_read, 0, 0),
            (SYS_openat, 2, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK | O_NOCTTY),
            // glibc 2.36 starts threads so, once there is no `clone3`.
            (SYS_clone, 0, 0x3d_0f00),
            (SYS_mmap, 2, PROT_READ | PROT_WRITE),
            (SYS_mprotect, 2, PROT_READ | PROT_WRITE),
            (SYS_fcntl, 1, F_SETFL),
            (SYS_fcntl, 1, F_DUPFD_CLOEXEC),
            (SYS_ioctl, 1, FIONBIO as c_int),
            (SYS_ioctl, 1, TCGETS as c_int),
            (SYS_wait4, 0, 0),
            (SYS_socket, 0, AF_NETLINK),
            (SYS_socket, 0, AF_UNIX),
            (SYS_sendto, 3, MSG_NOSIGNAL),
            (SYS_tgkill, 0, std::process::id().cast_signed()),
            (SYS_adjtimex, 0, 0),
            (SYS_clock_adjtime, 0, 0),
            (SYS_perf_event_open, 0, 0),
            (SYS_capset, 0, 0),
            (SYS_prlimit64, 0, 0),
            (SYS_close_range, 0, 3),
            (SYS_statfs, 0, 0),
            (SYS_statx, 0, 0),
            (SYS_rseq, 0, 0),
            (SYS_getrandom, 0, 0),
            (SYS_futex_waitv, 0, 0),
        ];
        for (call, argument, value) in asked_for {
            assert_eq!(errno(&LIMITS, call, argument, value), 0, "call {call}, {value:#x}");
        }
    }

    #[test]
    fn arguments_make_the_difference() {
        let refused = [
            (SYS_openat, 2, O_WRONLY),
            (SYS_openat, 2, O_RDWR | O_CLOEXEC),
            (SYS_openat, 2, O_TRUNC),
            (SYS_clone, 0, SIGCHLD),
            (SYS_clone, 0, CLONE_VM | CLONE_VFORK | SIGCHLD),
            (SYS_clone, 0, CLONE_NEWUSER),
            (SYS_mmap, 2, PROT_READ | PROT_WRITE | PROT_EXEC),
            (SYS_mmap, 2, PROT_READ | PROT_EXEC),
            (SYS_shmat, 2, SHM_EXEC),
            (SYS_memfd_create, 0, 0),
            (SYS_fcntl, 1, F_SETOWN),
            (SYS_ioctl, 1, 0x4008_6602),
            (SYS_mprotect, 2, PROT_READ | PROT_EXEC),
            (SYS_tgkill, 0, 1),
            (SYS_prlimit64, 0, 1),
            (SYS_ioctl, 1, 0x5412),
            (SYS_sendto, 3, MSG_FASTOPEN),
        ];
        for (call, argument, value) in refused {
            assert_eq!(errno(&LIMITS, call, argument, value), EPERM, "call {call}, {value:#x}");
        }
        for family in [AF_PACKET, AF_ALG, AF_BLUETOOTH, AF_CAN] {
            assert_eq!(errno(&LIMITS, SYS_socket, 0, family), EAFNOSUPPORT);
        }
    }

    #[test]
    fn what_the_c_library_has_another_way_for_does_not_exist() {
        for call in [SYS_clone3, SYS_openat2, 463, 600, 0x4000_0001] {
            assert_eq!(errno(&LIMITS, call, 0, 0), ENOSYS);
        }
    }

    #[test]
    fn needs_open_what_they_need_and_no_more() {
        let connects = Limits { connects: true, ..LIMITS };
        assert_eq!((errno(&LIMITS, SYS_connect, 0, 0), errno(&connects, SYS_connect, 0, 0)), (EPERM, 0));
        assert_eq!(errno(&connects, SYS_sendto, 3, MSG_FASTOPEN), 0);
        assert_eq!(errno(&connects, SYS_listen, 0, 0), EPERM);
        assert_eq!(errno(&connects, SYS_mmap, 2, PROT_READ | PROT_EXEC), 0, "it asks a name server");
        assert_eq!(errno(&connects, SYS_memfd_create, 0, 0), EPERM);

        let socket: &[&Path] = &[Path::new("a")];
        let removes = Limits { sockets: socket, ..LIMITS };
        assert_eq!((errno(&LIMITS, SYS_unlinkat, 0, 0), errno(&removes, SYS_unlinkat, 0, 0)), (EPERM, 0));
        assert_eq!(errno(&removes, SYS_renameat2, 0, 0), EPERM);

        let loads = Limits { loads_probes: true, ..LIMITS };
        for command in LOADING.map(u32::cast_signed) {
            assert_eq!((errno(&LIMITS, SYS_bpf, 0, command), errno(&loads, SYS_bpf, 0, command)), (EPERM, 0));
        }
        // BPF_OBJ_GET_INFO_BY_FD, BPF_RAW_TRACEPOINT_OPEN, BPF_LINK_CREATE, BPF_ENABLE_STATS, BPF_ITER_CREATE
        for command in [15, 17, 28, 32, 33] {
            assert_eq!(errno(&LIMITS, SYS_bpf, 0, command), 0, "a probe is attached again, or asked about");
        }
    }
}
