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
        collector: "cpu",
        wound: "cpu0/online",
        family: "node_cpu_online",
        why: "Where the first CPU does not tell, none is shown, as in node_exporter: a sum would miss it.",
    },
    Exception {
        collector: "cpu",
        wound: "cpu0/t",
        family: "node_cpu_core_throttles_total",
        why: "All CPUs of a core count for it: where one does not, the next one does.",
    },
    Exception {
        collector: "cpufreq",
        wound: "cpufreq/scaling_",
        family: "node_cpu_scaling_governor",
        why: "Which governor is in use, and which are not, is known from both files together.",
    },
    Exception {
        collector: "interrupts",
        wound: "interrupts, line 1 ",
        family: "node_interrupts_total",
        why: "The names of the CPUs alone tell where in each row the counts end.",
    },
    Exception {
        collector: "interrupts",
        wound: "acpi\": cut after",
        family: "node_interrupts_total",
        why: "What is left of a name is not what the config leaves out.",
    },
    Exception {
        collector: "bonding",
        wound: "bonding/slaves",
        family: "node_bonding_",
        why: "A bond has as many interfaces as its list has words, whatever they are.",
    },
    Exception {
        collector: "bonding",
        wound: "bonding_slave/mii_status",
        family: "node_bonding_active",
        why: "Where one interface does not tell, nobody knows how many have a link.",
    },
    Exception {
        collector: "ipvs",
        wound: "ip_vs, line",
        family: "node_ipvs_backend_",
        why: "A backend is of the service that stands above it: where that is not known, it is of none.",
    },
    Exception {
        collector: "os",
        wound: "etc/os-release: removed",
        family: "node_os_",
        why: "The vendor's file holds where there is none in /etc.",
    },
    Exception {
        collector: "processes",
        wound: "/stat",
        family: "node_processes_",
        why: "The processes that can be read are counted.",
    },
    Exception {
        collector: "selinux",
        wound: "selinux/enforce",
        family: "node_selinux_",
        why: "That SELinux has a mode at all is told by this file.",
    },
    Exception {
        collector: "selinux",
        wound: "attr/current",
        family: "node_selinux_",
        why: "That there is a policy, and so a mode, is told by this file.",
    },
    Exception {
        collector: "sysctl",
        wound: ": doubled",
        family: "node_sysctl_",
        why: "A setting may have several lines.",
    },
    Exception {
        collector: "netclass",
        wound: "/flags",
        family: "node_network_info",
        why: "Without flags the administrative state is called unknown, as in node_exporter.",
    },
    Exception {
        collector: "softnet",
        wound: " 0 0 0 0 0 ",
        family: "node_softnet_",
        why: "In kernels before 5.10 the place of a line alone tells the CPU.",
    },
    Exception {
        collector: "cpu_vulnerabilities",
        wound: ": cut after",
        family: "node_cpu_vulnerabilities_info",
        why: "A text that begins with no known state is shown whole, as in node_exporter.",
    },
];

/// Collectors that are not held to it yet, but for panics. Take a name away, run that collector's tests, and see what
/// there is to mend.
#[rustfmt::skip]
pub(super) const UNMENDED: &[&str] = &[
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
];

#[test]
fn each_exception_has_its_reason() {
    for exception in EXCEPTIONS {
        assert!(exception.why.ends_with('.'), "{}: {}", exception.collector, exception.wound);
    }
}
