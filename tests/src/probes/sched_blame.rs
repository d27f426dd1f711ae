//! Threads in control groups of their own, on one CPU: what they wait by the kernel's own account, and who had the CPU
//! meanwhile, which the load knows.

use std::{
    fs::write,
    process,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::thread::gettid;

use super::{Check, counter, total, undisturbed};
use crate::{Agent, cgroup::Cgroup, load};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "sched_blame",
        claim: "a group's waits beside another are the other's",
        run: |it| among_groups(it, beside_a_hog),
    },
    Check {
        collector: "sched_blame",
        claim: "waits of a group alone under a quota are its quota's",
        run: |it| among_groups(it, under_a_quota),
    },
    Check {
        collector: "sched_blame",
        claim: "a quota and another group are told apart",
        run: |it| among_groups(it, both),
    },
];

const WAITS: &str = "node_sched_wait_blame_seconds_total";
const OF_PODS: &str = "container_sched_wait_blame_seconds_total";
const TIME: Duration = Duration::from_secs(2);
const PHASE: Duration = Duration::from_millis(5);

/// Of a wait, by who was to blame.
struct Shares {
    by_kernel: f64,
    all: f64,
    by_hog: f64,
    /// The same, as families of pods have it.
    by_pod: f64,
    by_quota: f64,
    /// By the kernel's account of the quota.
    throttled: f64,
    /// For how long the CPU had neither of the two, while both ran.
    by_others: f64,
}

impl Shares {
    fn text(&self) -> String {
        let Self { by_kernel, all, by_hog, by_quota, throttled, by_others, .. } = self;
        format!(
            "{all:.3} s of {by_kernel:.3} s waited, {by_hog:.3} s for another, {by_quota:.3} s of {throttled:.3} s by quota, others had {by_others:.3} s"
        )
    }

    /// What others do on the CPU when the quota is there again is not for the quota.
    fn has_its_quota(&self) -> Result<()> {
        ensure!((self.by_quota / self.throttled - 1.0).abs() <= 0.05, "{}", self.text());
        Ok(())
    }

    fn is_whole(&self) -> Result<()> {
        ensure!((self.all / self.by_kernel - 1.0).abs() <= 0.02, "{}", self.text());
        Ok(())
    }
}

/// A check that makes its groups once, however often it runs: numbers of groups that are gone are not given at once.
fn among_groups(agent: &Agent, check: fn(&Agent, &[Group; 2]) -> Result<String>) -> Result<String> {
    let groups = [Group::new(0)?, Group::new(1)?];
    undisturbed(|| check(agent, &groups))
}

fn beside_a_hog(agent: &Agent, groups: &[Group; 2]) -> Result<String> {
    let it = run(agent, groups, None, true)?;
    it.is_whole()?;
    // What is neither the two's nor idle is of others, whom they may have waited for, too.
    let for_hog = it.by_kernel - it.by_others;
    ensure!(for_hog > 0.1 && it.by_hog / for_hog >= 0.95, "{}", it.text());
    ensure!(it.by_pod == it.by_hog, "{}, {:.3} s by its pod", it.text(), it.by_pod);
    Ok(it.text())
}

fn under_a_quota(agent: &Agent, groups: &[Group; 2]) -> Result<String> {
    let it = run(agent, groups, Some(20), false)?;
    it.is_whole()?;
    it.has_its_quota()?;
    ensure!(it.throttled > 0.5 && it.by_hog == 0.0, "{}", it.text());
    Ok(it.text())
}

fn both(agent: &Agent, groups: &[Group; 2]) -> Result<String> {
    let it = run(agent, groups, Some(20), true)?;
    it.is_whole()?;
    it.has_its_quota()?;
    ensure!(it.throttled > 0.5 && it.by_hog / it.by_kernel > 0.1, "{}", it.text());
    Ok(it.text())
}

/// Runs a victim, for half of the time if it has no quota, and a hog beside it. `quota`: of 100 ms.
fn run(agent: &Agent, [victim, hog]: &[Group; 2], quota: Option<u32>, is_hog: bool) -> Result<Shares> {
    if let Some(ms) = quota {
        victim.limit(ms)?;
    }
    // From the first on, both are watched.
    agent.scrape()?;
    let before = agent.scrape()?;
    let throttled = victim.throttled()?;
    let (mut by_kernel, mut took, by_both) = (0.0, 0.0, Mutex::new(0.0));
    let add = |used| *by_both.lock().unwrap_or_else(PoisonError::into_inner) += used;
    let mut works: Vec<load::Work<'_>> = vec![Box::new(|| {
        victim.enter()?;
        let waited = load::waited()?;
        let begin = Instant::now();
        while begin.elapsed() < TIME {
            load::compute(PHASE);
            if quota.is_none() {
                thread::sleep(PHASE);
            }
        }
        by_kernel = load::waited()? - waited;
        took = begin.elapsed().as_secs_f64();
        add(load::used()?);
        Ok(())
    })];
    if is_hog {
        works.push(Box::new(|| {
            hog.enter()?;
            load::compute(TIME);
            add(load::used()?);
            Ok(())
        }));
    }
    load::on_one_cpu(works, || Ok(()))?;
    let throttled = victim.throttled()? - throttled;
    let after = agent.scrape()?;
    let grown = |culprit: &[(&str, &str)]| {
        let labels: Vec<_> = [("victim", victim.id.as_str())].iter().chain(culprit).copied().collect();
        total(&after, WAITS, &labels) - total(&before, WAITS, &labels)
    };
    let pods = [("pod", victim.pod.as_str()), ("culprit_pod", &hog.pod)];
    Ok(Shares {
        by_kernel,
        all: grown(&[]),
        by_hog: grown(&[("culprit", &hog.id)]),
        by_pod: total(&after, OF_PODS, &pods) - total(&before, OF_PODS, &pods),
        by_quota: grown(&[("culprit", "~quota")]),
        throttled,
        by_others: (took - by_both.into_inner().unwrap_or_default()).max(0.0),
    })
}

/// A control group for threads of this process.
struct Group {
    cgroup: Cgroup,
    /// Its path in the tree.
    id: String,
    /// The UID of the pod that this says it is of.
    pod: String,
}

impl Group {
    /// Called as one of containerd's, which tells pod and container in one name.
    fn new(number: u32) -> Result<Self> {
        let pod = format!("{:08x}-0000-4000-8000-00000000000{number}", process::id());
        let name = format!("kubepods-pod{}.slice:cri-containerd:{number:064x}", pod.replace('-', "_"));
        let cgroup = Cgroup::new("cpu", &name)?;
        if !cgroup.is_first_version() {
            write(cgroup.path().join("cgroup.type"), "threaded").context("make a group of threads")?;
        }
        Ok(Self { id: cgroup.id(), pod, cgroup })
    }

    fn limit(&self, ms: u32) -> Result<()> {
        let us = ms * 1000;
        match self.cgroup.is_first_version() {
            true => write(self.cgroup.path().join("cpu.cfs_quota_us"), us.to_string()),
            false => write(self.cgroup.path().join("cpu.max"), format!("{us} 100000")),
        }
        .context("limit a group's CPU time")
    }

    /// For how many seconds the quota held it back.
    fn throttled(&self) -> Result<f64> {
        let path = self.cgroup.path().join("cpu.stat");
        let (key, unit) =
            if self.cgroup.is_first_version() { ("throttled_time ", 1e9) } else { ("throttled_usec ", 1e6) };
        Ok(counter(&path.to_string_lossy(), key)? / unit)
    }

    /// Takes the current thread in.
    fn enter(&self) -> Result<()> {
        let file = if self.cgroup.is_first_version() { "tasks" } else { "cgroup.threads" };
        let thread = gettid().as_raw_pid().to_string();
        write(self.cgroup.path().join(file), thread).context("put a thread into a group")
    }
}
