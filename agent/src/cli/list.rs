//! `hostlens collectors`: what there is, and whether it is enabled.

use crate::{
    collector::{Entry, View},
    collectors,
    config::{Config, KeyView, Schema},
};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// For people: a table.
#[must_use]
pub fn to_text(schema: &Schema, config: &Config) -> String {
    let width = collectors::all().map(|entry| entry.name.len()).max().unwrap_or_default();
    let mut out = String::new();
    let mut group = "";
    for entry in collectors::all() {
        if entry.group != group {
            group = entry.group;
            writeln!(out, "{}{group}:", if out.is_empty() { "" } else { "\n" }).expect("a string takes all");
        }
        let state = if entry.is_enabled(config) { "on " } else { "off" };
        writeln!(out, "  {state} {:<width$}  {}", entry.name, entry.summary).expect("a string takes all");
        for note in notes(schema, entry) {
            writeln!(out, "      {:width$}  {note}", "").expect("a string takes all");
        }
    }
    out
}

/// For programs: a list of objects.
#[must_use]
pub fn to_json(schema: &Schema, config: &Config) -> Value {
    let listed = collectors::all().map(|entry| describe(schema, config, entry));
    listed.map(|it| serde_json::to_value(it).expect("all keys are strings")).collect()
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    view: View,
    /// Since all of node_exporter's are: programs may look for it.
    is_built: bool,
    default: bool,
    enabled: bool,
    notes: &'a [String],
    keys: Vec<ListedKey>,
}

/// A key, and how else than in a file it can be set.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    key: KeyView,
    flag: Option<String>,
    variable: Option<String>,
}

fn describe<'a>(schema: &'a Schema, config: &Config, entry: &Entry) -> Listed<'a> {
    let table = schema.table(&format!("collector.{}", entry.name)).expect("all collectors have a table");
    let keys = table.keys.iter().map(|key| ListedKey {
        key: config.view(&table.path, key),
        flag: table.flag(key).map(|flag| format!("--{flag}")),
        variable: table.variable(key),
    });
    Listed {
        view: entry.view(),
        is_built: true,
        default: entry.enabled,
        enabled: entry.is_enabled(config),
        notes: &table.notes,
        keys: keys.collect(),
    }
}

fn notes<'a>(schema: &'a Schema, entry: &Entry) -> &'a [String] {
    schema.table(&format!("collector.{}", entry.name)).map_or(&[], |table| &table.notes)
}
