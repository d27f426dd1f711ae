//! What the process may do: see capabilities(7) and proc_pid_status(5).

use super::Fact;
use crate::{
    privileges,
    sandbox::{self, Layer, Sandbox},
};
use procfs::process::{Process, Status};
use rustix::{
    fs::statfs,
    process::{Resource, getrlimit, getuid},
    thread::{CapabilitySet, capabilities},
};
use std::{fs, io};

/// What the process may make effective.
pub(super) fn held() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |held| held.permitted)
}

/// User, capabilities, seccomp, security modules and the limit of locked memory.
pub(super) fn facts() -> Vec<Fact> {
    let status = Process::myself().and_then(|it| it.status());
    let mut facts = vec![user()];
    facts.extend(match &status {
        Ok(status) => vec![capability_facts(status), seccomp(status)],
        Err(error) => {
            vec![Fact::bad("privileges", error.to_string(), "mount procfs at /proc")]
        }
    });
    facts.push(security_modules());
    facts.push(locked_memory());
    facts
}

fn user() -> Fact {
    let uid = getuid();
    Fact::good("user", if uid.is_root() { "root".to_owned() } else { format!("uid {uid}") })
}

fn capability_facts(status: &Status) -> Fact {
    let bounding = status.capbnd.map(CapabilitySet::from_bits_truncate);
    let (permitted, effective) = match capabilities(None) {
        Ok(held) => (held.permitted, held.effective),
        Err(error) => return Fact::bad("capabilities", format!("capget(2): {error}"), ""),
    };
    let is_locked = status.nonewprivs == Some(1);
    let found = format!(
        "permitted {}; effective {}; bounding {}; new privileges {}",
        named(permitted),
        named(effective),
        bounding.map_or_else(|| "unknown".to_owned(), named),
        if is_locked { "forbidden" } else { "possible" },
    );
    let for_probes = CapabilitySet::BPF | CapabilitySet::PERFMON;
    let may_probe = permitted.contains(for_probes) || permitted.contains(CapabilitySet::SYS_ADMIN);
    match may_probe {
        true => Fact::good("capabilities", found),
        false => Fact::note("capabilities", found, "CAP_BPF and CAP_PERFMON let eBPF collectors run"),
    }
}

/// The names, or those that are missing where these are fewer.
fn named(set: CapabilitySet) -> String {
    let missing = known() - set;
    match (set.is_empty(), missing.is_empty()) {
        (true, _) => "none".to_owned(),
        (false, true) => "all".to_owned(),
        (false, false) if missing.iter_names().count() <= 3 => {
            format!("all but {}", privileges::names(missing))
        }
        (false, false) => privileges::names(set),
    }
}

/// Those that this kernel has.
fn known() -> CapabilitySet {
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
    let last: u32 = last.and_then(|text| text.trim().parse().ok()).unwrap_or(63);
    let bits = u64::MAX >> (63 - last.min(63));
    CapabilitySet::all() & CapabilitySet::from_bits_truncate(bits)
}

fn seccomp(status: &Status) -> Fact {
    match status.seccomp {
        Some(0) => Fact::good("seccomp", "no filter"),
        Some(1) => Fact::bad("seccomp", "strict mode", "use a filter that passes what hostlens calls"),
        Some(_) => {
            Fact::note("seccomp", "a filter", "container runtimes' profiles pass bpf(2) if CAP_BPF is added")
        }
        None => Fact::good("seccomp", "not in this kernel"),
    }
}

/// What the service does to itself.
pub(super) fn confinement(sandbox: &Result<Sandbox, sandbox::Error>) -> Fact {
    match sandbox {
        Ok(Sandbox { landlock, seccomp, .. }) => {
            let found = format!("landlock {landlock}; seccomp {seccomp}");
            match [landlock, seccomp].iter().any(|it| matches!(it, Layer::Missing(_))) {
                true => Fact::note("sandbox", found, ""),
                false => Fact::good("sandbox", found),
            }
        }
        Err(error) => {
            Fact::fatal("sandbox", error.to_string(), "use \"best-effort\", or a kernel that has it")
        }
    }
}

pub(super) const MOUNT_SECURITYFS: &str = "mount -t securityfs securityfs /sys/kernel/security";

/// Whether what is not in securityfs is not in the kernel.
pub(super) fn sees_securityfs() -> bool {
    /// `include/uapi/linux/magic.h`
    const SECURITYFS: i64 = 0x7363_6673;
    statfs("/sys/kernel/security").is_ok_and(|it| it.f_type == SECURITYFS)
}

fn security_modules() -> Fact {
    const TOPIC: &str = "security modules";
    let read = |path| fs::read_to_string(path).map(|text| text.trim_matches(['\n', '\0', ' ']).to_owned());
    let profile = read("/proc/self/attr/current").unwrap_or_default();
    let confined = match &*profile {
        "" | "unconfined" => String::new(),
        profile => format!("; confined as {profile}"),
    };
    match read("/sys/kernel/security/lsm") {
        Ok(modules) if confined.is_empty() => Fact::good(TOPIC, modules),
        Ok(modules) => Fact::note(TOPIC, modules + &confined, ""),
        Err(_) if !sees_securityfs() => {
            Fact::unknown(TOPIC, format!("securityfs is not mounted{confined}"), MOUNT_SECURITYFS)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Fact::good(TOPIC, "none in this kernel"),
        Err(error) => Fact::unknown(TOPIC, format!("{error}{confined}"), ""),
    }
}

/// Memory of maps counts here before Linux 5.11 only.
fn locked_memory() -> Fact {
    let text =
        |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |it| format!("{} KiB", it >> 10));
    let limit = getrlimit(Resource::Memlock);
    Fact::good("locked memory", format!("{}; it counts maps before Linux 5.11 only", text(limit.current)))
}
