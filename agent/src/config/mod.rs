//! What the user chose: TOML file, flags and defaults become checked values. Knows no collector; `main` hands it
//! their schema.

mod choice;
mod limits;
mod root;
mod schema;
mod types;
mod web;

pub(crate) use choice::choice;
pub use limits::CollectorLimits;
pub use root::{ClassicBuckets, Ebpf, Log, Paths, Scrape, UseProbes};
pub(crate) use schema::section;
pub use schema::{Key, NoConfig, Problem, Section, Setting};
pub use types::Pattern;
pub use web::{UrlPath, Web, WebAuth, WebFormat, WebRateLimit, WebTls};

use std::collections::BTreeMap;
use toml::Value;

/// The values that differ from their defaults, by full path (`collector.netdev.device_exclude`). Checked.
#[derive(Debug, Default)]
pub struct Config {
    values: BTreeMap<String, Value>,
}

impl Config {
    /// Reads the table `path` into its typed form.
    #[must_use]
    pub fn section<S: Section>(&self, path: &str) -> S {
        S::from_values(&|name| match self.values.get(&format!("{path}.{name}")) {
            Some(value) => value.clone(),
            None => {
                let key =
                    S::KEYS.iter().find(|key| key.name == name).expect("sections ask for their own keys");
                (key.default)()
            }
        })
    }

    /// Whether the collector runs: its own `enabled`, else its default unless defaults are switched off.
    #[must_use]
    pub fn enables(&self, collector: &str, default: bool) -> bool {
        let is_true = |path: &str| self.get(path).and_then(Value::as_bool);
        is_true(&format!("collector.{collector}.enabled"))
            .unwrap_or(default && is_true("collector.disable_defaults") != Some(true))
    }

    /// Sets one value, as a file, a flag or the environment does, after it was checked.
    pub fn set(&mut self, path: &str, value: Value) {
        self.values.insert(path.to_owned(), value);
    }

    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }
}
