//! What the probes cost without a load: CPU time to read their maps at a scrape, and memory.

use std::{path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{programs, spread::median};
use crate::{
    bench::{exporter::Exporter, usage},
    process::output,
};

const N_SCRAPES: usize = 300;
const WARM_UP: usize = 30;
const GAP: Duration = Duration::from_millis(5);
/// Until the agent has settled after its first scrapes.
const REST: Duration = Duration::from_secs(2);

/// What reading maps takes, beside an agent that has no collector to run.
#[derive(Serialize)]
pub(crate) struct Reading {
    pub(crate) collectors: Vec<String>,
    /// CPU time of a scrape in milliseconds, the median.
    pub(crate) with_ms: f64,
    pub(crate) without_ms: f64,
}

impl Reading {
    pub(crate) fn net_ms(&self) -> f64 {
        self.with_ms - self.without_ms
    }
}

/// What an agent of default config takes after some scrapes.
#[derive(Serialize)]
pub(crate) struct Memory {
    /// Bytes, by map.
    pub(crate) maps: Vec<(String, u64)>,
    /// Bytes of the programs.
    pub(crate) programs: u64,
    pub(crate) resident_kib: u64,
    pub(crate) anonymous_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Memory {
    pub(crate) fn map_bytes(&self) -> u64 {
        self.maps.iter().map(|(_, bytes)| bytes).sum()
    }
}

#[derive(Deserialize)]
struct Collector {
    name: String,
    default: bool,
    hooks: Vec<String>,
}

/// Measures the collectors with probes that run by default, and if there are others all of them, too.
pub(crate) fn readings(hostlens: &Path) -> Result<Vec<Reading>> {
    let list = output(Command::new(hostlens).args(["collectors", "--json"]))?;
    let all: Vec<Collector> = serde_json::from_str(&list).context("read the agent's list of collectors")?;
    let with_probes: Vec<Collector> = all.into_iter().filter(|it| !it.hooks.is_empty()).collect();
    let defaults: Vec<&Collector> = with_probes.iter().filter(|it| it.default).collect();
    let mut readings = vec![reading(hostlens, &defaults)?];
    if defaults.len() < with_probes.len() {
        readings.push(reading(hostlens, &with_probes.iter().collect::<Vec<_>>())?);
    }
    Ok(readings)
}

fn reading(hostlens: &Path, collectors: &[&Collector]) -> Result<Reading> {
    let nothing = vec!["--collector.disable-defaults".to_owned()];
    let flags = collectors.iter().map(|it| format!("--collector.{}", it.name));
    let probes = nothing.iter().cloned().chain(flags).collect::<Vec<_>>();
    let start = |flags: &[String]| Exporter::start("hostlens", hostlens, flags, "identity");
    let mut pair = [start(&probes)?, start(&nothing)?];
    for exporter in &pair {
        for _ in 0..WARM_UP {
            exporter.get()?;
        }
    }
    for round in 0..N_SCRAPES {
        pair[round % 2].round(GAP)?;
        pair[(round + 1) % 2].round(GAP)?;
    }
    let [with_ms, without_ms] = pair.map(|it| median(it.cpu.iter().map(|it| it.as_secs_f64() * 1e3)));
    Ok(Reading { collectors: collectors.iter().map(|it| it.name.clone()).collect(), with_ms, without_ms })
}

pub(crate) fn memory(hostlens: &Path) -> Result<Memory> {
    let exporter = Exporter::start("hostlens", hostlens, &[], "gzip")?;
    for _ in 0..WARM_UP {
        exporter.get()?;
    }
    thread::sleep(REST);
    let kernel = programs::memory(exporter.pid())?;
    ensure!(kernel.programs > 0, "the agent has no probe in the kernel: `hostlens doctor` says why");
    let own = usage::memory(exporter.pid())?;
    Ok(Memory {
        maps: kernel.maps,
        programs: kernel.programs,
        resident_kib: own.resident,
        anonymous_kib: own.anonymous,
        peak_kib: own.peak,
    })
}
