//! `process_*`, as `client_golang` has them: always of the real `/proc/self`, wherever the config says procfs is.
//! See proc_pid_stat(5), proc_pid_net(5) and getrlimit(2). What cannot be read is left out.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::process::{Resource, getrlimit};
use std::{fmt, fs};

#[derive(Debug)]
pub(super) struct Process {
    /// Unix time. Found out once: the kernel counts all interrupts to write the file that holds it.
    boot_time: Option<f64>,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { boot_time: boot_time() }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Encoder(encoder);
        if let Some(it) = Stat::read() {
            out.counter("process_cpu_seconds", "CPU time of hostlens, in seconds.", it.cpu_seconds)?;
            out.gauge(
                "process_resident_memory_bytes",
                "Memory of hostlens that is in RAM.",
                it.resident_bytes,
            )?;
            out.gauge("process_virtual_memory_bytes", "Address space of hostlens.", it.virtual_bytes)?;
            if let Some(boot) = self.boot_time {
                let start = boot + it.start_after_boot;
                out.gauge("process_start_time_seconds", "Unix time at which hostlens started.", start)?;
            }
        }
        if let Some(n_open) = n_open_descriptors() {
            out.gauge("process_open_fds", "Descriptors that hostlens has open.", n_open)?;
        }
        out.gauge("process_max_fds", "Descriptors that hostlens may have open.", limit(Resource::Nofile))?;
        let max = limit(Resource::As);
        out.gauge("process_virtual_memory_max_bytes", "Address space that hostlens may have.", max)?;
        if let Some([received, sent]) = network_bytes() {
            let help = "IP bytes that came in, in the network namespace of hostlens.";
            out.counter("process_network_receive_bytes", help, received)?;
            let help = "IP bytes that went out, in the network namespace of hostlens.";
            out.counter("process_network_transmit_bytes", help, sent)?;
        }
        Ok(())
    }
}

struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }
}

struct Stat {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    /// In seconds.
    start_after_boot: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The command's name may hold anything, a parenthesis too.
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<f64> =
            after_name.split_ascii_whitespace().skip(1).map_while(|it| it.parse().ok()).collect();
        // Numbered from 1 in the man page; the first one here is field 4.
        let field = |number: usize| fields.get(number - 4).copied();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            start_after_boot: field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * rustix::param::page_size() as f64,
        })
    }
}

/// When hostlens began, in seconds after the boot.
pub(super) fn start() -> Option<f64> {
    Stat::read().map(|it| it.start_after_boot)
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())
}

/// The folder's size is their number since Linux 6.2, and 0 before.
fn n_open_descriptors() -> Option<f64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64 - 1.0),
        n_open => Some(n_open as f64),
    }
}

/// Unlimited is 2⁶⁴ − 1, as the system call has it.
fn limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

/// `InOctets` and `OutOctets` of `IpExt`: a line of names, then one of values.
fn network_bytes() -> Option<[f64; 2]> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |name| names.split(' ').zip(values.split(' ')).find(|(it, _)| *it == name)?.1.parse().ok();
    Some([value("InOctets")?, value("OutOctets")?])
}
