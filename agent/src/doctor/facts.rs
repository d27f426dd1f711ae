//! Kernel, mounts, cgroups and namespaces.

use super::{Fact, first_process, process};
use crate::{
    config::{Config, Ebpf, Paths},
    source,
};
use rustix::{
    fs::{StatVfsMountFlags, statfs, statvfs},
    io::Errno,
    system::uname,
};
use std::{fs, io, path::Path};

/// Magic numbers of `include/uapi/linux/magic.h`.
const PROC: i64 = 0x9fa0;
const SYSFS: i64 = 0x6265_6572;
const TRACEFS: i64 = 0x7472_6163;
const CGROUP2: i64 = 0x6367_7270;
const TMPFS: i64 = 0x0102_1994;

/// Numbers that the first namespaces have: `include/linux/proc_ns.h`, `include/uapi/linux/nsfs.h`.
const FIRST_USER: u64 = 0xefff_fffd;
const FIRST_PID: u64 = 0xefff_fffc;

/// Everything but ports.
pub(super) fn all(config: &Config) -> Vec<Fact> {
    let paths = config.section::<Paths>();
    let ebpf = config.section::<Ebpf>();
    let mut facts = vec![kernel(), types(&ebpf), lockdown(), unprivileged_bpf()];
    facts.extend(process::facts());
    facts.extend([tracefs(), mount("procfs", &paths.procfs, PROC), mount("sysfs", &paths.sysfs, SYSFS)]);
    facts.extend([root(&paths.rootfs), udev(&paths.udev_data), cgroups(&paths.sysfs)]);
    if pids_are_the_hosts(&paths.procfs) {
        facts.push(first_process::fact(config));
    }
    facts.extend([user_namespace(), pid_namespace(&paths.procfs), network_namespace(&paths.procfs)]);
    facts
}

fn kernel() -> Fact {
    let name = uname();
    let [system, release, machine] =
        [name.sysname(), name.release(), name.machine()].map(|it| it.to_string_lossy().into_owned());
    Fact::good("kernel", format!("{system} {release} {machine}"))
}

fn types(ebpf: &Ebpf) -> Fact {
    let default = Path::new("/sys/kernel/btf/vmlinux");
    let path = if ebpf.btf_path.as_os_str().is_empty() { default } else { &ebpf.btf_path };
    match fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(it) => Fact::good("kernel types (BTF)", format!("{}, {} KiB", path.display(), it.len() >> 10)),
        Err(error) => Fact::bad(
            "kernel types (BTF)",
            format!("read {}: {error}", path.display()),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, or set `btf_path` in [ebpf]; eBPF collectors need it",
        ),
    }
}

fn lockdown() -> Fact {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) => {
            let mode = modes.split(['[', ']']).nth(1).unwrap_or("unknown").to_owned();
            match &*mode {
                "confidentiality" => {
                    Fact::note("lockdown", mode, "probes read only what typed access allows")
                }
                _ => Fact::good("lockdown", mode),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && process::sees_securityfs() => {
            Fact::good("lockdown", "not in this kernel")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Fact::unknown("lockdown", "securityfs is not mounted", process::MOUNT_SECURITYFS)
        }
        Err(error) => Fact::unknown("lockdown", error.to_string(), ""),
    }
}

fn unprivileged_bpf() -> Fact {
    let setting = fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    let found = match setting.as_deref().map(str::trim) {
        Ok("0") => "open to all users".to_owned(),
        Ok("1") => "closed to users without CAP_BPF, until the next boot".to_owned(),
        Ok("2") => "closed to users without CAP_BPF".to_owned(),
        Ok(other) => other.to_owned(),
        Err(error) => return Fact::unknown("bpf(2)", format!("read unprivileged_bpf_disabled: {error}"), ""),
    };
    Fact::good("bpf(2)", found)
}

/// Our probes do without; others on the host may not.
fn tracefs() -> Fact {
    match statfs("/sys/kernel/tracing") {
        Ok(it) if it.f_type == TRACEFS => match fs::read_dir("/sys/kernel/tracing") {
            Ok(_) => Fact::good("tracefs", "mounted; hostlens does without"),
            Err(error) => Fact::good("tracefs", format!("mounted, and {error}; hostlens does without")),
        },
        Ok(_) | Err(Errno::NOENT) => Fact::good("tracefs", "not mounted; hostlens does without"),
        Err(error) => Fact::unknown("tracefs", io::Error::from(error).to_string(), ""),
    }
}

fn mount(topic: &'static str, path: &Path, magic: i64) -> Fact {
    let flag = format!("mount the host's {topic} and name it with --path.{topic}");
    match statfs(path) {
        Ok(it) if it.f_type == magic && hides_processes(path) => {
            let found = format!("{}, which hides the processes of others", path.display());
            Fact::note(topic, found, "mount it without hidepid=, or give CAP_SYS_PTRACE")
        }
        Ok(it) if it.f_type == magic => Fact::good(topic, path.display().to_string()),
        Ok(_) => Fact::note(topic, format!("{} is another file system", path.display()), flag),
        Err(error) => Fact::fatal(topic, format!("{}: {}", path.display(), io::Error::from(error)), flag),
    }
}

/// With `hidepid=` process 1 cannot be seen by others than root.
fn hides_processes(path: &Path) -> bool {
    path.join("self").exists() && fs::read(path.join("1/stat")).is_err()
}

fn root(path: &Path) -> Fact {
    match statvfs(path) {
        Ok(it) if it.f_flag.contains(StatVfsMountFlags::RDONLY) => {
            Fact::good("rootfs", format!("{}, read-only", path.display()))
        }
        Ok(_) => Fact::good("rootfs", format!("{}, writable", path.display())),
        Err(error) => Fact::bad(
            "rootfs",
            format!("{}: {}", path.display(), io::Error::from(error)),
            "mount the host's root and name it with --path.rootfs; `filesystem` and `os` need it",
        ),
    }
}

fn udev(path: &Path) -> Fact {
    match fs::read_dir(path) {
        Ok(_) => Fact::good("udev data", path.display().to_string()),
        Err(error) => Fact::note(
            "udev data",
            format!("{}: {error}", path.display()),
            "name it with --path.udev.data; without it disks have no model and serial number",
        ),
    }
}

fn cgroups(sysfs: &Path) -> Fact {
    let folder = sysfs.join("fs/cgroup");
    let kind = |path: &Path| statfs(path).map(|it| it.f_type).ok();
    let found = match (kind(&folder), kind(&folder.join("unified"))) {
        (Some(CGROUP2), _) => "version 2",
        (Some(TMPFS), Some(CGROUP2)) => "version 1, with version 2 beside it",
        (Some(TMPFS), _) => "version 1",
        _ => return Fact::note("cgroups", format!("none at {}", folder.display()), ""),
    };
    Fact::good("cgroups", found)
}

fn user_namespace() -> Fact {
    match namespace(Path::new("/proc/self/ns/user")) {
        Some(FIRST_USER) => Fact::good("user namespace", "the host's"),
        Some(_) => Fact::bad(
            "user namespace",
            "another than the host's: capabilities do not reach bpf(2)",
            "run hostlens in the host's (hostUsers: true, PrivateUsers=no)",
        ),
        None => Fact::unknown("user namespace", "procfs does not show it", ""),
    }
}

fn pid_namespace(procfs: &Path) -> Fact {
    let is_default = procfs == Path::new("/proc");
    match namespace(Path::new("/proc/self/ns/pid")) {
        Some(FIRST_PID) => Fact::good("process namespace", "the host's"),
        Some(_) if is_default => Fact::bad(
            "process namespace",
            "another than the host's, and so is what procfs shows",
            "mount the host's procfs and name it with --path.procfs",
        ),
        Some(_) => {
            Fact::good("process namespace", format!("another than the host's; {} is read", procfs.display()))
        }
        None => Fact::unknown("process namespace", "procfs does not show it", ""),
    }
}

fn network_namespace(procfs: &Path) -> Fact {
    let Some(is_same) = source::is_our_network(&procfs.join("1/net")) else {
        return Fact::unknown("network namespace", "procfs does not show it", "give CAP_SYS_PTRACE");
    };
    match is_same {
        true => Fact::good("network namespace", "the host's"),
        false => Fact::note(
            "network namespace",
            "another than the host's; collectors read the host's where files show it",
            "what only netlink(7) shows needs the host's (hostNetwork: true, PrivateNetwork=no)",
        ),
    }
}

/// Whether process 1 of a procfs is the host's.
fn pids_are_the_hosts(procfs: &Path) -> bool {
    procfs != Path::new("/proc") || namespace(Path::new("/proc/self/ns/pid")) == Some(FIRST_PID)
}

/// The number in `net:[4026531833]`.
fn namespace(link: &Path) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.split(['[', ']']).nth(1)?.parse().ok()
}
