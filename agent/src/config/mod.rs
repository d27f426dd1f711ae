//! What the user chose: TOML files, environment, flags and defaults become checked values. Knows no collector; `main`
//! hands it their schema.

mod choice;
pub mod diagnostic;
mod document;
mod filter;
mod glob;
mod json_schema;
mod limits;
mod load;
mod preset;
mod re2;
pub mod render;
mod root;
mod rules;
mod schema;
mod suggest;
mod tables;
mod types;
mod web;

pub use choice::Choice;
pub(crate) use choice::choice;
pub use diagnostic::{Diagnostic, Severity};
pub use filter::Filter;
pub use glob::glob;
pub use json_schema::json_schema;
pub use limits::CollectorLimits;
pub use load::{Flag, FlagValue, Loaded, Sources, load};
pub use preset::Preset;
pub use root::{
    Budget, ClassicBuckets, Collectors, Ebpf, Enforce, Log, LogFormat, LogLevel, Measure, NetworkNamespace,
    OnExceed, Paths, Privileges, Scrape, Security, Top, UseProbes, add_general_tables,
};
#[cfg(test)]
pub use root::{Share, Window};
pub use schema::{General, Key, NoConfig, Problem, Section, Setting};
pub(crate) use schema::{keys, section};
pub(crate) use suggest::{nearest, nearest_word};
pub use tables::{Alias, CollectorTable, Meaning, Schema, Table};
pub use types::Pattern;
pub use web::{ClientAuth, Recording, Web, WebAuth, WebFormat, WebRateLimit, WebTls};

use diagnostic::Place;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, sync::Arc};
use toml::Value;

/// The values that somebody set, by full path (`collector.netdev.device_exclude`). Checked.
#[derive(Debug, Default)]
pub struct Config {
    values: BTreeMap<String, Chosen>,
}

/// A value and who chose it.
#[derive(Debug)]
struct Chosen {
    value: Value,
    origin: Origin,
    place: Option<Place>,
}

/// A key and its value, for people and programs.
#[derive(Serialize)]
pub struct KeyView {
    /// The full path.
    key: String,
    kind: &'static str,
    help: String,
    default: Value,
    value: Value,
    /// Who chose the value: `default`, a preset, a file and line, a variable or a flag.
    origin: String,
}

/// Who chose a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Preset(&'static str),
    File { file: Arc<str>, line: usize },
    Variable(Arc<str>),
    Flag(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Config {
    /// A table that belongs to no collector, in its typed form.
    #[must_use]
    pub fn section<S: General>(&self) -> S {
        self.read(S::PATH)
    }

    /// Those keys of a collector's table that `S` has, in their typed form.
    #[must_use]
    pub fn of_collector<S: Section>(&self, name: &str) -> S {
        self.read(&format!("collector.{name}"))
    }

    fn read<S: Section>(&self, path: &str) -> S {
        S::from_values(&|name| {
            let key = S::KEYS.iter().find(|key| key.name == name).expect("sections ask for their own keys");
            self.value_in(path, key)
        })
    }

    /// The value of `key` of the table `path`: the chosen one, else its default.
    #[must_use]
    pub fn value_in(&self, path: &str, key: &Key) -> Value {
        let full = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        self.get(&full).cloned().unwrap_or_else(key.default)
    }

    /// `key` of the table `path`, as it is told of.
    #[must_use]
    pub fn view(&self, path: &str, key: &Key) -> KeyView {
        let full = format!("{path}.{}", key.name);
        KeyView {
            kind: key.kind,
            help: key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            default: (key.default)(),
            value: self.value_in(path, key),
            origin: self.origin(&full).to_string(),
            key: full,
        }
    }

    /// Whether the collector runs: its own `enabled`, else its default unless defaults are switched off.
    #[must_use]
    pub fn enables(&self, collector: &str, default: bool) -> bool {
        let own = self.get(&format!("collector.{collector}.enabled")).and_then(Value::as_bool);
        own.unwrap_or_else(|| default && !self.section::<Collectors>().disable_defaults)
    }

    /// Whether the collector is switched on by name, and not by a preset alone.
    #[must_use]
    pub fn names(&self, collector: &str) -> bool {
        self.asks_for(collector)
            && !matches!(self.origin(&format!("collector.{collector}.enabled")), Origin::Preset(_))
    }

    /// Whether somebody or a preset asked for the collector by name.
    #[must_use]
    pub fn asks_for(&self, collector: &str) -> bool {
        self.get(&format!("collector.{collector}.enabled")).and_then(Value::as_bool) == Some(true)
    }

    /// Sets one value that was checked.
    pub fn set(&mut self, path: &str, value: Value) {
        self.put(path.to_owned(), value, Origin::Default, None);
    }

    fn put(&mut self, path: String, value: Value, origin: Origin, place: Option<Place>) {
        self.values.insert(path, Chosen { value, origin, place });
    }

    /// The value that somebody chose for the key with the full path `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path).map(|chosen| &chosen.value)
    }

    /// The full paths of the keys that somebody chose values for.
    #[cfg(test)]
    pub fn chosen(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Who chose the value of the key with the full path `path`.
    #[must_use]
    pub fn origin(&self, path: &str) -> Origin {
        self.values.get(path).map_or(Origin::Default, |chosen| chosen.origin.clone())
    }

    /// An error of the value of the key with the full path `path`, which needs more than the value to be seen.
    #[must_use]
    pub fn error(&self, path: &str, problem: impl fmt::Display) -> Diagnostic {
        let message = if path.is_empty() { problem.to_string() } else { format!("`{path}`: {problem}") };
        Diagnostic { place: self.place(path).cloned(), ..Diagnostic::error(message) }
    }

    /// Where the value of the key with the full path `path` was chosen.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<&Place> {
        self.values.get(path)?.place.as_ref()
    }
}
