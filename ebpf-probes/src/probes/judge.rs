//! For tests alone: how long tasks waited for a CPU, as seen by who follows each of them.
//!
//! The clock is read where a task becomes runnable (`sched_wakeup`, `sched_wakeup_new`, and the `sched_switch` that
//! takes the CPU from it) and where it gets a CPU. Between the two it may be moved as often as the kernel likes: that is
//! one wait. Nothing is taken from the kernel's own account of waits but the number of arrivals, and that only to tell
//! when an event was not seen: some kernels run no tracing program for some tasks.

use ebpf_probes::{
    Small,
    maps::{Hash, Rows},
    probe,
};

probe! {
    name: "judge",
    constants {
        PID: u32 = field("task_struct.pid");
        TGID: u32 = field("task_struct.tgid");
        /// 0 for a task that can run.
        STATE: u32 = field("task_struct.__state"), unless(LONG_STATE);
        /// The same before 5.14.
        LONG_STATE: u64 = field("task_struct.state"), optional;
        ON_CPU: Small = field("task_struct.on_cpu");
        /// How often it got a CPU.
        PCOUNT: u64 = field("task_struct.sched_info.pcount");
        /// The process whose waits alone count; absent if all do.
        ONLY = setting();
        /// Waits that there is room for on each CPU.
        ROOM = setting();
        /// 1 if a wait begins anew when its task is moved.
        ANEW = setting();
    }
    maps {
        /// The tasks that wait, by number.
        WAITING: Hash<u32, Stamp>;
        /// In nanoseconds; `ROOM` for each CPU, in the order in which they ended.
        WAITS: Rows<u64>;
        /// Eight for each CPU: its waits, and the tasks it took of which it is not known since when they had waited.
        COUNTS: Rows<u64>;
    }
    programs {
        tp_btf("sched_wakeup") fn wakeup(args, _) {
            kernel::woken(args.object(0));
        }

        tp_btf("sched_wakeup_new") fn wakeup_new(args, _) {
            kernel::woken(args.object(0));
        }

        tp_btf("sched_migrate_task") fn migrate(args, _) {
            kernel::moved(args.object(0));
        }

        tp_btf("sched_switch") fn switch(args, cpu) {
            kernel::switched(args.number(0) as u8 != 0, args.object(1), args.object(2), cpu);
        }
    }
}

/// Since when a task waits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stamp {
    /// Of the monotonic clock, in nanoseconds.
    pub at: u64,
    pub n_arrivals: u64,
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Object, now};

    use super::*;

    #[inline(always)]
    pub(super) fn moved(task: Object) {
        let pid = PID.of(task);
        if ANEW.get() == 1
            && let Some(stamp) = WAITING.get(pid)
            && stamp.n_arrivals == PCOUNT.of(task)
        {
            // The task cannot run before the move is over.
            WAITING.put(pid, Stamp { at: now(), ..stamp });
        }
    }

    /// `is_preempted`: the task goes on whatever its state says.
    #[inline(always)]
    pub(super) fn switched(is_preempted: bool, prev: Object, next: Object, cpu: u32) {
        let now = now();
        let pid = PID.of(prev);
        if pid != 0 {
            let can_run = if STATE.is_present() { STATE.of(prev) == 0 } else { LONG_STATE.of(prev) == 0 };
            if can_run || is_preempted {
                stamp(pid, now, PCOUNT.of(prev));
            } else {
                WAITING.take(pid);
            }
        }
        let pid = PID.of(next);
        if pid == 0 {
            return;
        }
        let begin = WAITING.take(pid);
        if ONLY.is_present() && TGID.of(next) != ONLY.get() {
            return;
        }
        match begin {
            Some(it) if it.n_arrivals == PCOUNT.of(next) => push(cpu, now - it.at),
            _ => COUNTS.add(cpu * 8 + 1, 1),
        }
    }

    #[inline(always)]
    pub(super) fn woken(task: Object) {
        let now = now();
        // One that runs is told that it need not go to sleep.
        if ON_CPU.small(task) != 0 {
            return;
        }
        let (pid, n_arrivals) = (PID.of(task), PCOUNT.of(task));
        if WAITING.get(pid).is_none_or(|it| it.n_arrivals != n_arrivals) {
            stamp(pid, now, n_arrivals);
        }
    }

    #[inline(always)]
    fn stamp(pid: u32, at: u64, n_arrivals: u64) {
        if !WAITING.put(pid, Stamp { at, n_arrivals }) {
            // Its wait will be one whose begin is not known.
            WAITING.take(pid);
        }
    }

    /// Puts down a wait, in words that are this CPU's own.
    #[inline(always)]
    fn push(cpu: u32, wait: u64) {
        let Some(n_waits) = COUNTS.load(cpu * 8) else { return };
        if n_waits < ROOM.get().into() {
            WAITS.store(cpu * ROOM.get() + n_waits as u32, wait);
        }
        COUNTS.store(cpu * 8, n_waits + 1);
    }
}
