//! For how long tasks were without a CPU, by the state in which they left it.

use ebpf_probes::{
    maps::{Fixed, HistogramBy},
    probe,
};
use probe_abi::left;

probe! {
    name: "offcpu",
    constants {
        PID: u32 = field("task_struct.pid");
        /// 0 for a task that could go on.
        STATE: u32 = field("task_struct.__state"), unless(LONG_STATE);
        /// The same before 5.14.
        LONG_STATE: u64 = field("task_struct.state"), optional;
    }
    maps {
        /// Of each task that is without a CPU, see [`left`].
        LEFT: Fixed<u64, { left::WORDS }>;
        /// By [`left::Reason`].
        TIMES: HistogramBy<{ left::REASONS }>;
        /// Tasks that came back and whose word was another's.
        UNSEEN: Fixed<u64, 1>;
    }
    programs {
        tp_btf("sched_switch") fn switched(args, cpu) {
            kernel::switched(args.number(0) & 1 != 0, args.object(1), args.object(2), cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Object, now};
    use probe_abi::left::{Reason, place, since, word};

    use super::*;

    #[inline(always)]
    pub(super) fn switched(is_preempted: bool, prev: Object, next: Object, cpu: u32) {
        let (now, leaves, comes) = (now(), PID.of(prev), PID.of(next));
        if leaves != 0 {
            let state = if STATE.is_present() { STATE.of(prev) } else { LONG_STATE.of(prev) as u32 };
            let reason = if is_preempted { Reason::Preempted } else { Reason::of(state) };
            LEFT.store(place(leaves), word(leaves, reason, now));
        }
        if comes == 0 {
            return;
        }
        let Some(left) = LEFT.replace(place(comes), 0) else { return };
        match since(left, comes, now) {
            Some((reason, time)) => TIMES.record(reason, cpu, time),
            // A new task has none.
            None if left != 0 => UNSEEN.add(0, 1),
            None => {}
        }
    }
}
