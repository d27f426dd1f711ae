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
const EXCEPTIONS: &[Exception] = &[
    Exception {
        collector: "cgroup_usage",
        wound: "sys/dev/block/",
        family: "container_fs_",
        why: "A disk that sysfs does not know keeps its number for a name.",
    },
    Exception {
        collector: "cgroup_usage",
        wound: "var/log/containers/",
        family: "container_",
        why: "Where a container's name is not to be known, its id stands in.",
    },
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
        collector: "lnstat",
        wound: ": doubled",
        family: "node_lnstat_",
        why: "The place of a line alone tells the CPU.",
    },
    Exception {
        collector: "lnstat",
        wound: ": removed",
        family: "node_lnstat_",
        why: "The place of a line alone tells the CPU.",
    },
    Exception {
        collector: "mountstats",
        wound: "xprt:",
        family: "node_mountstats_nfs_transport_",
        why: "Connections are numbered by their lines.",
    },
    Exception {
        collector: "drbd",
        wound: "cs:Connected",
        family: "node_drbd_",
        why: "What a device counts stands below its line.",
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
        collector: "softnet",
        wound: "softnet_stat: ",
        family: "node_softnet_",
        why: "A column that the kernel lacks is 0 as long as there is a line, as in node_exporter.",
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
    Exception {
        collector: "tcpstat",
        wound: "proc/net/tcp",
        family: "node_tcp_connection_states",
        why: "Where the state of one socket is not known, no count of any state is.",
    },
    Exception {
        collector: "wifi",
        wound: ".json",
        family: "node_wifi_",
        why: "A text in JSON is read as a whole, or not at all.",
    },
    Exception {
        collector: "qdisc",
        wound: "results.json",
        family: "node_qdisc_",
        why: "A text in JSON is read as a whole, or not at all.",
    },
    Exception {
        collector: "runit",
        wound: "supervise/status",
        family: "node_service_state",
        why: "A record of 20 bytes is read as a whole or not at all.",
    },
    Exception {
        collector: "runit",
        wound: "supervise/status",
        family: "node_service_desired_state",
        why: "A record of 20 bytes is read as a whole or not at all.",
    },
    Exception {
        collector: "runit",
        wound: "down: removed",
        family: "node_service_normal_state",
        why: "A service that has no such file is to be up.",
    },
    Exception {
        collector: "textfile",
        wound: "one.prom",
        family: "one",
        why: "A file is read as a whole or not at all, as in node_exporter.",
    },
    Exception {
        collector: "textfile",
        wound: "two.prom",
        family: "two",
        why: "A file is read as a whole or not at all, as in node_exporter.",
    },
    Exception {
        collector: "textfile",
        wound: ".prom",
        family: "node_textfile_",
        why: "They tell of the file itself, and whether it could be read.",
    },
    Exception {
        collector: "textfile",
        wound: ".prom",
        family: "hostlens_textfile_error",
        why: "It tells what is wrong with a file.",
    },
];

/// What lets the wound harm the family.
pub(super) fn exception(collector: &str, wound: &str, family: &str) -> Option<&'static Exception> {
    EXCEPTIONS
        .iter()
        .find(|it| it.collector == collector && wound.contains(it.wound) && family.starts_with(it.family))
}

#[test]
fn each_exception_has_its_reason() {
    for exception in EXCEPTIONS {
        assert!(exception.why.ends_with('.'), "{}: {}", exception.collector, exception.wound);
    }
}
