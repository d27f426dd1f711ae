//! Which control group made which other wait for a CPU, counted by the probe `ebpf-probes/src/probes/runqueue.rs` at each
//! context switch: a wait is laid over the turns that the CPU gave meanwhile.

mod matrix;
mod totals;
mod watched;

use self::{matrix::Matrix, totals::Totals};
use crate::{
    collectors::{
        by_group::{By, Owner},
        prelude::*,
    },
    source::{
        cgroups::{Cgroups, Names},
        ebpf::{Probe, Settings, Use, declared::runqueue},
    },
};
use std::{path::PathBuf, sync::Arc};

metrics! {
    WAITS: Counter "node_sched_wait_blame_seconds_total" ["victim", "culprit"], "Time that tasks of a control group (victim) waited for a CPU, by whose tasks had that CPU meanwhile (culprit): a control group, which may be the victim itself, or ~other that are not watched, ~system in no group (the kernel's threads), ~quota its own quota held it back, ~idle nobody yet, ~moved it waited for another CPU before, ~unknown. Of the groups that use or want the CPU most, since each is watched.";
    OF_UNITS: Counter "node_unit_sched_wait_blame_seconds_total" ["unit", "culprit"], "The same by unit of systemd: the innermost one that a control group is in. A culprit in no unit is told by its control group.";
    OF_PODS: Counter "container_sched_wait_blame_seconds_total" ["namespace", "pod", "container", "culprit_namespace", "culprit_pod", "culprit_container", "culprit"], "The same by container of a pod. A culprit in no pod is told by its unit, or else its control group, in culprit, as are ~quota, ~system and the others.";
}

section! {
    pub(super) struct Config {
        /// Control groups, by their path from `/` on, among which the busiest are watched; by default all.
        id_include: Option<Pattern> = "",
        /// How many are watched; at most 20.
        top: u64 = 15,
        /// Whom waits are attributed to, each by a family of its own: cgroup, unit (of systemd), pod (and its containers).
        by: Vec<By> = vec!["cgroup"],
    }
}

const FEATURES: &[&str] = &["BLAME"];

pub(super) struct SchedBlame {
    probe: Arc<Probe>,
    root: PathBuf,
    filter: Filter,
    names: Names,
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
            names: Names::below(host.rootfs()),
            matrix: Matrix::of(&probe, config.top.min(20) as usize, &config.by)?,
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
        let errors = FirstError::default();
        if self.matrix.tells_of(By::Pod) {
            self.names.refresh(&errors);
        }
        for Totals { by, waits } in self.matrix.add_up(&self.names) {
            for ([victim, culprit], ns) in waits {
                push(*by, victim, culprit, *ns as f64 / 1e9, out);
            }
        }
        self.look(&errors);
        Ok(errors.end()?)
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

fn push(by: By, victim: &Owner, culprit: &Owner, seconds: f64, out: &mut Families) {
    match by {
        By::Cgroup => out.push(WAITS, [victim.word(), culprit.word()], seconds),
        By::Unit => out.push(OF_UNITS, [victim.word(), culprit.word()], seconds),
        By::Pod => {
            let ([namespace, pod, container], [of, whose, which]) = (victim.name(), culprit.name());
            out.push(OF_PODS, [namespace, pod, container, of, whose, which, culprit.word()], seconds);
        }
    }
}
