//! The parts as the agent sees them.

use ebpf_probes::{
    disk::{Layout, Part},
    maps::ById,
};

use super::*;

pub const LATENCY: Part<Requests> = Part {
    probe: &SPEC,
    features: &["LATENCY"],
    table: ById { entries: LATENCY_ENTRIES, owners: LATENCY_OWNERS, rows: LATENCY_ROWS },
    banks: "LATENCY_BANKS",
    followed: None,
};

pub const STAGES: Part<Stages> = Part {
    probe: &SPEC,
    features: &["STAGES"],
    table: ById { entries: STAGES_ENTRIES, owners: STAGES_OWNERS, rows: STAGES_ROWS },
    banks: "STAGES_BANKS",
    followed: Some(ISSUES.name),
};

pub const BIOS: Part<Histogram> = Part {
    probe: &SPEC,
    features: &["BIOS"],
    table: ById { entries: BIOS_ENTRIES, owners: BIOS_OWNERS, rows: BIOS_ROWS },
    banks: "BIOS_BANKS",
    followed: Some(SUBMITTED.name),
};

/// Of all parts, which have their maps in one object.
pub const LAYOUTS: &[Layout] = &[LATENCY.layout(), STAGES.layout(), BIOS.layout()];
