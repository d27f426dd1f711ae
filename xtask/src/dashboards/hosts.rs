//! What a host may have nothing for, and how that is seen without the agent.

use super::{
    groups::{counts_no_disk, is_version_2},
    queries::Query,
};

/// Families, what the host lacks, and whether it does.
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
];

/// Why this host has nothing for `query`.
pub(super) fn lack(query: &Query) -> Option<&'static str> {
    let reads = |families: &[&str]| families.iter().any(|it| query.families.contains(*it));
    LACKS.iter().find(|(families, _, is_so)| reads(families) && is_so()).map(|it| it.1)
}
