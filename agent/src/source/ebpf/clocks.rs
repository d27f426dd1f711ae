//! Events that count the clock of each CPU, in a map of a probe.

use std::os::fd::AsFd as _;

use aya::{Ebpf, maps::Map};
use ebpf_probes::spec::Spec;
use tracing::warn;

use super::Error;
use crate::source::sys::{bpf, perf};

/// Fills a map with events, one for each CPU that is online. A program that reads another's is told so, and does without:
/// also where nobody may count events, of which the reason is given.
pub(super) fn count(spec: &Spec, ebpf: &Ebpf, map: &str, n_cpus: u32) -> Result<Option<String>, Error> {
    let Some(Map::PerfEventArray(events)) = ebpf.map(map) else {
        let why = format!("map {map} is no array of events");
        return Err(Error::Object { probe: spec.name, why });
    };
    for cpu in 0..n_cpus {
        let counted = perf::cpu_clock(cpu).and_then(|event| bpf::put(events.fd().as_fd(), cpu, &event));
        match counted {
            Err(error) if !perf::is_offline(&error) => {
                warn!(probe = spec.name, %error, "the CPUs' clocks cannot be counted");
                return Ok(Some(error.to_string()));
            }
            _ => {}
        }
    }
    Ok(None)
}
