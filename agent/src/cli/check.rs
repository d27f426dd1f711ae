//! What `check-config` says of a config that is well written and does not work on this host, or not as one may think.

use crate::{
    collector::Entry,
    collectors::{self, DEBIANS_TEXTFILES},
    config::{Config, Diagnostic, Ebpf, Paths, Severity, Sources},
    http, privileges,
    source::errno,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::Path;

/// Whether this host has text files for Debian's node_exporter that `config` does not mention.
#[must_use]
pub fn forgotten_textfiles(config: &Config) -> Option<Diagnostic> {
    let is_set = config.get("collector.textfile.directory").is_some();
    if is_set || !config.enables("textfile", true) || !Path::new(DEBIANS_TEXTFILES).exists() {
        return None;
    }
    let message =
        format!("text files in {DEBIANS_TEXTFILES} are not read, as Debian's node_exporter reads them");
    let help = format!(
        "say --collector.textfile.directory={DEBIANS_TEXTFILES}, or another folder, or --preset=debian"
    );
    Some(Diagnostic::warning(message).help(help))
}

/// What of `config` keeps hostlens from starting on this host.
#[must_use]
pub fn faults(config: &Config) -> Vec<Diagnostic> {
    let paths = config.section::<Paths>();
    let folders = [("path.procfs", "proc", &paths.procfs), ("path.sysfs", "sysfs", &paths.sysfs)];
    let unreadable = folders.into_iter().filter_map(|(key, kind, path)| {
        let error = std::fs::read_dir(path).err()?;
        let fault = config.error(key, format!("read {}: {}", path.display(), errno::words_of(&error)));
        Some(fault.help(format!("name a folder where a file system of type {kind} is mounted")))
    });
    unreadable.chain(http::faults(config)).chain(collectors::faults(config)).collect()
}

/// What was checked, in a line.
#[must_use]
pub fn checked(sources: &Sources, config: &Config) -> String {
    let files: Vec<_> = sources.files.iter().map(|path| path.display().to_string()).collect();
    let mut parts = match files[..] {
        [] => vec!["the defaults (no file is named: give one as an argument)".to_owned()],
        _ => files,
    };
    for (n, what) in [(sources.variables.len(), "variable"), (sources.flags.len(), "flag")] {
        match n {
            0 => {}
            1 => parts.push(format!("1 {what}")),
            _ => parts.push(format!("{n} {what}s")),
        }
    }
    let n_enabled = collectors::all().filter(|it| it.is_enabled(config)).count();
    let enabled = if n_enabled == 1 { "collector is" } else { "collectors are" };
    format!("ok: {}; {n_enabled} {enabled} enabled\n", parts.join(", "))
}

/// About collectors that are asked for by name: others are there because they are the default.
#[must_use]
pub fn remarks(config: &Config) -> Vec<Diagnostic> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |held| held.permitted);
    let asked_for = collectors::all().filter(|entry| config.asks_for(entry.name));
    let remarks = asked_for.flat_map(|entry| about(entry, config, held));
    remarks
        .chain(http::remarks(config))
        .chain(forgotten_textfiles(config))
        .chain(absent_root(config))
        .collect()
}

/// Not a fault, as node_exporter serves all else.
fn absent_root(config: &Config) -> Option<Diagnostic> {
    let root = config.section::<Paths>().rootfs;
    let error = std::fs::read_dir(&root).err().filter(|_| !root.as_os_str().is_empty())?;
    let problem = format!("read {}: {}", root.display(), errno::words_of(&error));
    let remark = config.error("path.rootfs", problem).help("name the folder where the host's root is seen");
    Some(Diagnostic { severity: Severity::Warning, ..remark })
}

fn about(entry: &Entry, config: &Config, held: CapabilitySet) -> Vec<Diagnostic> {
    const FOR_PROBES: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);
    let name = entry.name;
    let mut found = Vec::new();
    let mut say = |severity, message, help: &str| {
        let remark = Diagnostic::new(severity, message).help(help);
        let place = config.place(&format!("collector.{name}.enabled")).cloned();
        found.push(Diagnostic { place, ..remark });
    };
    if !entry.probes.is_empty() {
        let lacks = FOR_PROBES - held;
        if !lacks.is_empty() && !held.contains(CapabilitySet::SYS_ADMIN) {
            let lacks = privileges::names(lacks);
            let message = format!("the collector `{name}` will be unavailable: this process lacks {lacks}");
            say(Severity::Warning, message, "see `hostlens doctor`");
        }
        let types = config.section::<Ebpf>().btf_path;
        let types = if types.as_os_str().is_empty() { Path::new("/sys/kernel/btf/vmlinux") } else { &types };
        if !types.exists() {
            let message =
                format!("the collector `{name}` will be unavailable: {} is missing", types.display());
            say(Severity::Note, message, "on another kernel it may not be");
        }
    }
    let lacks = entry.capabilities - held;
    if !lacks.is_empty() {
        let message = format!("the collector `{name}` shows more with {}", privileges::names(lacks));
        say(Severity::Note, message, "this process lacks it");
    }
    found
}
