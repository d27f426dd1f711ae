//! The Landlock domain: see landlock(7).
//!
//! What is not handled is allowed, so reading needs no rule and follows every link; see [`super`] for why.

use super::Limits;
use crate::config::Paths;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use procfs::process::Process;
use std::{error::Error, os::unix::ffi::OsStrExt, path::Path};

/// The newest that the rules below were tried with. Later ones know rights that could be in the way.
const KNOWN: ABI = ABI::V6;

/// Restricts the calling thread and those that it starts, for good; returns which ABI is in force, or why none is.
pub(super) fn restrict(limits: &Limits<'_>) -> Result<u32, String> {
    if let Some(why) = in_the_way(limits) {
        return Err(why);
    }
    let handled = AccessFs::from_all(KNOWN) & !(AccessFs::ReadFile | AccessFs::ReadDir);
    let in_force = || -> Result<_, Box<dyn Error>> {
        let mut ruleset = Ruleset::default().handle_access(handled)?.handle_access(AccessNet::BindTcp)?;
        let mut scopes = BitFlags::from(Scope::Signal);
        if !limits.connects {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        }
        if !limits.connects && !notifies_abstract_socket() {
            scopes |= Scope::AbstractUnixSocket;
        }
        let mut ruleset = ruleset.scope(scopes)?.create()?;
        for socket in limits.sockets {
            let folder = socket.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // The socket's file is removed at the end.
            ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(folder)?, AccessFs::RemoveFile))?;
        }
        Ok(ruleset.restrict_self()?.landlock)
    };
    match in_force().map_err(|error| error.to_string())? {
        LandlockStatus::NotEnabled => Err("not switched on when the kernel was booted (lsm=)".to_owned()),
        LandlockStatus::NotImplemented => {
            Err("not in this kernel (it came with Linux 5.13), or kept from it by a filter".to_owned())
        }
        LandlockStatus::Available { effective_abi, .. } => Ok(effective_abi.min(KNOWN) as u32),
    }
}

/// What a domain would take away, because it may trace no process but its own: see ptrace(2).
fn in_the_way(limits: &Limits<'_>) -> Option<String> {
    if limits.traces {
        return Some("CAP_SYS_PTRACE is kept, which a domain voids".to_owned());
    }
    let Paths { procfs, sysfs, rootfs, udev_data, .. } = &limits.paths;
    if hides_processes(procfs) {
        let path = procfs.display();
        return Some(format!("{path} is mounted with hidepid=, which would hide more from a domain"));
    }
    let through_process =
        [procfs, sysfs, rootfs, udev_data].into_iter().find(|it| leads_through_process(it))?;
    let path = through_process.display();
    Some(format!("{path} leads through another process, which is closed to a domain"))
}

/// Whether it is a path such as `/proc/1/root/sys`.
fn leads_through_process(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().map(OsStrExt::as_bytes).collect();
    let is_link = |it: &[&[u8]]| it[0].iter().all(u8::is_ascii_digit) && matches!(it[1], b"root" | b"cwd");
    parts.windows(2).any(is_link)
}

/// Whether procfs shows processes only to those who may trace them: see proc(5).
fn hides_processes(procfs: &Path) -> bool {
    let mounts = Process::myself().and_then(|it| it.mountinfo());
    mounts
        .into_iter()
        .flatten()
        .any(|it| it.mount_point == procfs && it.super_options.contains_key("hidepid"))
}

/// Whether systemd listens on a socket that has a name and no file.
fn notifies_abstract_socket() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|it| it.as_bytes().starts_with(b"@"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_paths_that_lead_through_a_process() {
        for path in ["/proc/1/root", "/host/proc/4711/root/sys", "/proc/20/cwd"] {
            assert!(leads_through_process(Path::new(path)), "{path}");
        }
        for path in ["/", "/proc", "/host/root", "/proc/1/net", "/proc/self/root", "/run/udev/data"] {
            assert!(!leads_through_process(Path::new(path)), "{path}");
        }
    }
}
