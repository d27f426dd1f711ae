//! Why a probe cannot run here, and what would help.

use std::{error::Error as _, fs, io, iter, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError, util::KernelVersion};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
    thread::{CapabilitySet, capabilities},
};

use ebpf_probes::spec::{Attach, Program};

use super::btf::FieldError;
use crate::source::sys::seccomp;

/// Why a probe cannot run. The text is the reason; [`Error::remedy`] says what would help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("probes are switched off")]
    SwitchedOff,
    #[error("loading probes takes {} MiB of memory, and {} are left", needed >> 20, left >> 20)]
    ShortOfMemory { needed: u64, left: u64 },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("read the kernel's types from {}", path.display())]
    NoBtf { path: PathBuf, source: io::Error },
    #[error("read the kernel's types from {}: {why}", path.display())]
    Btf { path: PathBuf, why: String },
    #[error("this kernel has no hook {hook}")]
    NoHook { hook: Attach },
    #[error("hook {hook} of this kernel has no argument {what}")]
    NoArgument { hook: &'static str, what: &'static str },
    #[error("this kernel has {0}")]
    NoField(FieldError),
    #[error("{path} has {found} bytes in this kernel, the probe reads {expected}")]
    FieldSize { path: &'static str, found: u32, expected: u32 },
    #[error("this kernel has no constant {name}")]
    NoEnumerator { name: &'static str },
    #[error("bpf(2) is not permitted: {0}")]
    Denied(Denial),
    #[error("the kernel refuses program {program}: {last_line}")]
    Refused { program: &'static str, last_line: String, source: io::Error },
    #[error("the kernel does not let its function be traced, {hook}")]
    Untraceable { hook: Attach, source: io::Error },
    #[error("probe {probe} is broken: {why}")]
    Object { probe: &'static str, why: String },
    #[error("{action}")]
    Call { action: &'static str, source: io::Error },
}

/// What stands behind an `EPERM` of bpf(2), as far as the process can see.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("the agent lacks {}", .0.join(" and "))]
    Capabilities(Vec<&'static str>),
    #[error("the memory that the agent may lock is limited to {0} bytes")]
    Memlock(u64),
    #[error("the kernel is locked down ({0})")]
    Lockdown(String),
    #[error("a seccomp filter is in force")]
    Seccomp,
    #[error(
        "the agent has the capabilities, but not over the host: it is in a user namespace, or a security module denies it"
    )]
    Other,
}

impl Error {
    /// The reason, with what caused it, in one line.
    pub fn reason(&self) -> String {
        let mut reason = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        reason
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            _ if self.lacks_descriptors() => {
                "raise the limit of open files (LimitNOFILE= of the service, ulimit -n)"
            }
            Self::SwitchedOff => "set `enabled = \"auto\"` in [ebpf]",
            Self::ShortOfMemory { .. } => {
                "raise the memory limit of the service or the container; when probes are loaded, half of it is free again"
            }
            Self::NoBtf { .. } => {
                "use a kernel built with CONFIG_DEBUG_INFO_BTF, or name a file with its BTF"
            }
            Self::Btf { .. } => "name a file with the BTF of the running kernel",
            Self::NoHook { .. } | Self::NoArgument { .. } | Self::NoField(_) | Self::NoEnumerator { .. } => {
                "use a kernel that has it (some need a build option), or disable the collector"
            }
            Self::Denied(why) => why.remedy(),
            Self::FieldSize { .. } | Self::Refused { .. } => {
                "report it with the version of the kernel; until it is mended disable the collector"
            }
            Self::Untraceable { .. } => {
                "use a kernel built with CONFIG_FUNCTION_TRACER and without a security module against it, or disable the collector"
            }
            Self::Object { .. } => "the agent was not built right: install it anew",
            Self::Read { .. } | Self::Call { .. } => "see the reason; if it stays, disable the collector",
        }
    }

    /// Whether it is that no more files may be open, whatever was to be opened.
    fn lacks_descriptors(&self) -> bool {
        let mut causes = iter::successors(self.source(), |it| (*it).source());
        let is_it = |it: &io::Error| it.raw_os_error() == Some(Errno::MFILE.raw_os_error());
        causes.any(|it| it.downcast_ref().is_some_and(is_it))
    }

    /// An error of bpf(2), with what is behind it if it is a refusal.
    pub(super) fn call(action: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied(Denial::find()),
            _ => Self::Call { action, source },
        }
    }

    /// What went wrong when an object was opened and its maps made.
    pub(super) fn open(probe: &'static str, error: EbpfError) -> Self {
        match error {
            EbpfError::MapError(MapError::CreateError { io_error, .. }) => Self::call("make a map", io_error),
            EbpfError::MapError(MapError::SyscallError(error)) => Self::call("make a map", error.io_error),
            EbpfError::BtfError(aya::BtfError::LoadError { io_error, .. }) => {
                Self::call("load the types of the probe", io_error)
            }
            error => Self::Object { probe, why: chain(&error) },
        }
    }

    /// What went wrong when a program was loaded or attached.
    pub(super) fn program(probe: &'static str, program: &Program, error: ProgramError) -> Self {
        let (action, source) = match error {
            ProgramError::LoadError { io_error, verifier_log } => {
                if let Some(last_line) = last_line(&verifier_log.to_string()) {
                    return Self::Refused { program: program.name, last_line, source: io_error };
                }
                ("load a program", io_error)
            }
            ProgramError::SyscallError(error) => ("attach a program", error.io_error),
            error => return Self::Object { probe, why: chain(&error) },
        };
        let is_function = matches!(program.attach, Attach::FEntry(_) | Attach::FExit(_));
        let again = io::Error::from(source.kind());
        match Self::call(action, source) {
            // A filter of system calls is not why: the probe's maps were made through it.
            Self::Denied(Denial::Seccomp | Denial::Other) if is_function => {
                Self::Untraceable { hook: program.attach, source: again }
            }
            error => error,
        }
    }
}

impl Denial {
    /// Asks the system what the calling thread lacks.
    fn find() -> Self {
        let held = capabilities(None).map_or(CapabilitySet::empty(), |it| it.effective);
        if !held.contains(CapabilitySet::SYS_ADMIN) {
            let wanted = [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")];
            let missing: Vec<_> =
                wanted.into_iter().filter(|it| !held.contains(it.0)).map(|it| it.1).collect();
            if !missing.is_empty() {
                return Self::Capabilities(missing);
            }
        }
        // Before 5.11 maps count as locked memory. Later the limit has no say, and by default is small.
        let counts_as_locked = KernelVersion::current().is_ok_and(|it| it < KernelVersion::new(5, 11, 0));
        if let (true, Some(limit)) = (counts_as_locked, getrlimit(Resource::Memlock).current) {
            return Self::Memlock(limit);
        }
        if let Some(mode) = lockdown() {
            return Self::Lockdown(mode);
        }
        if has_seccomp_filter() { Self::Seccomp } else { Self::Other }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Capabilities(_) => {
                "give the agent CAP_BPF and CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN), or run it as root"
            }
            Self::Memlock(_) => {
                "raise the limit (LimitMEMLOCK=infinity in the unit), or give CAP_SYS_RESOURCE"
            }
            Self::Lockdown(_) => "boot without lockdown=confidentiality, or disable the collector",
            Self::Seccomp => "let the seccomp profile pass bpf(2): container runtimes do if CAP_BPF is added",
            Self::Other => "run the agent in the host's user namespace and look at the kernel's audit log",
        }
    }
}

/// Whether the agent was started with one; its own lets it load probes whenever it has the capabilities.
fn has_seccomp_filter() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let number = |name| status.lines().find_map(|it| it.strip_prefix(name)?.trim().parse::<usize>().ok());
    // They are counted since Linux 5.9.
    let n_filters = number("Seccomp_filters:").or(number("Seccomp:")).unwrap_or_default();
    n_filters > usize::from(seccomp::is_applied())
}

/// The mode in brackets: `none integrity [confidentiality]`.
fn lockdown() -> Option<String> {
    let modes = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let mode = modes.split_once('[')?.1.split_once(']')?.0;
    (mode == "confidentiality").then(|| mode.to_owned())
}

/// The line of a verifier's log that says what is wrong: the last one before statistics and, from Linux 7.3, before a
/// report that explains it at length.
fn last_line(log: &str) -> Option<String> {
    const AFTER: &[&str] = &["Verification failed: ", "verification time ", "stack depth ", "processed "];
    let lines = log.lines().map(str::trim);
    let said = lines.take_while(|line| !AFTER.iter().any(|it| line.starts_with(it)));
    said.filter(|it| !it.is_empty()).last().map(str::to_owned)
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some of aya's texts contain that of their cause.
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::last_line;

    #[test]
    fn a_verifiers_last_word_stands_before_its_statistics() {
        let oldest = "9: (79) r1 = *(u64 *)(r1 +8)\nR1 invalid mem access 'inv'\n\
                      verification time 72 usec\nstack depth 0\nprocessed 10 insns (limit 1000000)\n";
        assert_eq!(last_line(oldest).unwrap(), "R1 invalid mem access 'inv'");
        let newest = "60: (0f) r2 += r3\nmath between ptr_ pointer and 4294967295 is not allowed\n\n\
                      Verification failed: Register Type Safety: Pointer offset is not safe\n\nReason:\n\
                      The scalar offset used with R2 is unbounded\n\nSuggestion:\n  Clamp the scalar offset\n\
                      verification time 10902 usec\nstack depth max 0\n\
                      subprog 0 (sched_switch) main insns_self 56 insns_total 56 stack 16\n\
                      processed 56 insns (limit 1000000)\n\n";
        assert_eq!(last_line(newest).unwrap(), "math between ptr_ pointer and 4294967295 is not allowed");
        assert_eq!(last_line("processed 0 insns\n"), None);
    }
}
