//! The agent's own sandbox: what it cannot do even if whoever it answers took it over.
//!
//! It is entered once, when collectors are open, capabilities are given up and no second thread has started. Both layers
//! need `no_new_privs`, which takes nothing from a process that executes no other program; neither needs a capability,
//! so the order does not matter to them. Nobody leaves it or widens it, a reload neither.
//!
//! | | Landlock (Linux 5.13) | seccomp |
//! |---|---|---|
//! | write to, create, remove, rename files | refused | refused; with a Unix socket served, remove is not |
//! | truncate files | refused (6.2) | refused |
//! | change mode, owner, times, attributes, flags of files | | refused |
//! | execute a program; start a process | refused; | refused; refused |
//! | map code, or make memory that could become code | | refused; mapping files where a collector connects is not |
//! | connect | by TCP refused (6.7), to abstract Unix sockets (6.12) | refused |
//! | listen | by TCP refused (6.7) | refused |
//! | send signals to others, or have them sent | refused (6.12) | refused |
//! | look into others: ptrace(2), and files of procfs that it guards | refused | refused, but for the files |
//! | ioctl(2) on devices | refused (6.10) | |
//! | mount | refused | refused |
//! | namespaces, modules, keys, other users, io_uring, … | | refused |
//! | load into the kernel by bpf(2) | | refused with `privileges = "drop"` |
//!
//! What is refused returns an error (`EPERM`, `EACCES`); nothing ends the process. Both together take 2 % of a scrape's
//! CPU time, most of it where Landlock looks at a file that is opened, and a third of a millisecond at the start.
//!
//! # What it does not do
//! It does not narrow what can be read. Landlock could, to a list that is complete when the process starts; but
//! collectors follow links through sysfs, mount points below the root and files that a ConfigMap swaps, and a reload may
//! name any path. One forgotten would be a metric less on some host. So what can be read is what the user may read: run
//! the agent as a user of its own, as the unit and the manifests do. It does not stop datagrams either, for systemd is
//! told of the service by one.
//!
//! # Never in the way
//! On a kernel that has less of it there is less of it (`best-effort`). What a collector needs beside reading, it
//! declares ([`Needs`]); one that connects and is switched on by a reload has to wait for the next start, and the reload
//! says so. Landlock is left out where it would take something from sight: it lets nobody trace a process outside, and
//! that is what `hidepid=`, `/proc/1/root` and CAP_SYS_PTRACE are about.

mod calls;
mod domain;
mod program;
#[cfg(test)]
mod tests;

use crate::{
    config::{Config, Enforce, Paths, Privileges, Security},
    source::sys::seccomp,
};
use rustix::{
    io::Errno,
    thread::{CapabilitySet, set_no_new_privs},
};
use std::{fmt, io, path::Path};

/// What the agent does beside reading files and answering.
#[derive(Debug)]
pub struct Needs<'a> {
    /// Files of Unix sockets that are served, and removed at the end.
    pub sockets: &'a [&'a Path],
    /// What is left of the capabilities.
    pub effective: CapabilitySet,
    /// Whether an enabled collector connects to a server.
    pub connects: bool,
}

/// What each layer goes by.
#[derive(Debug)]
struct Limits<'a> {
    paths: Paths,
    sockets: &'a [&'a Path],
    traces: bool,
    connects: bool,
    loads_probes: bool,
}

/// A layer that the config requires and that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("`{key} = \"require\"` in [security]: {why}")]
pub struct Error {
    key: &'static str,
    why: String,
}

/// What became of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// As the config wants it.
    Off,
    /// In force, as this version of Landlock's ABI has it.
    Abi(u32),
    /// In force.
    On,
    /// Not in force, and why.
    Missing(String),
}

impl Layer {
    /// How much of it is in force: 0 for nothing.
    #[must_use]
    pub fn level(&self) -> u32 {
        match self {
            Self::Off | Self::Missing(_) => 0,
            Self::On => 1,
            Self::Abi(version) => *version,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Abi(version) => write!(f, "abi {version}"),
            Self::On => f.write_str("on"),
            Self::Missing(why) => write!(f, "none: {why}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Sandbox {
    pub landlock: Layer,
    pub seccomp: Layer,
    /// Whether a collector that connects to a server can: one that is switched on later too.
    pub connects: bool,
}

/// Holds the process to reading, answering and `needs`, for good, as far as the config wants it. To be called by its
/// only thread: Landlock knows no others before Linux 7.0.
///
/// # Errors
/// When a layer that the config requires cannot be had.
pub fn enter(config: &Config, needs: &Needs<'_>) -> Result<Sandbox, Error> {
    let security = config.section::<Security>();
    let limits = Limits {
        paths: config.section(),
        sockets: needs.sockets,
        traces: needs.effective.contains(CapabilitySet::SYS_PTRACE),
        connects: needs.connects,
        loads_probes: security.privileges != Privileges::Drop,
    };
    let landlock = layer("landlock", security.landlock, || domain::restrict(&limits).map(Layer::Abi))?;
    let seccomp = layer("seccomp", security.seccomp, || filter(&limits).map(|()| Layer::On))?;
    let is_closed = landlock.level() > 0 || seccomp.level() > 0;
    Ok(Sandbox { landlock, seccomp, connects: needs.connects || !is_closed })
}

fn layer(
    key: &'static str,
    wanted: Enforce,
    restrict: impl FnOnce() -> Result<Layer, String>,
) -> Result<Layer, Error> {
    if wanted == Enforce::Off {
        return Ok(Layer::Off);
    }
    match (restrict(), wanted) {
        (Ok(layer), _) => Ok(layer),
        (Err(why), Enforce::Require) => Err(Error { key, why }),
        (Err(why), _) => Ok(Layer::Missing(why)),
    }
}

fn filter(limits: &Limits<'_>) -> Result<(), String> {
    let table = calls::table(limits).ok_or("hostlens has no filter for this architecture")?;
    let apply = || {
        set_no_new_privs(true)?;
        seccomp::apply(&table.assemble())
    };
    apply().map_err(|error: io::Error| match Errno::from_io_error(&error) {
        Some(Errno::INVAL | Errno::NOSYS) => "not in this kernel (CONFIG_SECCOMP_FILTER)".to_owned(),
        _ => format!("seccomp(2): {error}"),
    })
}
