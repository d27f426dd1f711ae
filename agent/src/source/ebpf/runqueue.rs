//! How long tasks waited for a CPU: the probe `ebpf-probes/src/bin/runqueue.rs`.

use probe_abi::Histogram;

use super::{Attach, Constant, Error, Kernel, Probe, Program, Sizing, Spec, Table, probe::object};

pub static SPEC: Spec = Spec {
    name: "runqueue",
    object: object!("runqueue"),
    programs: &[Program { name: "sched_switch", attach: Attach::TpBtf("sched_switch") }],
    constants: &[
        // With CONFIG_SCHED_INFO, that is with CONFIG_SCHEDSTATS or CONFIG_TASK_DELAY_ACCT.
        Constant::field("LAST_QUEUED", "task_struct.sched_info.last_queued", 8),
        // With CONFIG_FAIR_GROUP_SCHED.
        Constant::field("CFS_RQ", "task_struct.se.cfs_rq", 8),
        Constant::field("RQ", "cfs_rq.rq", 8),
        Constant::field("CLOCK", "rq.clock", 8),
    ],
};

/// The probe as it runs.
#[derive(Debug)]
pub struct RunQueue {
    probe: Probe,
    waits: Table<Histogram>,
}

impl RunQueue {
    pub fn load(kernel: &Kernel) -> Result<Self, Error> {
        let sizing = Sizing { entries: &|n_cpus| vec![("WAITS", n_cpus)], globals: &[] };
        let mut probe = Probe::load(&SPEC, kernel, &sizing)?;
        let waits = probe.table("WAITS")?;
        Ok(Self { probe, waits })
    }

    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// A row for each possible CPU, by number: the waits of the tasks that it took.
    pub fn waits(&self) -> &Table<Histogram> {
        &self.waits
    }
}
