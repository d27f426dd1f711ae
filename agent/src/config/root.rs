//! The tables of the config file that belong to no collector.

use super::{choice, section};
use std::{path::PathBuf, time::Duration};

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
    /// `[ebpf]`
    pub struct Ebpf {
        /// auto: load the probes of the enabled collectors where kernel and privileges allow. never: load none.
        enabled: UseProbes = "auto",
        /// File with the kernel's BTF; empty: /sys/kernel/btf/vmlinux.
        btf_path: PathBuf = "",
        /// Bounds of classic buckets in the text formats: pow2 (each twice the one before) or pow4 (half as many).
        classic_buckets: ClassicBuckets = "pow2",
    }
}
