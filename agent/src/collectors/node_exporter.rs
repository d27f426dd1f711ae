//! What node_exporter 1.12 on Linux gives to several collectors, and its command line: keys that exclude each other, and
//! its old and odd flags.

use crate::{
    config::{Alias, Meaning},
    metric::{Kind, Shared},
};

pub(crate) static CPU_FREQUENCY: Shared = Shared {
    name: "node_cpu_frequency_hertz",
    kind: Kind::Gauge,
    help: "Clock frequency of each CPU as the hardware or /proc/cpuinfo tells it, in hertz.",
};

/// The devices that collectors of disks leave out by default: partitions, and RAM, loop and floppy disks.
pub(crate) const DISKS_LEFT_OUT: &str = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$";

/// Keys that exclude each other, by collector.
pub const EXCLUSIVE: &[(&str, &[(&str, &str)])] = &[
    ("block_bio", &[("device_include", "device_exclude")]),
    ("block_io", &[("device_include", "device_exclude")]),
    ("block_io_stages", &[("device_include", "device_exclude")]),
    ("cgroup_usage", &[("id_include", "id_exclude")]),
    ("diskstats", &[("device_include", "device_exclude")]),
    (
        "filesystem",
        &[("mount_points_include", "mount_points_exclude"), ("fs_types_include", "fs_types_exclude")],
    ),
    ("netdev", &[("device_include", "device_exclude")]),
    ("qdisc", &[("device_include", "device_exclude")]),
];

const NOT_LINUX: &str = "the collector reads another kernel than Linux";

/// Flags of node_exporter that are no key's own.
pub const ALIASES: &[Alias] = &[
    renamed("collector.diskstats.ignored-devices", "collector.diskstats.device_exclude"),
    renamed("collector.filesystem.ignored-mount-points", "collector.filesystem.mount_points_exclude"),
    renamed("collector.filesystem.ignored-fs-types", "collector.filesystem.fs_types_exclude"),
    renamed("collector.netdev.device-blacklist", "collector.netdev.device_exclude"),
    renamed("collector.netdev.device-whitelist", "collector.netdev.device_include"),
    renamed("collector.qdisk.device-exclude", "collector.qdisc.device_exclude"),
    renamed("collector.qdisk.device-include", "collector.qdisc.device_include"),
    renamed("collector.systemd.unit-blacklist", "collector.systemd.unit_exclude"),
    renamed("collector.systemd.unit-whitelist", "collector.systemd.unit_include"),
    renamed("web.config", "web.config_file"),
    ignored("runtime.gomaxprocs", true, "hostlens has no Go runtime"),
    ignored("collector.boottime", false, NOT_LINUX),
    ignored("collector.devstat", false, NOT_LINUX),
    ignored("collector.exec", false, NOT_LINUX),
    ignored("collector.netisr", false, NOT_LINUX),
    ignored("collector.partition", false, NOT_LINUX),
    ignored("collector.thermal", false, NOT_LINUX),
];

const fn renamed(flag: &'static str, path: &'static str) -> Alias {
    Alias { flag, takes_value: true, meaning: Meaning::Renamed(path) }
}

const fn ignored(flag: &'static str, takes_value: bool, why: &'static str) -> Alias {
    Alias { flag, takes_value, meaning: Meaning::Ignored(why) }
}
