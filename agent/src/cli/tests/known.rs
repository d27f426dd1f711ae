//! The collectors of node_exporter 1.12 on Linux with their defaults and keys, as its own help has them. Ours are
//! declared where they are built; a test holds the two together.

use crate::{
    collectors::node_exporter::DISKS_LEFT_OUT,
    config::{Key, Pattern, keys},
};
use std::{path::PathBuf, time::Duration};
use toml::Value;

/// A collector of node_exporter.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// By default.
    pub(super) enabled: bool,
    pub(super) keys: &'static [Key],
}

/// `name = on by default { keys }`
macro_rules! known {
    ($($name:ident = $enabled:literal { $($keys:tt)* })*) => {
        pub(super) static KNOWN: &[Known] =
            &[$(Known { name: stringify!($name), enabled: $enabled, keys: keys! { $($keys)* } }),*];
    };
}

known! {
    arp = true {
        /// Regex over interfaces to keep.
        device_include: Option<Pattern> = "",
        /// Regex over interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Asks netlink instead of reading /proc/net/arp.
        netlink: bool = true,
    }
    bcache = true {
        /// Shows priority statistics too, which are slow to read.
        priority_stats: bool = false => "collector.bcache.priorityStats",
    }
    bcachefs = true {}
    bonding = true {}
    btrfs = true {}
    buddyinfo = false {}
    cgroups = false {}
    conntrack = true {}
    cpu = true {
        /// Shows time spent in guests.
        guest: bool = true,
        /// Shows what each CPU is.
        info: bool = false,
        /// Regex over CPU flags to show.
        info_flags_include: Option<Pattern> = "" => "collector.cpu.info.flags-include",
        /// Regex over CPU bugs to show.
        info_bugs_include: Option<Pattern> = "" => "collector.cpu.info.bugs-include",
    }
    cpu_vulnerabilities = false {}
    cpufreq = true {}
    diskstats = true {
        /// Regex over devices to leave out.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Regex over devices to keep.
        device_include: Option<Pattern> = "",
    }
    dmi = true {}
    dmmultipath = true {}
    drbd = false {}
    drm = false {}
    edac = true {}
    entropy = true {}
    ethtool = false {
        /// Regex over interfaces to keep.
        device_include: Option<Pattern> = "",
        /// Regex over interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Regex over statistics to show.
        metrics_include: Pattern = ".*",
    }
    fibrechannel = true {}
    filefd = true {}
    filesystem = true {
        /// Regex over mount points to leave out.
        mount_points_exclude: Option<Pattern> = r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        /// Regex over mount points to keep.
        mount_points_include: Option<Pattern> = "",
        /// Regex over file system types to leave out.
        fs_types_exclude: Option<Pattern> = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        /// Regex over file system types to keep.
        fs_types_include: Option<Pattern> = "",
        /// How long a mount may take to answer.
        mount_timeout: Duration = "5s",
        /// How many mounts are asked at once.
        stat_workers: u64 = 4,
    }
    hwmon = true {
        /// Regex over chips to keep.
        chip_include: Option<Pattern> = "",
        /// Regex over chips to leave out.
        chip_exclude: Option<Pattern> = "",
        /// Regex over sensors, as `chip;sensor` to keep.
        sensor_include: Option<Pattern> = "",
        /// Regex over sensors, as `chip;sensor` to leave out.
        sensor_exclude: Option<Pattern> = "",
    }
    infiniband = true {
        /// Regex over devices to keep.
        device_include: Option<Pattern> = "",
        /// Regex over devices to leave out.
        device_exclude: Option<Pattern> = "",
    }
    interrupts = false {
        /// Regex over interrupts, as `name;info;devices` to keep.
        name_include: Option<Pattern> = "",
        /// Regex over interrupts, as `name;info;devices` to leave out.
        name_exclude: Option<Pattern> = "",
        /// Shows interrupts that never came.
        include_zeros: bool = true,
    }
    ipvs = true {
        /// Labels that tell backends apart.
        backend_labels: Vec<String> = vec!["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"],
    }
    kernel_hung = true {}
    ksmd = false {}
    lnstat = false {}
    loadavg = true {}
    logind = false {}
    mdadm = true {}
    meminfo = true {}
    meminfo_numa = false {}
    mountstats = false {}
    netclass = true {
        /// Regex over interfaces to leave out.
        ignored_devices: Option<Pattern> = "^$",
        /// Leaves out a speed that is not known.
        ignore_invalid_speed: bool = false,
        /// Asks netlink instead of reading sysfs.
        netlink: bool = false,
        /// Shows interface counters too, in place of netdev.
        rtnl_with_stats: bool = false => "collector.netclass_rtnl.with-stats",
    }
    netdev = true {
        /// Regex over interfaces to keep.
        device_include: Option<Pattern> = "",
        /// Regex over interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Shows the addresses of each interface.
        address_info: bool = false,
        /// Shows the kernel's own, finer counters.
        enable_detailed_metrics: bool = false,
        /// Asks netlink instead of reading /proc/net/dev.
        netlink: bool = true,
        /// Adds the interface's alias as a label.
        label_ifalias: bool = false,
    }
    netstat = true {
        /// Regex over counters to show.
        fields: Pattern = "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    }
    network_route = false {}
    nfs = true {}
    nfsd = true {}
    ntp = false {
        /// Server to ask.
        server: String = "127.0.0.1",
        /// UDP port of the server.
        server_port: u64 = 123,
        /// Version of NTP to speak.
        protocol_version: u64 = 4,
        /// Says that the server is no public one.
        server_is_local: bool = false,
        /// TTL of the packets.
        ip_ttl: u64 = 1,
        /// Greatest distance to the root.
        max_distance: Duration = "3.46608s",
        /// Greatest offset of the local clock.
        local_offset_tolerance: Duration = "1ms",
    }
    nvme = true {}
    nvmesubsystem = false {}
    os = true {}
    pcidevice = false {
        /// Names the devices; needs pci.ids.
        names: bool = false,
        /// Where pci.ids is.
        idsfile: PathBuf = "",
    }
    perf = false {
        /// CPUs to watch, such as `0-3:2`; all when empty.
        cpus: String = "",
        /// Tracepoints to count, as `subsystem:event`.
        tracepoint: Vec<String> = Value::Array(Vec::new()),
        /// Leaves out hardware counters.
        disable_hardware_profilers: bool = false,
        /// Hardware counters to use; all when empty.
        hardware_profilers: Vec<String> = Value::Array(Vec::new()),
        /// Leaves out software counters.
        disable_software_profilers: bool = false,
        /// Software counters to use; all when empty.
        software_profilers: Vec<String> = Value::Array(Vec::new()),
        /// Leaves out cache counters.
        disable_cache_profilers: bool = false,
        /// Cache counters to use; all when empty.
        cache_profilers: Vec<String> = Value::Array(Vec::new()),
    }
    powersupplyclass = true {
        /// Regex over supplies to leave out.
        ignored_supplies: Pattern = "^$" => "collector.powersupply.ignored-supplies",
    }
    pressure = true {}
    processes = false {}
    qdisc = false {
        /// Regex over interfaces to keep.
        device_include: Option<Pattern> = "",
        /// Regex over interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Folder to read in place of asking netlink.
        fixtures: PathBuf = "",
    }
    rapl = true {
        /// Names the zone in a label, not in the metric.
        enable_zone_label: bool = false,
    }
    runit = false {
        /// Where runit's services are.
        servicedir: PathBuf = "/etc/service",
    }
    schedstat = true {}
    selinux = true {}
    slabinfo = false {
        /// Regex over slabs to show.
        slabs_include: Option<Pattern> = ".*",
        /// Regex over slabs to leave out.
        slabs_exclude: Option<Pattern> = "",
    }
    sockstat = true {}
    softirqs = false {}
    softnet = true {}
    stat = true {
        /// Shows softirqs by vector.
        softirq: bool = false,
    }
    supervisord = false {
        /// Where supervisord's XML-RPC is.
        url: String = "http://localhost:9001/RPC2",
    }
    swap = false {}
    sysctl = false {
        /// Sysctls with numbers to show, as `name` or `name:first,second`.
        include: Vec<String> = Value::Array(Vec::new()),
        /// Sysctls with texts to show.
        include_info: Vec<String> = Value::Array(Vec::new()),
    }
    systemd = false {
        /// Regex over units to show; matches whole names.
        unit_include: Pattern = ".+",
        /// Regex over units to leave out; matches whole names.
        unit_exclude: Option<Pattern> = r".+\.(automount|device|mount|scope|slice)",
        /// Shows the number of tasks of each unit.
        enable_task_metrics: bool = false,
        /// Shows restarts of each unit.
        enable_restarts_metrics: bool = false,
        /// Shows when each unit started.
        enable_start_time_metrics: bool = false,
        /// Asks systemd itself instead of the system bus.
        private: bool = false,
    }
    tapestats = true {
        /// Regex over devices to leave out.
        ignored_devices: Pattern = "^$",
    }
    tcpstat = false {}
    textfile = true {
        /// Folders with *.prom files; may have wildcards.
        directory: Vec<String> = Value::Array(Vec::new()),
    }
    thermal_zone = true {}
    time = true {}
    timex = true {}
    udp_queues = true {}
    uname = true {}
    vmstat = true {
        /// Regex over counters to show.
        fields: Pattern = "^(oom_kill|pgpg|pswp|pg.*fault).*",
    }
    watchdog = true {}
    wifi = false {
        /// Folder to read in place of asking netlink.
        fixtures: PathBuf = "",
    }
    xfrm = false {}
    xfs = true {}
    zfs = true {}
    zoneinfo = false {}
}
