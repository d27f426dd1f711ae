//! How long tasks that could run waited for a CPU.
//!
//! The kernel stamps a task with its run queue's clock when it queues it (`sched_info.last_queued`), and takes the
//! stamp back when the task gets the CPU, just after `sched_switch`. So at `sched_switch` the wait of the next task is
//! there to read, and neither wake-ups nor tasks need be followed. A task that moves to another queue while it waits
//! is stamped anew: the wait before that is missing here, and in no other way does the sum differ from the second
//! number of `/proc/<pid>/schedstat`.
#![cfg_attr(
    target_arch = "bpf",
    no_std,
    no_main,
    expect(unsafe_code, reason = "a probe reads kernel memory")
)]

#[cfg(target_arch = "bpf")]
mod probe {
    use aya_ebpf::{
        bindings::BPF_F_MMAPABLE,
        btf_maps::Array,
        macros::{btf_map, btf_tracepoint},
        programs::BtfTracePointContext,
    };
    use ebpf_probes::{Object, field, globals, programs};
    use probe_abi::{Histogram, histogram::slot};

    globals! {
        /// `task_struct.sched_info.last_queued`: ns of the run queue's clock, 0 if the task did not wait.
        LAST_QUEUED,
        /// `task_struct.se.cfs_rq`, set for tasks of any class.
        CFS_RQ,
        /// `cfs_rq.rq`
        RQ,
        /// `rq.clock`: ns, fresh at the hook.
        CLOCK,
    }

    /// A row for each possible CPU; the loader sets their number.
    #[btf_map]
    static WAITS: Array<Histogram, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    programs! {
        #[btf_tracepoint(function = "sched_switch")]
        fn sched_switch(ctx: BtfTracePointContext, cpu) {
            let next: Object = ctx.arg(2);
            // SAFETY: the hook's third argument is a task; each offset is of the struct that its path names.
            let (queued, now) = unsafe {
                let queued: u64 = field(next, &LAST_QUEUED);
                if queued == 0 {
                    return;
                }
                let rq: Object = field(field::<Object>(next, &CFS_RQ), &RQ);
                (queued, field::<u64>(rq, &CLOCK))
            };
            // Clocks of two queues may be a little apart: a task that was stamped on another one can be ahead of this.
            let wait = now.wrapping_sub(queued);
            if wait as i64 >= 0 {
                record(cpu, wait);
            }
        }
    }

    #[inline(always)]
    fn record(cpu: u32, wait: u64) {
        if let Some(row) = WAITS.get_ptr_mut(cpu) {
            // SAFETY: this CPU's own row, of a map that outlives the program. The hook runs with interrupts off and
            // is not entered twice on a CPU, so nobody else writes it and plain additions lose nothing.
            let row = unsafe { &mut *row };
            if let Some(count) = row.slots.get_mut(slot(wait)) {
                *count += 1;
                row.sum += wait;
            }
        }
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
