//! The config as a TOML file: what is in force, or every key with its doc, commented out.

use super::{CollectorLimits, Config, Key, Origin, Schema, Section as _, Table};
use std::fmt::Write as _;
use toml::Value;

/// Which keys to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// All of them with their defaults, whatever is in force.
    Defaults,
    /// Those that differ from their defaults.
    Diff,
    /// Those that somebody chose, whatever to.
    Chosen,
}

/// Keys whose values are not for everybody who may see the others.
const SECRET: &[&str] = &["web.auth.basic_auth_users"];

/// Only right in the file that has it.
const OF_ONE_FILE: &[&str] = &["include"];

/// What is in force, as a file that gives the same config again; with `origins` each line says who chose its value.
#[must_use]
pub fn show(schema: &Schema, config: &Config, which: Which, origins: bool) -> String {
    let defaults = Config::default();
    let config = if which == Which::Defaults { &defaults } else { config };
    let mut out = String::new();
    for table in schema.tables() {
        let mut lines = Vec::new();
        for key in &table.keys {
            let path = table.key_path(key);
            let value = config.value_in(&table.path, key);
            let is_shown = match which {
                Which::All | Which::Defaults => true,
                Which::Diff => value != (key.default)(),
                Which::Chosen => !matches!(config.origin(&path), Origin::Default),
            };
            if !is_shown || OF_ONE_FILE.contains(&path.as_str()) {
                continue;
            }
            let mut line = format!("{} = {}", key.name, masked(&path, value));
            if origins {
                write!(line, "  # {}", origin(config, table, key)).expect("a string takes all");
            }
            lines.push(line);
        }
        write_table(&mut out, table, &lines);
    }
    out
}

fn origin(config: &Config, table: &Table, key: &Key) -> Origin {
    config.origin(&table.key_path(key))
}

fn masked(path: &str, value: Value) -> Value {
    match value {
        Value::Table(table) if SECRET.contains(&path) => {
            Value::Table(table.into_iter().map(|(name, _)| (name, Value::from("<secret>"))).collect())
        }
        value => value,
    }
}

fn write_table(out: &mut String, table: &Table, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    if !table.path.is_empty() {
        let gap = if out.is_empty() { "" } else { "\n" };
        writeln!(out, "{gap}[{}]", table.path).expect("a string takes all");
    }
    for line in lines {
        writeln!(out, "{line}").expect("a string takes all");
    }
}

/// What stands above all keys of the sample.
const SAMPLE_HEAD: &str = "\
#:schema ./hostlens.schema.json
# Every key of hostlens with its default. An empty file gives the same as this one.
#
# Each key can be set in this file, in the environment and on the command line; the later wins:
#   [collector.netdev]
#   device_exclude = '^veth'                           in a file
#   HOSTLENS__COLLECTOR__NETDEV__DEVICE_EXCLUDE=^veth  in the environment
#   --collector.netdev.device-exclude=^veth            on the command line
# A regex is a string in the syntax of Go (RE2), and matches anywhere in a name; or a list of strings, each of which
# matches a whole name. 'Single quotes' need no escapes. Durations have units: \"500ms\", \"5s\", \"2m\".
#
# `hostlens check-config FILE` says what is wrong with a file, `hostlens config show --sources` who chose each value.
";

/// A file with every key, commented out, with its doc and default.
#[must_use]
pub fn sample(schema: &Schema) -> String {
    let mut out = SAMPLE_HEAD.to_owned();
    for table in schema.tables() {
        out.push('\n');
        match &*table.path {
            "" => {}
            path => {
                comment(&mut out, &format!("{}.", table.summary.trim_end_matches('.')));
                table.notes.iter().for_each(|note| comment(&mut out, note));
                writeln!(out, "[{path}]").expect("a string takes all");
            }
        }
        if table.path == "collector" {
            comment(&mut out, "Every collector's table also has these keys:");
            for key in CollectorLimits::KEYS {
                let doc = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
                comment(&mut out, &format!("  {}: {doc}", key.name));
            }
        }
        for key in &table.keys {
            let is_switch = table.collector.is_some() && key.name == "enabled";
            if !is_switch && !table.is_common(key) {
                key.doc.iter().for_each(|line| comment(&mut out, line.trim()));
            }
            writeln!(out, "#{} = {}", key.name, (key.default)()).expect("a string takes all");
        }
    }
    out
}

fn comment(out: &mut String, text: &str) {
    writeln!(out, "# {text}").expect("a string takes all");
}
