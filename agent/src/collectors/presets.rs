//! What each preset sets.

use crate::config::Preset;
use toml::Value;

/// Interfaces that container networks make: one for each pod, or one for each node and tunnel.
const POD_INTERFACES: &[&str] = &[
    "veth.*",
    "cali.*",
    "lxc.*",
    "cilium_.*",
    "tunl.*",
    "nodelocaldns",
    "kube-ipvs0",
    "[0-9a-f]{15}",
    "enP.*",
];

/// node_exporter's own list, and the mounts of containerd and kubelet.
const POD_MOUNTS: &str = r"^/(dev|proc|run/credentials/.+|run/k3s/containerd/.+|run/containerd/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/.+)($|/)";

/// node_exporter's own list, and where Debian's systems mount what comes and goes.
const DEBIAN_MOUNTS: &str =
    r"^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

/// Where Debian's node_exporter looks for text files when it is not told where to.
pub const DEBIANS_TEXTFILES: &str = "/var/lib/prometheus/node-exporter";

const MINIMAL: &[&str] = &[
    "cpu",
    "diskstats",
    "filesystem",
    "loadavg",
    "meminfo",
    "netdev",
    "os",
    "stat",
    "textfile",
    "time",
    "uname",
    "vmstat",
];

const SAFE: &[&str] = &[
    "buddyinfo",
    "cgroups",
    "cpu_vulnerabilities",
    "drbd",
    "drm",
    "interrupts",
    "ksmd",
    "lnstat",
    "meminfo_numa",
    "mountstats",
    "network_route",
    "nvmesubsystem",
    "processes",
    "qdisc",
    "softirqs",
    "swap",
    "tcpstat",
    "xfrm",
    "zoneinfo",
];

/// Keys by their full paths.
pub(super) fn values(preset: Preset) -> Vec<(String, Value)> {
    let enabled = |names: &[&str]| -> Vec<(String, Value)> {
        names.iter().map(|it| (format!("collector.{it}.enabled"), true.into())).collect()
    };
    match preset {
        Preset::Debian => vec![
            ("collector.filesystem.mount_points_exclude".to_owned(), DEBIAN_MOUNTS.into()),
            ("collector.systemd.enabled".to_owned(), true.into()),
            ("collector.textfile.directory".to_owned(), vec![DEBIANS_TEXTFILES].into()),
        ],
        Preset::Kubernetes => vec![
            ("collector.cgroup_usage.enabled".to_owned(), true.into()),
            ("collector.oom_kills.by".to_owned(), vec!["pod"].into()),
            ("collector.netdev.device_exclude".to_owned(), POD_INTERFACES.to_vec().into()),
            ("collector.netclass.ignored_devices".to_owned(), POD_INTERFACES.to_vec().into()),
            ("collector.filesystem.mount_points_exclude".to_owned(), POD_MOUNTS.into()),
        ],
        Preset::Minimal => {
            let mut values = enabled(MINIMAL);
            values.push(("collector.disable_defaults".to_owned(), true.into()));
            values
        }
        Preset::AllSafe => enabled(SAFE),
        Preset::NodeExporter => Vec::new(),
    }
}
