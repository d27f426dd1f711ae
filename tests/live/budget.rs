//! A budget that no probe can keep to: each is detached, and comes back, without the capabilities that it was loaded
//! with.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use hostlens_tests::{Agent, Exposition, truth};

const COLLECTOR: &str = "runqueue";

pub(crate) const CONFIG: &str = "
[ebpf.budget]
max_cpu = \"0.0000001%\"
window = \"1s\"
retry_after = \"2s\"
";

/// The same, with what remembers when each task left its CPU.
pub(crate) const WITH_STARTS: &str = "
[ebpf]
classic_buckets = 'pow2'
[ebpf.budget]
max_cpu = \"0.0000001%\"
window = \"1s\"
retry_after = \"2s\"
[collector.offcpu]
enabled = true
";

/// Two windows, and what a busy machine takes to look.
const DETACHED_WITHIN: Duration = Duration::from_secs(5);
const ATTACHED_WITHIN: Duration = Duration::from_secs(6);

pub(crate) fn is_kept(agent: &Agent) -> Result<()> {
    for (state, limit) in
        [("over_budget", DETACHED_WITHIN), ("running", ATTACHED_WITHIN), ("over_budget", DETACHED_WITHIN)]
    {
        wait_for(agent, state, limit)?;
        let page = agent.get("/api/v1/collectors", &[])?.text();
        // It was so a moment ago, and stays so for two seconds.
        let is_told =
            page.contains(r#""name":"runqueue","state":"over_budget""#) && page.contains(r#""retry_at":1"#);
        ensure!(is_told || state == "running", "{page}");
    }
    let log = agent.log();
    for line in ["probe is over budget and detached", "probe is attached again"] {
        ensure!(log.contains(line), "the log lacks `{line}`:\n{log}");
    }
    Ok(())
}

/// Threads that sleep but shortly leave and come back while no program runs: that they left long ago is forgotten.
pub(crate) fn forgets_what_began_before(agent: &Agent) -> Result<()> {
    const THREADS: usize = 100;
    const NAP: Duration = Duration::from_millis(100);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    thread::sleep(NAP);
                }
            });
        }
        let outcome = (|| {
            wait_for(agent, "over_budget", DETACHED_WITHIN)?;
            let before = agent.scrape()?;
            wait_for(agent, "running", ATTACHED_WITHIN)?;
            wait_for(agent, "over_budget", DETACHED_WITHIN)?;
            let after = agent.scrape()?;
            let lost = |page: &Exposition| page.value("node_sched_offcpu_lost_total", &[]);
            let longer = |page: &Exposition| {
                let sum = |part, labels: &[_]| page.sum(&format!("node_sched_offcpu_seconds_{part}"), labels);
                Ok::<_, anyhow::Error>(sum("count", &[])? - sum("bucket", &[("le", "1")])?)
            };
            let (lost, longer) = (lost(&after)? - lost(&before)?, longer(&after)? - longer(&before)?);
            println!("{lost} forgotten of {THREADS} and others, {longer} were longer than a second");
            // Others sleep for long between the two.
            ensure!(
                lost >= THREADS as f64 && longer < THREADS as f64 / 2.0,
                "{lost} forgotten, {longer} long"
            );
            Ok(())
        })();
        is_over.store(true, Relaxed);
        outcome
    })
}

fn wait_for(agent: &Agent, state: &str, limit: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        let states = truth::states(&agent.scrape()?)?;
        let found = states.iter().find(|it| it.collector == COLLECTOR);
        if found.is_some_and(|it| it.state == state) {
            return Ok(());
        }
        if begin.elapsed() > limit {
            bail!("{COLLECTOR} is not {state} after {limit:?} but {found:?}");
        }
        thread::sleep(Duration::from_millis(50));
    }
}
