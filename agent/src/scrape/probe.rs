//! What the probe of a collector costs, for people and programs.

use crate::source::ebpf::{Cost, Loaded, MapMemory, Standing};
use serde::Serialize;
use std::time::SystemTime;

#[derive(Clone, Debug, Serialize)]
pub struct ProbeSummary {
    pub name: &'static str,
    /// `attached` or `over_budget`.
    pub state: &'static str,
    /// Of the machine's CPU time, in the last window of `[ebpf.budget]`.
    pub cpu_ratio: f64,
    /// Of the kernel: maps and programs.
    pub memory_bytes: u64,
    /// What that would be on a host with 512 possible CPUs.
    pub memory_bytes_with_512_cpus: u64,
    pub maps: Vec<MapSummary>,
    pub programs: Vec<ProgramSummary>,
    /// When it is attached again, in seconds since the epoch; `None` while it is.
    pub retry_at: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct MapSummary {
    pub name: String,
    pub memory_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProgramSummary {
    pub name: &'static str,
    pub runs: u64,
    pub run_seconds: f64,
    /// Events that it did not see because it ran already; `None` where the kernel does not tell.
    pub missed: Option<u64>,
}

impl ProbeSummary {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let (state, retry_at) = match loaded.standing() {
            Standing::Attached => ("attached", None),
            Standing::OverBudget(excess) => ("over_budget", Some(excess.retry_at)),
        };
        let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let program = |cost: Cost| ProgramSummary {
            name: cost.program,
            runs: cost.runs,
            run_seconds: cost.time.as_secs_f64(),
            missed: cost.missed,
        };
        let map = |it: &MapMemory| MapSummary { name: it.name.clone(), memory_bytes: it.bytes };
        let memory = loaded.memory();
        Self {
            name: loaded.spec().name,
            state,
            cpu_ratio: loaded.share(),
            memory_bytes: memory.total(),
            memory_bytes_with_512_cpus: memory.total_with_many_cpus(),
            maps: memory.maps.iter().map(map).collect(),
            programs: loaded.costs().into_iter().map(program).collect(),
            retry_at: retry_at.map(|it| since_epoch(it).as_secs_f64()),
        }
    }
}
