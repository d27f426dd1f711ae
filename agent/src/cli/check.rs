//! What `check-config` says of a good config that may not work on this host.

use crate::{
    collector::Entry,
    collectors,
    config::{Config, Diagnostic, Ebpf, Severity},
    privileges,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::Path;

/// Where Debian's node_exporter looks for text files when it is not told where to.
const DEBIANS_TEXTFILES: &str = "/var/lib/prometheus/node-exporter";

/// Whether this host has text files for Debian's node_exporter that `config` does not mention.
#[must_use]
pub fn forgotten_textfiles(config: &Config) -> Option<Diagnostic> {
    let is_set = config.get("collector.textfile.directory").is_some();
    if is_set || !config.enables("textfile", true) || !Path::new(DEBIANS_TEXTFILES).exists() {
        return None;
    }
    let message =
        format!("text files in {DEBIANS_TEXTFILES} are not read, as Debian's node_exporter reads them");
    let help = format!("say --collector.textfile.directory={DEBIANS_TEXTFILES}, or another folder");
    Some(Diagnostic::warning(message).help(help))
}

/// About collectors that are asked for by name: others are there because they are the default.
#[must_use]
pub fn remarks(config: &Config) -> Vec<Diagnostic> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |held| held.permitted);
    let asked_for = collectors::all().filter(|entry| config.asks_for(entry.name));
    asked_for.flat_map(|entry| about(entry, config, held)).chain(forgotten_textfiles(config)).collect()
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
