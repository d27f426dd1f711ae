//! Programs whose cgroup may not use the memory they ask for, and in a guest those that the host gives up on request.

use std::{
    fs::write,
    process::{self, Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{Check, beside, counter, hooks, is_emulated, process_events::running, total};
use crate::{Agent, cgroup::Cgroup};

pub(super) const CHECKS: &[Check] = &[
    Check { collector: "oom_kills", claim: "each kill is one, of what was short of memory", run: kills },
    Check { collector: "oom_kills", claim: "a kill is its pod's when that is gone", run: of_a_pod },
];

const KILLS: &str = "node_oom_kills_total";

const LIMIT: u64 = 8 << 20;
const N: usize = 3;

fn kills(agent: &Agent) -> Result<String> {
    if !is_emulated() {
        return kills_of(agent, "cgroup", kill_in_cgroup);
    }
    // Elsewhere the kernel may choose another's process.
    write(format!("/proc/{}/oom_score_adj", agent.pid()), "-1000").context("spare the agent")?;
    kills_of(agent, "host", || kill_of_host(agent))
}

fn kills_of(agent: &Agent, scope: &str, kill: impl Fn() -> Result<()>) -> Result<String> {
    let kernel = || counter("/proc/vmstat", "oom_kill ");
    let before = agent.scrape()?;
    let all = beside(agent, KILLS, &[], kernel, || (0..N).try_for_each(|_| kill()))?;
    ensure!(all.low >= N as f64, "the kernel says {} kills of {N}", all.low);
    all.inside()?;
    let of = |scope| {
        Ok::<_, anyhow::Error>(
            total(&agent.scrape()?, KILLS, &[("scope", scope)]) - total(&before, KILLS, &[("scope", scope)]),
        )
    };
    let (scoped, unknown) = (of(scope)?, of("unknown")?);
    ensure!(scoped >= N as f64 || unknown >= N as f64, "{scoped} for {scope} and {unknown} unknown of {N}");
    Ok(format!("{all}, {scoped} of its own"))
}

/// The agent sees the container once, then its last process is killed and it is gone.
fn of_a_pod(agent: &Agent) -> Result<String> {
    // A pod's UID is 8-4-4-4-12 digits, a container's id has 64.
    let uid = format!("{:08x}-0000-4000-8000-00000000000a", process::id());
    let container = format!("{:064x}", 0xa);
    let name = format!("kubepods-pod{}.slice:cri-containerd:{container}", uid.replace('-', "_"));
    let cgroup = Cgroup::limited(&name, LIMIT)?;
    let id = cgroup.id();
    agent.scrape()?;
    for _ in 0..N {
        kill_inside(&cgroup)?;
    }
    drop(cgroup);
    let page = agent.scrape()?;
    let of_group = total(&page, "node_cgroup_oom_kills_total", &[("cgroup", &id)]);
    let of_unit = total(&page, "node_unit_oom_kills_total", &[("unit", &id)]);
    let of_pod = total(&page, "container_oom_kills_total", &[("pod", &uid), ("container", &container[..12])]);
    let unknown = total(&page, "node_cgroup_oom_kills_total", &[("cgroup", "~unknown")]).abs();
    let text = format!("{of_pod} of the pod, {of_group} of its group, {unknown} unknown of {N}");
    ensure!(of_pod == of_group && of_group + unknown >= N as f64 && of_unit == 0.0, "{text}");
    // Before Linux 6.9 it is not told who was killed.
    ensure!(unknown == 0.0 || !tells_victims()?, "{text}");
    Ok(text)
}

fn tells_victims() -> Result<bool> {
    Ok(hooks()?.argument("mark_victim", "task_struct").is_some())
}

fn kill_in_cgroup() -> Result<()> {
    kill_inside(&Cgroup::with_memory(LIMIT)?)
}

fn kill_inside(cgroup: &Cgroup) -> Result<()> {
    // A last line without an end is kept until there is no more memory.
    let reader = || Command::new("tail").arg("/dev/zero").stdout(Stdio::null()).spawn().context("run tail");
    is_killed(cgroup.inside(reader)?)
}

fn kill_of_host(agent: &Agent) -> Result<()> {
    let child = running(agent, &["--collector.disable-defaults"])?;
    write(format!("/proc/{}/oom_score_adj", child.id()), "1000").context("offer a process")?;
    // Documentation/admin-guide/sysrq.rst.
    write("/proc/sysrq-trigger", "f").context("ask for a kill")?;
    is_killed(child)
}

fn is_killed(mut child: Child) -> Result<()> {
    let status = child.wait()?;
    ensure!(status.code().is_none(), "it was not killed: {status}");
    Ok(())
}
