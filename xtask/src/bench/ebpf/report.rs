//! The tables.

use super::{
    host::{Memory, Reading},
    summary::LoadSummary,
};
use crate::table::Table;

/// A program that runs less often for an operation of the load has nothing to do with it.
const RUNS_THAT_COUNT: f64 = 0.01;

/// Each program under each load.
pub(crate) fn programs(loads: &[LoadSummary]) -> Table {
    let mut table = Table::default();
    table.row(["load", "of", "program", "hook", "runs/op", "ns/run", "empty", "net", "net ns/op"]);
    for load in loads {
        for beside in &load.besides {
            for it in beside.programs.iter().filter(|it| it.runs_per_op >= RUNS_THAT_COUNT) {
                table.row([
                    load.load.to_owned(),
                    beside.name.to_owned(),
                    it.name.clone(),
                    it.hook.clone(),
                    format!("{:.2}", it.runs_per_op),
                    format!("{:.1}", it.ns),
                    format!("{:.1}", it.empty_ns),
                    format!("{:.1}", it.net_ns),
                    format!("{:.1}", it.net_ns_per_op),
                ]);
            }
        }
    }
    table
}

/// What each load showed beside what.
pub(crate) fn slow_downs(loads: &[LoadSummary]) -> Table {
    let mut table = Table::default();
    table.row([
        "load",
        "beside",
        "ops/s",
        "CPU ns/op",
        "CPU %",
        "quartiles",
        "programs ns/op",
        "ours/theirs",
    ]);
    let percent = |ratio: f64| format!("{:+.1}", (ratio - 1.0) * 100.0);
    for load in loads {
        for it in &load.besides {
            let spread = it.slow_down;
            table.row([
                load.load.to_owned(),
                it.name.to_owned(),
                format!("{:.0}", it.ops_per_s),
                format!("{:.0}", it.cpu_ns_per_op),
                percent(spread.median),
                format!("{}..{}", percent(spread.first_quartile), percent(spread.third_quartile)),
                it.net_ns_per_op.map(|it| format!("{it:.1}")).unwrap_or_default(),
                it.ours_to_theirs.map(|it| format!("{it:.3}")).unwrap_or_default(),
            ]);
        }
    }
    table
}

pub(crate) fn readings(readings: &[Reading]) -> Table {
    let mut table = Table::default();
    table.row(["with", "without", "net", "collectors"]);
    for it in readings {
        table.row([
            format!("{:.3}", it.with_ms),
            format!("{:.3}", it.without_ms),
            format!("{:.3}", it.net_ms()),
            it.collectors.join(" "),
        ]);
    }
    table
}

pub(crate) fn memory(memory: &Memory) -> Table {
    let mut table = Table::default();
    table.row(["memory", "KiB"]);
    let kib = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0);
    for (map, bytes) in &memory.maps {
        table.row([format!("map {map}"), kib(*bytes)]);
    }
    table.row(["all maps".to_owned(), kib(memory.map_bytes())]);
    table.row(["programs".to_owned(), kib(memory.programs)]);
    table.row(["agent, resident".to_owned(), format!("{}.0", memory.resident_kib)]);
    table.row(["agent, anonymous".to_owned(), format!("{}.0", memory.anonymous_kib)]);
    table.row(["agent, resident at its peak".to_owned(), format!("{}.0", memory.peak_kib)]);
    table
}
