//! For tests alone: how long tasks waited for a CPU, as seen by who follows each of them.
//!
//! The clock is read where a task becomes runnable (`sched_wakeup`, `sched_wakeup_new`, and the `sched_switch` that
//! takes the CPU from it) and where it gets a CPU. Between the two it may be moved as often as the kernel likes: that is
//! one wait. No hook is where the kernel itself begins and ends one, so each wait has a least and a most:
//!
//! - A task that wakes up is queued after `sched_waking` and before `sched_wakeup`.
//! - A switch is dated after `rcu_utilization` ("End context switch", the first thing that `__schedule` does with
//!   interrupts off) and before `sched_switch`, which other programs may hold up.
//!
//! Nothing is taken from the kernel's own account but the number of arrivals, and that only to tell when an event was not
//! seen, as some kernels run no tracing program for some tasks: for those few waits the kernel's word is taken.

use ebpf_probes::{
    Object, Small,
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
        LAST_QUEUED: u64 = field("task_struct.sched_info.last_queued");
        CFS_RQ: Object = field("task_struct.se.cfs_rq");
        RQ: Object = field("cfs_rq.rq");
        CLOCK: u64 = field("rq.clock");
        /// The process whose waits alone count; absent if all do.
        ONLY = setting();
        /// Waits that there is room for on each CPU.
        ROOM = setting();
    }
    maps {
        /// The tasks that are about to be queued, by number.
        WAKING: Hash<u32, Stamp>;
        /// The tasks that wait, by number.
        WAITING: Hash<u32, Stamp>;
        /// In nanoseconds, at least and at most; `ROOM` for each CPU, in the order in which they ended.
        WAITS: Rows<u64>;
        /// Eight for each CPU: its waits, those among them of which it was not seen when they began, and when the switch
        /// that is under way began.
        COUNTS: Rows<u64>;
    }
    programs {
        tp_btf("rcu_utilization") fn scheduling(_, cpu) {
            COUNTS.store(cpu * 8 + kernel::BEGAN, ebpf_probes::now());
        }

        tp_btf("sched_waking") fn waking(args, _) {
            kernel::waking(args.object(0));
        }

        tp_btf("sched_wakeup") fn wakeup(args, _) {
            kernel::woken(args.object(0));
        }

        tp_btf("sched_wakeup_new") fn wakeup_new(args, _) {
            kernel::woken(args.object(0));
        }

        tp_btf("sched_switch") fn switch(args, cpu) {
            kernel::switched(args.number(0) as u8 != 0, args.object(1), args.object(2), cpu);
        }
    }
}

/// Since when a task waits, on the monotonic clock in nanoseconds.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stamp {
    pub earliest: u64,
    pub latest: u64,
    pub n_arrivals: u64,
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::now;

    use super::*;

    const UNSEEN: u32 = 1;
    pub(super) const BEGAN: u32 = 2;

    #[inline(always)]
    pub(super) fn waking(task: Object) {
        let now = now();
        WAKING.put(PID.of(task), Stamp { earliest: now, latest: now, n_arrivals: PCOUNT.of(task) });
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
            let waking = WAKING.take(pid).filter(|it| it.n_arrivals == n_arrivals);
            stamp(pid, waking.map_or(now, |it| it.earliest), now, n_arrivals);
        }
    }

    /// `is_preempted`: the task goes on whatever its state says.
    #[inline(always)]
    pub(super) fn switched(is_preempted: bool, prev: Object, next: Object, cpu: u32) {
        let now = now();
        let began = COUNTS.replace(cpu * 8 + BEGAN, 0).filter(|it| *it != 0).unwrap_or(now);
        let pid = PID.of(prev);
        if pid != 0 {
            let can_run = if STATE.is_present() { STATE.of(prev) == 0 } else { LONG_STATE.of(prev) == 0 };
            if can_run || is_preempted {
                stamp(pid, began, now, PCOUNT.of(prev));
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
            Some(it) if it.n_arrivals == PCOUNT.of(next) => {
                push(cpu, began.saturating_sub(it.latest), now - it.earliest);
            }
            _ => {
                COUNTS.add(cpu * 8 + UNSEEN, 1);
                let (clock, queued) = (CLOCK.of(RQ.of(CFS_RQ.of(next))), LAST_QUEUED.of(next));
                let wait = if queued == 0 { 0 } else { clock.saturating_sub(queued) };
                push(cpu, wait, wait);
            }
        }
    }

    #[inline(always)]
    fn stamp(pid: u32, earliest: u64, latest: u64, n_arrivals: u64) {
        if !WAITING.put(pid, Stamp { earliest, latest, n_arrivals }) {
            // Its wait will be one whose begin is not known.
            WAITING.take(pid);
        }
    }

    /// Puts down a wait, in words that are this CPU's own.
    #[inline(always)]
    fn push(cpu: u32, least: u64, most: u64) {
        let Some(n_waits) = COUNTS.load(cpu * 8) else { return };
        if n_waits < ROOM.get().into() {
            let place = (cpu * ROOM.get() + n_waits as u32) * 2;
            WAITS.store(place, least);
            WAITS.store(place + 1, most);
        }
        COUNTS.store(cpu * 8, n_waits + 1);
    }
}
