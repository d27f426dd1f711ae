//! The figures to be reached, and whether they are.

use serde::Serialize;

use super::{
    host::{Memory, Reading},
    load::Load,
    summary::{LoadSummary, ProgramSummary},
};
use crate::table::Table;

const MIB: f64 = 1024.0 * 1024.0;

/// Something measured and what it may be at the most.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// None: it could not be measured here, or was not asked for.
    pub(crate) measured: Option<f64>,
    pub(crate) limit: f64,
    /// What empty programs make of it: what the kernel takes to call a program.
    pub(crate) floor: Option<f64>,
    /// What measuring nothing twice gives.
    pub(crate) noise: Option<f64>,
}

impl Figure {
    pub(crate) fn is_missed(&self) -> bool {
        !self.is_unclear() && self.measured.is_some_and(|it| it > self.limit)
    }

    /// Whether noise could hide a miss, or make one.
    fn is_unclear(&self) -> bool {
        self.noise.is_some_and(|it| it > self.limit)
    }

    fn verdict(&self) -> &'static str {
        match self.measured {
            None => "not measured",
            Some(_) if self.is_unclear() => "unclear: noise",
            Some(_) if self.is_missed() => "MISSED",
            Some(_) => "reached",
        }
    }
}

pub(crate) fn figures(loads: &[LoadSummary], readings: &[Reading], memory: Option<&Memory>) -> Vec<Figure> {
    let load = |it: Load| loads.iter().find(|summary| summary.load == it.name());
    let ours = |it| load(it).and_then(|it| it.beside("hostlens"));
    let against = |it, tool| load(it).and_then(|it| it.beside(tool)).and_then(|it| it.ours_to_theirs);
    let switch_ns = |it| {
        let at_switch = |it: &&ProgramSummary| it.hook == "sched_switch";
        let alone = load(it).and_then(|it| it.beside("run queue alone"));
        alone.map(|it| it.programs.iter().filter(at_switch).map(|it| it.net_ns).sum())
    };
    let request_ns = ours(Load::Disk)
        .map(|it| it.programs.iter().filter(|it| it.hook == "block_rq_complete").map(|it| it.net_ns).sum());
    let figure =
        |what, unit, measured, limit| Figure { what, unit, measured, limit, floor: None, noise: None };
    let slow_down = |what, it| {
        let beside = |name| load(it).and_then(|it| it.beside(name));
        let percent = |name| beside(name).map(|it| (it.slow_down.median - 1.0) * 100.0);
        let [floor, once, again] = ["empty programs", "nothing", "nothing again"].map(percent);
        let noise = once.zip(again).map(|(once, again)| (once - again).abs());
        Figure { floor, noise, ..figure(what, "%", percent("hostlens"), 3.0) }
    };
    vec![
        figure("run-queue program, net, a switch", "ns", switch_ns(Load::Switch), 60.0),
        figure("the same with a fresh clock", "ns", switch_ns(Load::Fresh), 60.0),
        figure("the same with a stale clock", "ns", switch_ns(Load::Stale), 110.0),
        figure("the same on all CPUs at once", "ns", switch_ns(Load::Storm), 60.0),
        figure("block I/O program, net, a request", "ns", request_ns, 180.0),
        figure("run queue against runqlat", "x", against(Load::Switch, "runqlat"), 0.1),
        figure("block I/O against biolatency", "x", against(Load::Disk, "biolatency"), 0.5),
        slow_down("CPU an operation of `switch`", Load::Switch),
        slow_down("CPU an operation of `storm`", Load::Storm),
        slow_down("CPU an operation of `disk`", Load::Disk),
        slow_down("CPU an operation of `connect`", Load::Connect),
        slow_down("CPU an operation of `stream`", Load::Stream),
        figure("reading the maps at a scrape", "ms", readings.first().map(Reading::net_ms), 0.3),
        figure("memory of the maps", "MiB", memory.map(|it| it.map_bytes() as f64 / MIB), 4.0),
        figure("resident memory of the agent", "MiB", memory.map(|it| it.resident_kib as f64 / 1024.0), 12.0),
    ]
}

pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::default();
    table.row(["figure", "measured", "at most", "unit", "", "empty programs", "noise"]);
    for it in figures {
        let number = |it: Option<f64>| it.map(|it| format!("{it:.3}")).unwrap_or_default();
        let [measured, floor, noise] = [it.measured, it.floor, it.noise].map(number);
        table.row([it.what, &measured, &it.limit.to_string(), it.unit, it.verdict(), &floor, &noise]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        let none = figures(&[], &[], None);
        assert!(none.iter().all(|it| it.verdict() == "not measured" && !it.is_missed()));
        let reading = Reading { collectors: Vec::new(), with_ms: 0.9, without_ms: 0.5 };
        let missed: Vec<_> =
            figures(&[], &[reading], None).into_iter().filter(Figure::is_missed).map(|it| it.what).collect();
        assert_eq!(missed, ["reading the maps at a scrape"]);
    }

    #[test]
    fn noise_above_the_limit_leaves_it_open() {
        let of = |noise| Figure {
            what: "",
            unit: "%",
            measured: Some(5.0),
            limit: 3.0,
            floor: None,
            noise: Some(noise),
        };
        assert_eq!([of(0.5).verdict(), of(7.0).verdict()], ["MISSED", "unclear: noise"]);
        assert!(of(0.5).is_missed() && !of(7.0).is_missed());
    }
}
