//! Which control group made which other wait for a CPU, counted by the probe `ebpf-probes/src/probes/runqueue.rs` at each
//! context switch: a wait is laid over the turns that the CPU gave meanwhile.

mod matrix;
mod watched;

use self::matrix::Matrix;
use crate::{
    collectors::prelude::*,
    source::{
        cgroups::Cgroups,
        ebpf::{Probe, Settings, Use, declared::runqueue},
    },
};
use std::{path::PathBuf, sync::Arc};

metrics! {
    WAITS: Counter "node_sched_wait_blame_seconds_total" ["victim", "culprit"], "Time that tasks of a control group (victim) waited for a CPU, by whose tasks had that CPU meanwhile (culprit): a control group, which may be the victim itself, or ~other that are not watched, ~system in no group (the kernel's threads), ~quota its own quota held it back, ~idle nobody yet, ~moved it waited for another CPU before, ~unknown. Of the groups that use or want the CPU most, since each is watched.";
}

section! {
    pub(super) struct Config {
        /// Control groups, by their path from `/` on, among which the busiest are watched; by default all.
        id_include: Option<Pattern> = "",
        /// How many are watched; at most 20.
        top: u64 = 15,
    }
}

const FEATURES: &[&str] = &["BLAME"];

pub(super) struct SchedBlame {
    probe: Arc<Probe>,
    root: PathBuf,
    filter: Filter,
    matrix: Matrix,
}

impl Spec for SchedBlame {
    const SUMMARY: &'static str = "Which control group, or own quota, kept which control group waiting for a CPU, by eBPF at each context switch.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use { probe: &runqueue::SPEC, features: FEATURES }];
    const COST: &'static str = "20 to 70 ns at each context switch beside those of runqueue, and some 50 us for each control group at a scrape";
    /// A pair counts since both are watched.
    const START: Start = Start::Unknown;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let root = host.sys("fs/cgroup");
        let errors = FirstError::default();
        if Cgroups::find(&root).and_then(|it| it.with_cpu(&errors)).is_none() {
            return Err(Error::Absent(format!(
                "control groups with the cpu controller in {}",
                root.display()
            )));
        }
        let probe = host.kernel()?.probe(&runqueue::SPEC, FEATURES, &Settings::default())?;
        let mut it = Self {
            root,
            filter: Filter::new(config.id_include, None),
            matrix: Matrix::of(&probe, config.top.min(20) as usize)?,
            probe,
        };
        it.look(&errors);
        errors.end()?;
        Ok(it)
    }
}

impl SchedBlame {
    fn look(&mut self, errors: &FirstError) {
        let groups = Cgroups::find(&self.root).and_then(|it| it.with_cpu(errors)).unwrap_or_default();
        let groups: Vec<_> = groups.into_iter().filter(|it| self.filter.keeps(&it.path)).collect();
        self.matrix.watch(&groups);
    }
}

impl Collector for SchedBlame {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for ([victim, culprit], ns) in self.matrix.add_up() {
            out.push(WAITS, [victim.as_str(), culprit], *ns as f64 / 1e9);
        }
        let errors = FirstError::default();
        self.look(&errors);
        Ok(errors.end()?)
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
