//! Medians over the rounds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    load::Load,
    rounds::{Beside, ProgramCost, Sample},
    spread::{Spread, median, median_of},
};

/// What a load showed.
#[derive(Serialize)]
pub(crate) struct LoadSummary {
    pub(crate) load: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) besides: Vec<BesideSummary>,
}

/// What it showed beside one thing.
#[derive(Serialize)]
pub(crate) struct BesideSummary {
    pub(crate) name: &'static str,
    pub(crate) ops_per_s: f64,
    pub(crate) cpu_ns_per_op: f64,
    /// CPU time of an operation, as a multiple of that beside nothing in the same round.
    pub(crate) slow_down: Spread,
    pub(crate) programs: Vec<ProgramSummary>,
    /// Of all its programs.
    pub(crate) net_ns_per_op: Option<f64>,
    /// What the agent's programs at the hooks of the same subject take for an operation, as a multiple of what this
    /// tool's take.
    pub(crate) ours_to_theirs: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ProgramSummary {
    pub(crate) name: String,
    pub(crate) hook: String,
    pub(crate) runs_per_op: f64,
    pub(crate) ns: f64,
    pub(crate) empty_ns: f64,
    pub(crate) net_ns: f64,
    pub(crate) net_ns_per_op: f64,
}

impl LoadSummary {
    pub(crate) fn of(load: Load, besides: &[Beside], samples: &[Vec<Sample>]) -> Self {
        let of = |it: &Beside| besides.iter().position(|beside| beside.name() == it.name());
        let [Some(first), Some(again)] = [of(&Beside::Nothing), of(&Beside::NothingAgain)] else {
            unreachable!("every load runs beside nothing");
        };
        let pairs = samples[first].iter().zip(&samples[again]);
        let bases: Vec<f64> = pairs.map(|(a, b)| f64::midpoint(a.work.cpu_ns(), b.work.cpu_ns())).collect();
        let agent = of(&Beside::Agent).map(|it| samples[it].as_slice());
        let rows = besides.iter().zip(samples);
        Self {
            load: load.name(),
            operation: load.operation(),
            besides: rows.map(|(beside, samples)| summarize(beside, samples, &bases, agent)).collect(),
        }
    }

    pub(crate) fn beside(&self, name: &str) -> Option<&BesideSummary> {
        self.besides.iter().find(|it| it.name == name)
    }
}

fn summarize(beside: &Beside, samples: &[Sample], bases: &[f64], agent: Option<&[Sample]>) -> BesideSummary {
    let ours_to_theirs = match (beside, agent) {
        (Beside::Tool(tool), Some(agent)) => {
            let is_ours = |it: &&ProgramCost| tool.hooks.iter().any(|hook| it.hook.starts_with(hook));
            let ours = agent.iter().map(|it| total(it.programs.iter().filter(is_ours)));
            let ratios = ours.zip(samples).map(|(ours, theirs)| ours / total(theirs.programs.iter()));
            // None of ours is at these hooks.
            median_of(ratios).filter(|it| *it > 0.0)
        }
        _ => None,
    };
    let slow_downs = samples.iter().zip(bases).map(|(sample, base)| sample.work.cpu_ns() / base);
    let has_programs = samples.iter().any(|it| !it.programs.is_empty());
    BesideSummary {
        name: beside.name(),
        ops_per_s: median(samples.iter().map(|it| it.work.ops_per_s())),
        cpu_ns_per_op: median(samples.iter().map(|it| it.work.cpu_ns())),
        slow_down: Spread::of(slow_downs),
        programs: programs(samples),
        net_ns_per_op: has_programs.then(|| median(samples.iter().map(|it| total(it.programs.iter())))),
        ours_to_theirs,
    }
}

/// Nanoseconds an operation.
fn total<'a>(programs: impl Iterator<Item = &'a ProgramCost>) -> f64 {
    programs.map(ProgramCost::net_ns_per_op).filter(|it| it.is_finite()).sum()
}

/// A summary for each program, by hook and name.
fn programs(samples: &[Sample]) -> Vec<ProgramSummary> {
    let mut costs: BTreeMap<(&str, &str), Vec<&ProgramCost>> = BTreeMap::new();
    for cost in samples.iter().flat_map(|it| &it.programs) {
        costs.entry((&cost.hook, &cost.name)).or_default().push(cost);
    }
    let summary = |((hook, name), costs): ((&str, &str), Vec<&ProgramCost>)| {
        let median = |of: fn(&ProgramCost) -> f64| median(costs.iter().map(|it| of(it)));
        ProgramSummary {
            name: name.to_owned(),
            hook: hook.to_owned(),
            runs_per_op: median(|it| it.runs_per_op),
            ns: median(|it| it.ns),
            empty_ns: median(|it| it.empty_ns),
            net_ns: median(ProgramCost::net_ns),
            net_ns_per_op: median(ProgramCost::net_ns_per_op),
        }
    };
    costs.into_iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{load::Work, subject::TOOLS},
        *,
    };

    fn sample(cpu_ns: u64, programs: Vec<ProgramCost>) -> Sample {
        let work = Work { n_ops: 10, cpu: Duration::from_nanos(10 * cpu_ns), wall: Duration::from_secs(1) };
        Sample { work, programs }
    }

    fn program(hook: &str, ns: f64) -> ProgramCost {
        ProgramCost { name: hook.to_owned(), hook: hook.to_owned(), runs_per_op: 2.0, ns, empty_ns: 60.0 }
    }

    #[test]
    fn compares_within_a_round() {
        let besides = [Beside::Nothing, Beside::NothingAgain, Beside::Agent];
        // The machine is twice as slow in the second round, and the agent costs a tenth in both.
        let samples = [[100, 200], [100, 200], [110, 220]].map(|it| it.map(|ns| sample(ns, Vec::new())));
        let summary = LoadSummary::of(Load::Switch, &besides, &samples.map(Vec::from));
        assert!((summary.beside("hostlens").unwrap().slow_down.median - 1.1).abs() < 1e-9);
        assert_eq!(summary.beside("nothing").unwrap().slow_down.median, 1.0);
    }

    #[test]
    fn compares_programs_of_the_same_subject() {
        let tool = Beside::Tool(TOOLS[0]);
        let besides = [Beside::Nothing, Beside::NothingAgain, Beside::Agent, tool];
        let samples = [
            vec![sample(100, Vec::new())],
            vec![sample(100, Vec::new())],
            vec![sample(100, vec![program("sched_switch", 80.0), program("block_rq_complete", 1000.0)])],
            vec![sample(100, vec![program("sched_switch", 360.0), program("sched_wakeup", 160.0)])],
        ];
        let summary = LoadSummary::of(Load::Switch, &besides, &samples);
        let theirs = summary.besides.last().unwrap();
        assert_eq!((theirs.net_ns_per_op, theirs.ours_to_theirs), (Some(800.0), Some(0.05)));
        assert_eq!(summary.besides[2].programs[1].net_ns, 20.0);
    }
}
