//! The parts as the agent sees them.

use ebpf_probes::maps::ById;

use super::*;

/// A part: the rows of its disks, by operation.
#[derive(Clone, Copy, Debug)]
pub struct Part<T> {
    /// The constant that wants it.
    pub feature: &'static str,
    pub table: ById<T>,
    /// The setting that says how many banks the table has, less one.
    pub banks: &'static str,
    /// What is under way, if it is followed.
    pub followed: Option<&'static str>,
}

pub const LATENCY: Part<Requests> = Part {
    feature: "LATENCY",
    table: ById { entries: LATENCY_ENTRIES, owners: LATENCY_OWNERS, rows: LATENCY_ROWS },
    banks: "LATENCY_BANKS",
    followed: None,
};

pub const STAGES: Part<Stages> = Part {
    feature: "STAGES",
    table: ById { entries: STAGES_ENTRIES, owners: STAGES_OWNERS, rows: STAGES_ROWS },
    banks: "STAGES_BANKS",
    followed: Some(ISSUES.name),
};

pub const BIOS: Part<Histogram> = Part {
    feature: "BIOS",
    table: ById { entries: BIOS_ENTRIES, owners: BIOS_OWNERS, rows: BIOS_ROWS },
    banks: "BIOS_BANKS",
    followed: Some(SUBMITTED.name),
};
