//! The tables of the config file that belong to no collector.

use super::{CONFIG_VERSION, PRESETS, Problem, Schema, Setting, schema::choice, section};
use std::{path::PathBuf, time::Duration};
use toml::Value;

section! {
    /// Above the first table.
    pub struct Top {
        /// The format of this file. A hostlens that does not know it yet refuses it.
        config_version: Version = CONFIG_VERSION.cast_signed() => "config.version",
        /// A set of values to start from: node_exporter, kubernetes, minimal or all-safe.
        preset: Preset = "node_exporter" => "preset",
        /// More files, relative to this one; `*` and `?` stand for any letters. What they set wins over this file.
        include: Vec<String> = Value::Array(Vec::new()) => "config.include",
        /// Reads the files again when they change.
        auto_reload: bool = true => "config.auto-reload",
    }
}

section! {
    /// `[web]`
    pub struct Web {
        /// Addresses to serve on: `:9100` (all, IPv4 and IPv6), `127.0.0.1:9100`, `[::1]:9100`.
        listen_address: Vec<String> = vec![":9100".to_owned()],
        /// Path of the metrics.
        telemetry_path: String = "/metrics",
    }
}

section! {
    /// `[path]`
    pub struct Paths {
        /// Where procfs is mounted.
        procfs: PathBuf = "/proc",
        /// Where sysfs is mounted.
        sysfs: PathBuf = "/sys",
        /// Where the host's root file system is mounted.
        rootfs: PathBuf = "/",
        /// Where udev keeps what it knows of devices.
        udev_data: PathBuf = "/run/udev/data" => "path.udev.data",
    }
}

choice! {
    /// The least severity that is logged.
    pub enum LogLevel { Debug = "debug", Info = "info", Warn = "warn", Error = "error" }
}

choice! {
    pub enum LogFormat { Logfmt = "logfmt", Json = "json" }
}

section! {
    /// `[log]`
    pub struct Log {
        /// Least severity that is written: debug, info, warn or error.
        level: LogLevel = "info",
        /// logfmt or json.
        format: LogFormat = "logfmt",
    }
}

section! {
    /// `[scrape]`
    pub struct Scrape {
        /// How long before the scraper's own timeout the answer is sent.
        deadline_offset: Duration = "500ms",
        /// How long a scrape may take when the scraper does not say.
        default_timeout: Duration = "10s",
    }
}

section! {
    /// `[collector]`
    pub struct Collectors {
        /// Switches off all collectors that are not asked for by name.
        disable_defaults: bool = false,
    }
}

/// Adds the tables that belong to no collector.
pub fn add_general_tables(schema: &mut Schema) {
    schema.add::<Top>("", "The file itself");
    schema.add::<Web>("web", "HTTP server");
    schema.add::<Paths>("path", "Where the host is mounted, as hostlens sees it");
    schema.add::<Log>("log", "Log on stderr");
    schema.add::<Scrape>("scrape", "How collectors are run");
    schema.add::<Collectors>("collector", "Collectors");
}

/// A version of the file's format.
#[derive(Debug)]
pub struct Version;

impl Setting for Version {
    const KIND: &'static str = "integer";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        match u64::from_value(value)? {
            1..=CONFIG_VERSION => Ok(Self),
            0 => Err(Problem::new("versions count from 1")),
            newer => Err(Problem::new(format!(
                "the file is in format {newer}, this hostlens ({}) knows formats up to {CONFIG_VERSION}: update it",
                env!("CARGO_PKG_VERSION"),
            ))),
        }
    }
}

/// The name of a preset.
#[derive(Debug)]
pub struct Preset(pub &'static str);

impl Setting for Preset {
    const KIND: &'static str = "string";
    const CHOICES: &'static [&'static str] = &{
        let mut names = [""; PRESETS.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = PRESETS[index].0;
            index += 1;
        }
        names
    };

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let name = String::from_value(value)?;
        let known = Self::CHOICES.iter().find(|known| **known == name);
        known.map(|name| Self(name)).ok_or_else(|| Problem::not_among(&name, Self::CHOICES))
    }
}
