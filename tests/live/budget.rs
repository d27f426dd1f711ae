//! A budget that no probe can keep to: each is detached, and comes back, without the capabilities that it was loaded
//! with.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use hostlens_tests::{Agent, truth};

const COLLECTOR: &str = "runqueue";

pub(crate) const CONFIG: &str = "
[ebpf.budget]
max_cpu = \"0.0000001%\"
window = \"1s\"
retry_after = \"2s\"
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
