//! What eBPF programs of other owners cost, from the kernel's own counters of them, which are on for a part of the time
//! (bpf(2), `BPF_ENABLE_STATS` and `BPF_OBJ_GET_INFO_BY_FD`).

use crate::{
    collectors::prelude::*,
    source::ebpf::{OtherPrograms, Probes, Sampling},
};
use rustix::thread::CapabilitySet;
use std::{io, time::Duration};

metrics! {
    RUN_SECONDS: Counter "node_bpf_program_run_seconds_total" ["program", "type"], "CPU time that eBPF programs of other owners took since the first sample, by name and type, estimated from samples. The program ~other sums up what exceeds max_programs.";
    RUNS: Counter "node_bpf_program_runs_total" ["program", "type"], "Runs of eBPF programs of other owners since the first sample, by name and type, estimated from samples.";
    LOADED: Gauge "node_bpf_programs" ["program", "type"], "eBPF programs of other owners that are loaded, by name and type.";
}

section! {
    pub(super) struct Config {
        /// How long the kernel counts in each sample.
        sample_for: Duration = "1s",
        /// How often a sample is taken.
        sample_every: Duration = "30s",
        /// How many pairs of name and type are told apart; what exceeds them is summed up as `~other`.
        max_programs: u64 = 100,
    }
}

pub(super) struct BpfOtherPrograms {
    sampling: Sampling,
    ours: Probes,
    /// Begun at the first scrape, when capabilities that are not needed have been given up.
    programs: Option<OtherPrograms>,
}

impl Spec for BpfOtherPrograms {
    const SUMMARY: &'static str = "What eBPF programs of other owners cost.";
    const ENABLED: bool = false;
    const CAPABILITIES: CapabilitySet = CapabilitySet::SYS_ADMIN;
    const COST: &'static str =
        "while a sample is taken, 1 s in 30, each run of any program of the host takes 20 to 50 ns more";
    const START: Start = Start::Opened;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn faults(config: &Config) -> Vec<Fault> {
        let is_wrong = config.sample_for.is_zero() || config.sample_for > config.sample_every;
        let fault = Fault {
            // The one that the file has.
            key: if config.sample_for == Duration::from_secs(1) { "sample_every" } else { "sample_for" },
            message: "a sample of 0, or one longer than `sample_every`, cannot be taken".to_owned(),
            remedy: "set `sample_for` to more than 0, and at most `sample_every`".to_owned(),
        };
        is_wrong.then_some(fault).into_iter().collect()
    }

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let ours = host.kernel()?.probes().clone();
        OtherPrograms::check().map_err(|error| Error::Unavailable {
            reason: format!("the kernel's counters of eBPF programs cannot be had: {error}"),
            remedy: "give the agent CAP_SYS_ADMIN, or disable the collector".to_owned(),
        })?;
        let sampling = Sampling {
            on: config.sample_for,
            every: config.sample_every,
            max_kinds: usize::try_from(config.max_programs).unwrap_or(usize::MAX),
        };
        Ok(Self { sampling, ours, programs: None })
    }
}

impl Collector for BpfOtherPrograms {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let programs = match &self.programs {
            Some(programs) => programs,
            None => {
                let started = OtherPrograms::sample(self.sampling, self.ours.clone());
                self.programs.insert(started.map_err(failed("start a thread"))?)
            }
        };
        for (kind, spent) in programs.spent().map_err(failed("read the kernel's eBPF programs"))? {
            let labels = [&kind.name, &kind.program_type];
            out.push(RUN_SECONDS, labels, spent.time.as_secs_f64());
            out.push(RUNS, labels, spent.runs);
            out.push(LOADED, labels, spent.loaded);
        }
        Ok(())
    }
}

fn failed(call: &'static str) -> impl Fn(io::Error) -> source::Error {
    move |source| source::Error::Call { call, source }
}
