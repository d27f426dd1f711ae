//! Where a wound may cost more than what comes from it.

pub(super) struct Exception {
    pub(super) collector: &'static str,
    /// A part of the wound's description.
    pub(super) wound: &'static str,
    /// What the names of the families that suffer begin with.
    pub(super) family: &'static str,
    pub(super) why: &'static str,
}

/// All that is known, and why it cannot be otherwise.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        collector: "diskstats",
        wound: "/queue/rotational",
        family: "node_disk_info",
        why: "A disk of which it is not known counts as one that does not turn, as node_exporter has it.",
    },
    Exception {
        collector: "diskstats",
        wound: "ID_SERIAL_SHORT",
        family: "node_disk_info",
        why: "The serial number is looked for in three places.",
    },
    Exception {
        collector: "fibrechannel",
        wound: "0xffffffffffffffff",
        family: "node_fibrechannel_",
        why: "All ones say that there is no count; what is cut off them looks like one.",
    },
    Exception {
        collector: "dmmultipath",
        wound: "/device/state",
        family: "node_dmmultipath_device_paths_",
        why: "A path whose state is not known counts neither as active nor as failed.",
    },
    Exception {
        collector: "nvme",
        wound: "/ana_state",
        family: "node_nvme_namespace_info",
        why: "Without a state it is called unknown, as node_exporter has it.",
    },
    Exception {
        collector: "nvmesubsystem",
        wound: "/state",
        family: "node_nvmesubsystem_path",
        why: "The states of a path are all told by one word; a path without one is not live.",
    },
    Exception {
        collector: "bcachefs",
        wound: "/io_done, line",
        family: "node_bcachefs_device_io_done_bytes_total",
        why: "What is read and what is written stands below a heading.",
    },
    Exception {
        collector: "btrfs",
        wound: "/metadata_uuid",
        family: "node_btrfs_",
        why: "Without it the folder's name is the UUID: so it is before Linux 5.0.",
    },
    Exception {
        collector: "btrfs",
        wound: "/commit_stats: removed",
        family: "node_btrfs_",
        why: "Before Linux 6.0 there is none, and node_exporter has 0.",
    },
    Exception {
        collector: "edac",
        wound: "/ch0_dimm_label",
        family: "node_edac_channel_",
        why: "A label that cannot be read is called unknown, as node_exporter has it.",
    },
    Exception {
        collector: "hwmon",
        wound: "/name",
        family: "node_hwmon_",
        why: "Chips are named after their devices; the driver's name tells those of one device apart.",
    },
    Exception {
        collector: "hwmon",
        wound: "/device",
        family: "node_hwmon_",
        why: "Chips are named after their devices, and without one after their driver.",
    },
    Exception {
        collector: "hwmon",
        wound: "sys/class/hwmon/hwmon1: ",
        family: "node_hwmon_",
        why: "Without the other chip of its device, a chip has the device's name for itself.",
    },
    Exception {
        collector: "mdadm",
        wound: "/md/level: ",
        family: "node_md_degraded",
        why: "Whether an array can lack disks is known by its level.",
    },
    Exception {
        collector: "hwmon",
        wound: "/pwm1: ",
        family: "node_hwmon_pwm",
        why: "A sensor's input has the sensor's name where there is no file of that name.",
    },
    Exception {
        collector: "hwmon",
        wound: "_label",
        family: "node_hwmon_freq",
        why: "A clock is named by its label.",
    },
    Exception {
        collector: "rapl",
        wound: "/name",
        family: "node_rapl_",
        why: "Zones of one name are numbered in their order.",
    },
];

/// Collectors that are not held to it yet, but for panics. Take a name away, run that collector's tests, and see what
/// there is to mend.
#[rustfmt::skip]
pub(super) const UNMENDED: &[&str] = &[
    "cpu",
    "cpu_vulnerabilities",
    "cpufreq",
    "interrupts",
    "softirqs",
    "cgroups",
    "entropy",
    "os",
    "pressure",
    "processes",
    "selinux",
    "stat",
    "sysctl",
    "buddyinfo",
    "meminfo",
    "meminfo_numa",
    "slabinfo",
    "swap",
    "vmstat",
    "zoneinfo",
    "arp",
    "bonding",
    "conntrack",
    "infiniband",
    "ipvs",
    "netclass",
    "netdev",
    "netstat",
    "sockstat",
    "softnet",
    "udp_queues",
];

#[test]
fn each_exception_has_its_reason() {
    for exception in EXCEPTIONS {
        assert!(exception.why.ends_with('.'), "{}: {}", exception.collector, exception.wound);
    }
}
