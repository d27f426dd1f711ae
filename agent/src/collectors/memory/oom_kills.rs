//! Processes that the kernel chose to kill as memory ran out, counted by the probe `ebpf-probes/src/probes/oom_kills.rs`
//! at `mark_victim`.

mod victims;

use self::victims::{Kills, Owners, Victims};
use crate::{
    collectors::{by_group::By, prelude::*},
    source::ebpf::{
        Probe, Settings, Table, Use,
        declared::oom_kills::{self, Scope},
    },
};
use std::{sync::Arc, time::Duration};

metrics! {
    KILLS: Counter "node_oom_kills_total" ["scope"], "Processes that the kernel chose to kill because memory ran out, including those that were ending already. Scope host: the host as a whole is short of memory; cgroup: a control group is at its limit; unknown: either of them, where the kernel does not let its functions be traced.";
    OF_GROUPS: Counter "node_cgroup_oom_kills_total" ["cgroup"], "The same by control group of who was killed: the innermost one that was there at a scrape before. ~other are those that are not shown any more, ~unknown those of whom the kernel does not say it.";
    OF_UNITS: Counter "node_unit_oom_kills_total" ["unit"], "The same by unit of systemd: the innermost one that the control group is in.";
    OF_PODS: Counter "container_oom_kills_total" ["namespace", "pod", "container"], "The same by container of a pod, what is below it included; kept when the container is gone. One that came and went between two scrapes is told by its pod alone. Pod ~other are those that are not shown any more.";
}

section! {
    pub(super) struct Config {
        /// Whom kills are attributed to, each by a family of its own: cgroup, unit (of systemd), pod (and its containers).
        by: Vec<By> = toml::Value::Array(Vec::new()),
        /// For how long after its last kill one of them is shown, whether it is there or gone; then its kills are among
        /// those of ~other. At most 500 are shown of each kind.
        min_retention: Duration = "24h",
    }
}

const VICTIMS: &[&str] = &["VICTIMS"];

pub(super) struct OomKills {
    probe: Arc<Probe>,
    kills: Table<u64>,
    min_retention: Duration,
    victims: Option<Victims>,
}

impl Spec for OomKills {
    const SUMMARY: &'static str = "Processes killed because the host or a cgroup ran out of memory, and whose they were, by eBPF at each kill.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&oom_kills::SPEC)];
    const COST: &'static str = "nothing until a process is killed; with `by` some 10 us for each control group at a scrape after one was made";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(Config { by, min_retention }: Config, host: &Host) -> Result<Self, Error> {
        let features = if by.is_empty() { &[] } else { VICTIMS };
        let probe = host.kernel()?.probe(&oom_kills::SPEC, features, &Settings::default())?;
        let victims = match by.is_empty() {
            true => None,
            false => Some(Victims::of(&probe, &by, &host.sys("fs/cgroup"), host.rootfs())?),
        };
        Ok(Self { kills: probe.table(oom_kills::KILLS)?, probe, min_retention, victims })
    }
}

impl Collector for OomKills {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let scopes = match self.probe.loaded().has("seeks") {
            true => &[("host", Scope::Host), ("cgroup", Scope::Cgroup)][..],
            false => &[("unknown", Scope::Unknown)],
        };
        for &(label, scope) in scopes {
            let row = scope as usize;
            out.push(KILLS, [label], self.kills.sum(row..row + 1));
        }
        let Some(victims) = &mut self.victims else { return Ok(()) };
        let errors = FirstError::default();
        victims.look(self.min_retention, &errors);
        for Owners { by, kills } in &victims.owners {
            for (owner, Kills { n, start, .. }) in kills {
                let (word, [namespace, pod, container]) = (owner.word(), owner.name());
                match by {
                    By::Cgroup => out.push_since(OF_GROUPS, [word], *n, Some(*start)),
                    By::Unit => out.push_since(OF_UNITS, [word], *n, Some(*start)),
                    By::Pod => {
                        // Those of all others have no name but a word.
                        let pod = if pod.is_empty() { word } else { pod };
                        out.push_since(OF_PODS, [namespace, pod, container], *n, Some(*start));
                    }
                }
            }
        }
        Ok(errors.end()?)
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}
