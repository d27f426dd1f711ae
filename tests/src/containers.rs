//! What the agent says of a cgroup, against what was done in one.

use std::hint::black_box;

use anyhow::Result;

use crate::{Agent, cgroup::Cgroup, truth::Bounded};

/// Switches the collector on.
pub const CONFIG: &str = "[collector.cgroup_usage]\nenabled = true\n";

/// By how much the memory of a cgroup grew in which somebody took so much.
pub fn memory_is_told(agent: &Agent, n_bytes: usize) -> Result<Bounded> {
    // The kernel charges 64 pages at a time to each CPU (mm/memcontrol.c), and adds them up now and then.
    const ROOM: f64 = 2.0 * 1024.0 * 1024.0;
    let cgroup = Cgroup::with_memory(4 * n_bytes as u64)?;
    let id = cgroup.id();
    let used = || agent.scrape()?.value("container_memory_rss", &[("id", &id)]);
    let (before, after) = cgroup.inside(|| {
        let before = used()?;
        let taken = vec![1_u8; n_bytes];
        let after = used()?;
        drop(black_box(taken));
        Ok((before, after))
    })?;
    Ok(Bounded { low: n_bytes as f64 - ROOM, agent: after - before, high: n_bytes as f64 + ROOM })
}
