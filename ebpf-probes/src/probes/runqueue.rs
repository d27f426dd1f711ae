//! How long tasks that could run waited for a CPU.
//!
//! The kernel stamps a task with its run queue's clock when it queues it (`sched_info.last_queued`), and takes the
//! stamp back when the task gets the CPU, just after `sched_switch`. So at `sched_switch` the wait of the next task is
//! there to read, and neither wake-ups nor tasks need be followed. A task that moves to another queue while it waits
//! is stamped anew: the wait before that is missing here, and in no other way does the sum differ from the second
//! number of `/proc/<pid>/schedstat`.

use ebpf_probes::{Object, maps::PerCpu, probe};
use probe_abi::Histogram;

probe! {
    name: "runqueue",
    constants {
        /// ns of the run queue's clock, 0 if the task did not wait. With CONFIG_SCHED_INFO, that is with
        /// CONFIG_SCHEDSTATS or CONFIG_TASK_DELAY_ACCT.
        LAST_QUEUED: u64 = field("task_struct.sched_info.last_queued");
        /// Set for tasks of any class. With CONFIG_FAIR_GROUP_SCHED.
        CFS_RQ: Object = field("task_struct.se.cfs_rq");
        RQ: Object = field("cfs_rq.rq");
        /// ns, fresh at the hook.
        CLOCK: u64 = field("rq.clock");
    }
    maps {
        WAITS: PerCpu<Histogram>;
    }
    programs {
        tp_btf("sched_switch") fn sched_switch(args, cpu) {
            kernel::switched(args.object(2), cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use super::*;

    #[inline(always)]
    pub(super) fn switched(next: Object, cpu: u32) {
        let queued = LAST_QUEUED.of(next);
        if queued == 0 {
            return;
        }
        let now = CLOCK.of(RQ.of(CFS_RQ.of(next)));
        // Clocks of two queues may be a little apart: a task that was stamped on another one can be ahead of this.
        let wait = now.wrapping_sub(queued);
        if wait as i64 >= 0 {
            // The hook runs with interrupts off and is not entered twice on a CPU.
            WAITS.record(cpu, wait);
        }
    }
}
