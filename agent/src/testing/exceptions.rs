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
pub(super) const EXCEPTIONS: &[Exception] = &[];

/// Collectors that are not held to it yet, but for panics. Take a name away, run that collector's tests, and see what
/// there is to mend.
#[rustfmt::skip]
pub(super) const UNMENDED: &[&str] = &[
    "cpu",
    "cpu_vulnerabilities",
    "cpufreq",
    "interrupts",
    "softirqs",
    "diskstats",
    "dmmultipath",
    "fibrechannel",
    "mdadm",
    "nvme",
    "nvmesubsystem",
    "bcache",
    "bcachefs",
    "btrfs",
    "xfs",
    "zfs",
    "dmi",
    "drm",
    "edac",
    "hwmon",
    "pcidevice",
    "powersupplyclass",
    "rapl",
    "thermal_zone",
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
