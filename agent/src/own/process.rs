//! `process_*`, as `client_golang` has them: always of the real `/proc/self`, wherever the config says procfs is.
//! See proc_pid_stat(5), proc_pid_net(5) and getrlimit(2). What cannot be read is left out.

use crate::{
    metric::{Families, Meta, metrics},
    source::{self, File, ip_octets::IpOctets},
};
use rustix::process::{Resource, getrlimit};
use std::fs;

metrics! {
    CPU: Counter "process_cpu_seconds_total" [], "CPU time of hostlens, in seconds.";
    RESIDENT: Gauge "process_resident_memory_bytes" [], "Memory of hostlens that is in RAM.";
    VIRTUAL: Gauge "process_virtual_memory_bytes" [], "Address space of hostlens.";
    START: Gauge "process_start_time_seconds" [], "Unix time at which hostlens started.";
    OPEN_FDS: Gauge "process_open_fds" [], "Descriptors that hostlens has open.";
    MAX_FDS: Gauge "process_max_fds" [], "Descriptors that hostlens may have open.";
    MAX_VIRTUAL: Gauge "process_virtual_memory_max_bytes" [], "Address space that hostlens may have.";
    RECEIVED: Counter "process_network_receive_bytes_total" [], "IP bytes that came in, in the network namespace of hostlens.";
    SENT: Counter "process_network_transmit_bytes_total" [], "IP bytes that went out, in the network namespace of hostlens.";
}

pub(crate) const FAMILIES: &[Meta] = METRICS;

#[derive(Debug)]
pub(super) struct Process {
    /// Unix time. Found out once: the kernel counts all interrupts to write the file that holds it.
    boot_time: Option<f64>,
    stat: File,
    octets: IpOctets,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            boot_time: boot_time(),
            stat: File::new("/proc/self/stat".into()),
            octets: IpOctets::default(),
        }
    }

    /// Pushes all that can be read into `out`, which is of [`FAMILIES`].
    pub(super) fn push(&mut self, out: &mut Families) {
        if let Some(it) = self.stat.read().ok().and_then(Stat::parse) {
            out.push(CPU, (), it.cpu_seconds);
            out.push(RESIDENT, (), it.resident_bytes);
            out.push(VIRTUAL, (), it.virtual_bytes);
            out.push(START, (), self.boot_time.map(|boot| boot + it.start_after_boot));
        }
        out.push(OPEN_FDS, (), n_open_descriptors());
        out.push(MAX_FDS, (), limit(Resource::Nofile));
        out.push(MAX_VIRTUAL, (), limit(Resource::As));
        if let Some([received, sent]) = self.octets.read() {
            out.push_since(RECEIVED, (), received, None);
            out.push_since(SENT, (), sent, None);
        }
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
    fn parse(text: &[u8]) -> Option<Self> {
        // The command's name may hold anything, a parenthesis too.
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields: Vec<f64> =
            source::words(&text[after_name..]).skip(1).map_while(source::decimal).collect();
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
    Stat::parse(&fs::read("/proc/self/stat").ok()?).map(|it| it.start_after_boot)
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
