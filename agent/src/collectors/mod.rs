//! One file a collector, named as the collector, in folders by what it shows.

pub mod bpf;
mod by_disk;
mod by_group;
pub mod containers;
pub mod cpu;
pub mod disk;
pub mod files;
pub mod filesystem;
pub mod hardware;
pub mod kernel;
pub mod memory;
pub mod network;
pub mod node_exporter;
mod presets;
mod probe;
pub mod services;

use crate::{
    collector::{Entry, Fault},
    config::{CollectorTable, Config, Diagnostic, Schema, add_general_tables},
    privileges,
};
pub use presets::DEBIANS_TEXTFILES;
use rustix::thread::CapabilitySet;

/// All collectors, in the order of the folders.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    let folders = [
        cpu::ENTRIES,
        memory::ENTRIES,
        disk::ENTRIES,
        filesystem::ENTRIES,
        network::ENTRIES,
        kernel::ENTRIES,
        hardware::ENTRIES,
        services::ENTRIES,
        containers::ENTRIES,
        files::ENTRIES,
        bpf::ENTRIES,
    ];
    folders.into_iter().flatten()
}

/// Lists a folder's collectors. One whose `mod` line stands there and whose name does not is dead code to the compiler.
macro_rules! register {
    ($group:literal: $($module:ident :: $collector:ident),* $(,)?) => {
        pub(super) const ENTRIES: &[$crate::collector::Entry] = &[$(
            $crate::collector::Entry::of::<$module::$collector>($group, stringify!($module), |config, host| {
                $crate::collector::open::<$module::$collector>(config, stringify!($module), host)
            }),
        )*];
    };
}
pub(crate) use register;

/// What of the settings of those that are enabled can never work.
pub fn faults(config: &Config) -> impl Iterator<Item = Diagnostic> {
    let enabled = all().filter(|it| it.is_enabled(config));
    let faults = enabled.flat_map(|it| it.faults(config).into_iter().map(move |fault| (it.name, fault)));
    faults.map(|(name, Fault { key, message, remedy })| {
        config.error(&format!("collector.{name}.{key}"), message).help(remedy)
    })
}

/// The capabilities that the enabled collectors use at each scrape.
#[must_use]
pub fn capabilities(config: &Config) -> CapabilitySet {
    enabled(config).fold(CapabilitySet::empty(), |used, entry| used | entry.capabilities)
}

/// The enabled collectors that connect to a server.
pub fn connecting(config: &Config) -> impl Iterator<Item = &'static str> {
    enabled(config).filter(|entry| entry.connects).map(|entry| entry.name)
}

fn enabled(config: &Config) -> impl Iterator<Item = &'static Entry> {
    all().filter(|entry| entry.is_enabled(config))
}

/// Everything that can be set: the general tables and the collectors' own.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::new(node_exporter::ALIASES, presets::values);
    add_general_tables(&mut schema);
    for entry in all() {
        let exclusive = node_exporter::EXCLUSIVE.iter().find(|(name, _)| *name == entry.name);
        let table = CollectorTable {
            name: entry.name,
            group: entry.group,
            summary: entry.summary,
            enabled: entry.enabled,
            keys: entry.keys,
            exclusive: exclusive.map_or(&[], |(_, pairs)| pairs),
        };
        schema.add_collector(table, notes(entry));
    }
    schema
}

/// What a collector costs and needs, in sentences.
#[must_use]
pub fn notes(entry: &Entry) -> Vec<String> {
    let mut notes = Vec::new();
    if !entry.probes.is_empty() {
        notes.push(format!("Hooks {}; needs CAP_BPF and CAP_PERFMON at start.", entry.hooks().join(", ")));
    }
    if !entry.capabilities.is_empty() {
        notes.push(format!("Shows more with {}.", privileges::names(entry.capabilities)));
    }
    if !entry.cost.is_empty() {
        notes.push(format!("Cost: {}.", entry.cost));
    }
    notes
}

/// What a collector's file starts from.
pub(crate) mod prelude {
    #[cfg(test)]
    pub(crate) use crate::testing::{check, check_error, never_panics};
    pub(crate) use crate::{
        collector::{Collector, Error, Fault, Spec},
        collectors::node_exporter::{CPU_FREQUENCY, DISKS_LEFT_OUT},
        config::{Filter, NoConfig, Pattern, section},
        metric::{Families, Meta, Start, label_text, metrics},
        source::{self, File, FirstError, Folder, Host},
    };
    #[cfg(test)]
    pub(crate) use expect_test::expect;
}

#[cfg(test)]
mod tests {
    use super::all;
    use std::collections::BTreeMap;

    #[test]
    fn a_hook_has_one_program_for_all_who_need_it() {
        let mut probe_of = BTreeMap::new();
        for probe in all().flat_map(|it| it.probes).map(|it| it.probe) {
            for program in probe.programs {
                let first = *probe_of.entry(program.attach.to_string()).or_insert(probe.name);
                assert_eq!(first, probe.name, "{}", program.attach);
            }
        }
        assert!(probe_of.len() > 30, "{probe_of:?}");
    }
}
