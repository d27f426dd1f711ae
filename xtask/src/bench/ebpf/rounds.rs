//! Rounds of a load beside everything in turn.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    empty::{Empty, Factory},
    load::{Load, Place, Work},
    programs::{Count, counts, statistics},
    spread::median,
    subject::{Running, Tool},
};

/// What a start leaves behind must not count, nor the load's own first operations.
const SETTLE: Duration = Duration::from_millis(200);

/// What runs beside a load.
#[derive(Clone, Copy)]
pub(crate) enum Beside {
    Nothing,
    /// The same again: what the two differ by is noise.
    NothingAgain,
    /// Empty programs on the agent's hooks: what the kernel takes to call them.
    Hooks,
    Agent,
    /// The agent without those that ask for more in the run queue's program.
    RunQueueAlone,
    Tool(Tool),
}

/// One load beside one thing, once.
pub(crate) struct Sample {
    /// While the kernel did not measure programs.
    pub(crate) work: Work,
    pub(crate) programs: Vec<ProgramCost>,
}

/// What a program has cost while the kernel measured.
pub(crate) struct ProgramCost {
    pub(crate) name: String,
    pub(crate) hook: String,
    pub(crate) runs_per_op: f64,
    /// Nanoseconds a run, with those that the measuring takes.
    pub(crate) ns: f64,
    /// Of an empty program on the same hook at the same time.
    pub(crate) empty_ns: f64,
}

/// What all rounds need.
pub(crate) struct Bench<'a> {
    pub(crate) hostlens: &'a Path,
    pub(crate) args: &'a [String],
    /// The agent's hooks.
    pub(crate) hooks: BTreeSet<String>,
    pub(crate) place: Place,
    pub(crate) factory: Factory,
    pub(crate) time: Duration,
    pub(crate) n_rounds: usize,
}

impl Beside {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NothingAgain => "nothing again",
            Self::Hooks => "empty programs",
            Self::Agent => "hostlens",
            Self::RunQueueAlone => "run queue alone",
            Self::Tool(tool) => tool.name,
        }
    }
}

impl ProgramCost {
    pub(crate) fn net_ns(&self) -> f64 {
        self.ns - self.empty_ns
    }

    pub(crate) fn net_ns_per_op(&self) -> f64 {
        self.net_ns() * self.runs_per_op
    }
}

impl Bench<'_> {
    /// The samples of each, in the order of the rounds. The order within a round rotates and turns round: drift falls
    /// on all alike, and none always comes after the same other.
    pub(crate) fn rounds(&mut self, load: Load, besides: &[Beside]) -> Result<Vec<Vec<Sample>>> {
        let mut samples: Vec<Vec<Sample>> = besides.iter().map(|_| Vec::new()).collect();
        for round in 0..self.n_rounds {
            let mut order: Vec<usize> = (0..besides.len()).collect();
            order.rotate_left(round % besides.len());
            if round % 2 == 1 {
                order.reverse();
            }
            for idx in order {
                let sample = self.sample(load, &besides[idx]);
                let name = besides[idx].name();
                samples[idx].push(sample.with_context(|| format!("{} beside {name}", load.name()))?);
            }
        }
        Ok(samples)
    }

    fn sample(&mut self, load: Load, beside: &Beside) -> Result<Sample> {
        let mut empties = Vec::new();
        let running = match beside {
            Beside::Nothing | Beside::NothingAgain => Running::Nothing,
            Beside::Hooks => {
                empties = self.factory.attach_all(&self.hooks)?;
                Running::Nothing
            }
            Beside::Agent => Running::agent(self.hostlens, self.args)?,
            Beside::RunQueueAlone => {
                let alone = "--no-collector.sched_turns".to_owned();
                Running::agent(self.hostlens, &[self.args, &[alone]].concat())?
            }
            Beside::Tool(tool) => Running::tool(tool)?,
        };
        thread::sleep(SETTLE);
        load.run(&self.place, self.time / 10)?;
        let work = load.run(&self.place, self.time)?;
        let hooks = running.hooks()?;
        if let Beside::Agent = beside {
            let attached: BTreeSet<String> = hooks.values().cloned().collect();
            ensure!(
                attached.is_superset(&self.hooks),
                "the agent has detached programs: {attached:?} are left"
            );
        }
        let programs = if hooks.is_empty() { Vec::new() } else { self.program_costs(load, &hooks)? };
        drop(empties);
        running.end()?;
        Ok(Sample { work, programs })
    }

    /// Runs the load again, with an empty program on each hook besides, while the kernel measures all of them. An
    /// empty one runs last and finds warm caches: it takes 2 to 4 ns less than it would as the first, which counts
    /// against the others.
    fn program_costs(&mut self, load: Load, hooks: &BTreeMap<u32, String>) -> Result<Vec<ProgramCost>> {
        let empties = self.factory.attach_all(&hooks.values().cloned().collect())?;
        let _statistics = statistics()?;
        let before = counts();
        let work = load.run(&self.place, self.time / 2)?;
        let after = counts();
        costs(hooks, &empties, &before, &after, work.n_ops)
    }
}

/// What each program has cost between two counts in which the load did so many operations; those that did not run are
/// left out.
fn costs(
    hooks: &BTreeMap<u32, String>,
    empties: &[Empty],
    before: &BTreeMap<u32, Count>,
    after: &BTreeMap<u32, Count>,
    n_ops: u64,
) -> Result<Vec<ProgramCost>> {
    let runs = |id: u32| -> Result<(&str, u64, f64)> {
        let gone = || format!("the program {id} is gone");
        let (before, after) = (before.get(&id).with_context(gone)?, after.get(&id).with_context(gone)?);
        let n_runs = after.n_runs - before.n_runs;
        Ok((&after.name, n_runs, (after.time - before.time).as_nanos() as f64 / n_runs as f64))
    };
    let mut empty_ns = BTreeMap::new();
    for empty in empties {
        let (_, n_runs, ns) = runs(empty.id)?;
        if n_runs != 0 {
            empty_ns.insert(&empty.hook, ns);
        }
    }
    // The kernel's clock takes much the same everywhere.
    let elsewhere = median(empty_ns.values().copied());
    let mut costs = Vec::new();
    for (id, hook) in hooks {
        let (name, n_runs, ns) = runs(*id)?;
        if n_runs != 0 {
            costs.push(ProgramCost {
                name: name.to_owned(),
                hook: hook.clone(),
                runs_per_op: n_runs as f64 / n_ops as f64,
                ns,
                empty_ns: empty_ns.get(hook).copied().unwrap_or(elsewhere),
            });
        }
    }
    Ok(costs)
}
