//! What a reload did, for the log and for the one who asked.

use crate::{
    config::{Config, Schema},
    scrape::Changes,
};
use std::{collections::BTreeMap, fmt};
use tracing::{info, warn};

/// Tables whose values are read at start only.
const AT_START: &[&str] = &["web", "security"];

#[derive(Debug, Default)]
pub(super) struct Report {
    /// The keys that have another value, by table.
    changed: BTreeMap<String, Vec<&'static str>>,
    collectors: Changes,
    pub(super) warnings: Vec<String>,
}

impl Report {
    /// Compares two configs.
    pub(super) fn new(schema: &Schema, before: &Config, after: &Config) -> Self {
        let mut changed = BTreeMap::<_, Vec<_>>::new();
        for table in schema.tables() {
            for key in &table.keys {
                if before.value_in(&table.path, key) != after.value_in(&table.path, key) {
                    changed.entry(table.path.clone()).or_default().push(key.name);
                }
            }
        }
        Self { changed, ..Self::default() }
    }

    /// Whether what is common to all collectors changed.
    pub(super) fn is_host_changed(&self) -> bool {
        let is_measured_anew = self.changed.get("ebpf.budget").is_some_and(|keys| keys.contains(&"measure"));
        self.changed.contains_key("path") || self.changed.contains_key("ebpf") || is_measured_anew
    }

    /// Adds what became of the collectors.
    pub(super) fn take(&mut self, changes: Changes) {
        let kept = changes.kept.iter().map(|(name, why)| format!("{name} goes on as it was: {why}"));
        let unavailable =
            changes.unavailable.iter().map(|(name, why)| format!("{name} is unavailable: {why}"));
        self.warnings.extend(kept.chain(unavailable));
        self.collectors = changes;
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, keys) in &self.changed {
            let first = table.split('.').next().unwrap_or_default();
            let when = if AT_START.contains(&first) { ", which takes effect at the next start" } else { "" };
            let table = if table.is_empty() { String::new() } else { format!("[{table}] ") };
            lines.push(format!("{table}{} changed{when}", keys.join(", ")));
        }
        let Changes { started, stopped, reopened, .. } = &self.collectors;
        for (what, names) in [("started", started), ("stopped", stopped), ("reopened", reopened)] {
            if !names.is_empty() {
                lines.push(format!("{what} {}", names.join(", ")));
            }
        }
        if lines.is_empty() {
            lines.push("nothing changed".to_owned());
        }
        lines
    }

    pub(super) fn log(&self) {
        info!(changes = self.lines().join("; "), "the config was reloaded");
        self.warnings.iter().for_each(|warning| warn!("{warning}"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}
