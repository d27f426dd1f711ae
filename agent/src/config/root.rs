//! The tables of the config file that belong to no collector.

use super::{Preset, Problem, Schema, Setting, Web, WebAuth, WebRateLimit, WebTls, choice, section};
use std::{path::PathBuf, time::Duration};
use toml::Value;

/// The version of the file's format that this hostlens reads.
pub const CONFIG_VERSION: u64 = 1;

section! {
    /// The file itself
    #[expect(dead_code, reason = "most are needed before there is a config, and read by their paths")]
    pub struct Top = "" {
        /// The format of this file. A hostlens that does not know it yet refuses it.
        config_version: Version = CONFIG_VERSION.cast_signed() => "",
        /// A set of values to start from: node_exporter, debian, kubernetes, minimal or all-safe.
        preset: Preset = "node_exporter" => "preset",
        /// More files, relative to this one; `*` and `?` stand for any letters. What they set wins over this file.
        include: Vec<String> = Value::Array(Vec::new()) => "",
        /// Reads the files again when they change, at most ten seconds later.
        auto_reload: bool = true => "config.auto-reload",
        /// Waits a random time up to this before opening collectors at start (not where no probe may be loaded) and before
        /// reading changed files, so that a fleet does not load its probes at once.
        jitter: Duration = "0" => "config.jitter",
    }
}

section! {
    /// Where the host is mounted, as hostlens sees it
    pub struct Paths = "path" {
        /// Where procfs is mounted.
        procfs: PathBuf = "/proc",
        /// Where sysfs is mounted.
        sysfs: PathBuf = "/sys",
        /// Where the host's root file system is mounted.
        rootfs: PathBuf = "/",
        /// Where udev keeps what it knows of devices.
        udev_data: PathBuf = "/run/udev/data" => "path.udev.data",
        /// Whose network the files of `<procfs>/net` show: `self` (as node_exporter), `pid1` (the host's, from inside
        /// a container that has a network of its own), or `auto`: pid1 where the two differ.
        network_namespace: NetworkNamespace = "auto",
    }
}

choice! {
    /// Whose network namespace the files of procfs are read for.
    pub enum NetworkNamespace {
        Auto = "auto",
        Own = "self",
        Pid1 = "pid1",
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
    /// Log on stderr
    pub struct Log = "log" {
        /// Least severity that is written: debug, info, warn or error.
        level: LogLevel = "info",
        /// logfmt or json.
        format: LogFormat = "logfmt",
    }
}

section! {
    /// How collectors are run
    pub struct Scrape = "scrape" {
        /// How long before the scraper's own timeout the answer is sent.
        deadline_offset: Duration = "500ms",
        /// How long a scrape may take when the scraper does not say.
        default_timeout: Duration = "10s",
    }
}

section! {
    /// Collectors
    pub struct Collectors = "collector" {
        /// Switches off all collectors that are not asked for by name.
        disable_defaults: bool = false,
    }
}

choice! {
    /// Whether collectors may load probes.
    pub enum UseProbes {
        /// Those that kernel and privileges allow; the others are unavailable, with the reason.
        Auto = "auto",
        Never = "never",
    }
}

choice! {
    /// Bounds of the classic buckets that text formats carry; native histograms have all that the kernel counts.
    pub enum ClassicBuckets {
        Pow2 = "pow2",
        Pow4 = "pow4",
    }
}

section! {
    /// Probes in the kernel
    pub struct Ebpf = "ebpf" {
        /// auto: load the probes of the enabled collectors where kernel and privileges allow. never: load none; collectors
        /// that read them are off, but for those that are switched on by name, which say that they cannot run.
        enabled: UseProbes = "auto",
        /// File with the kernel's BTF; empty: /sys/kernel/btf/vmlinux.
        btf_path: PathBuf = "",
        /// Bounds of classic buckets in the text formats: pow4 (each four times the one before) or pow2 (twice as many).
        classic_buckets: ClassicBuckets = "pow4",
        /// KiB of kernel memory that the counts of each of block_io, block_bio and block_io_stages may take. Where that is too little for a set of counters for each CPU, CPUs share them. One set is always made, of twice 2 KiB for each disk and operation (6 KiB for block_io_stages), with room for at least 21 disks.
        max_disk_memory_kib: u64 = 4096,
        /// How much I/O each of block_bio and block_io_stages follows at a time, at least 256 for each CPU; each takes some 100 bytes of kernel memory. Beyond it the oldest is forgotten.
        max_disk_io: u64 = 8192,
    }
}

choice! {
    /// How the cost of probes is known.
    pub enum Measure {
        /// Programs time one run in 128 or so themselves, which takes no privilege.
        Sampled = "sampled",
        Off = "off",
    }
}

choice! {
    /// What is done when probes cost too much.
    pub enum OnExceed {
        Detach = "detach",
        Warn = "warn",
    }
}

section! {
    /// What probes in the kernel may cost
    #[derive(Clone)]
    pub struct Budget = "ebpf.budget" {
        /// Share of the whole machine's CPU time that all probes together may take.
        max_cpu: Share = "1%",
        /// Over how long it is measured; at least 1s. A probe that costs too much is found within two windows.
        window: Window = "30s",
        /// sampled: programs time some of their own runs. off: they do not, and there is no budget.
        measure: Measure = "sampled",
        /// detach: the costliest probe, and the next, until the others fit. warn: say so in the log.
        on_exceed: OnExceed = "detach",
        /// How long a probe stays detached.
        retry_after: Duration = "15m",
    }
}

choice! {
    /// What becomes of the process' capabilities once the collectors are open.
    pub enum Privileges {
        Drop = "drop",
        Retain = "retain",
        Keep = "keep",
    }
}

choice! {
    /// Whether a layer of the sandbox is to be there.
    pub enum Enforce {
        Off = "off",
        BestEffort = "best-effort",
        Require = "require",
    }
}

section! {
    /// Privileges
    pub struct Security = "security" {
        /// Capabilities after start. drop: none but what enabled collectors use at each scrape. retain: the same, but
        /// a reload may raise them again to load probes. keep: all.
        privileges: Privileges = "drop",
        /// Landlock after start: no writing, no executing, no TCP connections. best-effort: as much of it as the kernel
        /// has (Linux 5.13). require: no start without. off: none.
        landlock: Enforce = "best-effort",
        /// A filter of system calls after start: it allows only those that hostlens makes. best-effort, require or off.
        seccomp: Enforce = "best-effort",
    }
}

/// Adds the tables that belong to no collector.
pub fn add_general_tables(schema: &mut Schema) {
    schema.add::<Top>();
    schema.add::<Web>();
    schema.add::<WebTls>();
    schema.add::<WebAuth>();
    schema.add::<WebRateLimit>();
    schema.add::<Paths>();
    schema.add::<Log>();
    schema.add::<Scrape>();
    schema.add::<Ebpf>();
    schema.add::<Budget>();
    schema.add::<Security>();
    schema.add::<Collectors>();
}

/// A share of a whole, from 0 to 1: `"0.5%"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Setting for Share {
    const KIND: &'static str = "percentage";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let percent = value.as_str().and_then(|it| it.strip_suffix('%')?.trim_end().parse::<f64>().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent / 100.0)),
            _ => Err(Problem::new(format!(
                "expected a percentage from 0 to 100 as a string with its sign, such as \"0.5%\", found `{value}`"
            ))),
        }
    }
}

/// A time long enough to measure something over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub Duration);

impl Setting for Window {
    const KIND: &'static str = Duration::KIND;

    fn from_value(value: &Value) -> Result<Self, Problem> {
        match Duration::from_value(value)? {
            window if window >= Duration::from_secs(1) => Ok(Self(window)),
            _ => Err(Problem::new(format!("expected 1s or more, found `{value}`"))),
        }
    }
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
