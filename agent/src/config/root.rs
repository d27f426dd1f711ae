//! The tables of the config file that belong to no collector.

use super::section;
use std::{path::PathBuf, time::Duration};

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

section! {
    /// `[log]`
    pub struct Log {
        /// Least severity that is written: debug, info, warn or error.
        level: String = "info",
        /// logfmt or json.
        format: String = "logfmt",
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
