//! What a host may have nothing for, and how that is seen without the agent.

use std::{fs, path::Path};

use super::{
    groups::{counts_no_disk, is_version_2},
    queries::Query,
};

/// Names that a query may hold, what the host lacks, and whether it does.
type Lack = (&'static [&'static str], &'static str, fn() -> bool);

const LACKS: &[Lack] = &[
    (
        &["container_pressure_cpu_waiting_seconds_total", "container_pressure_memory_waiting_seconds_total"],
        "control groups of version 1 have no pressure of their own",
        || !is_version_2(),
    ),
    (
        &["container_fs_reads_bytes_total", "container_fs_writes_bytes_total"],
        "this kernel counts no disk for control groups of version 1 without a limit of blk-throttle",
        counts_no_disk,
    ),
    (&["node_md_disks", "node_md_disks_required"], "this kernel has no arrays", || {
        !Path::new("/proc/mdstat").exists()
    }),
    (&["node_hwmon_temp_celsius"], "this host has no sensors", || has_none("/sys/class/hwmon")),
    (&["node_thermal_zone_temp"], "this host has no thermal zones", || has_none("/sys/class/thermal")),
    // Nobody else counts them: that some failed is seen by the data.
    (&["node_block_io_errors_total"], "no request to a disk fails here", || true),
    (&["node_systemd_unit_state"], "systemd does not run here", || {
        !Path::new("/run/systemd/system").exists()
    }),
];

/// Whether a folder is empty, or not there.
fn has_none(folder: &str) -> bool {
    fs::read_dir(folder).map_or(true, |mut it| it.next().is_none())
}

/// Why this host has nothing for `query`.
pub(super) fn lack(query: &Query) -> Option<&'static str> {
    let reads = |names: &[&str]| names.iter().any(|it| query.reads(it));
    LACKS.iter().find(|(names, _, is_so)| reads(names) && is_so()).map(|it| it.1)
}
