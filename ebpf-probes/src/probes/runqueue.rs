//! How long tasks that could run waited for a CPU; and, where it is wanted, why CPUs left their tasks, for how long each
//! had run in its turn, and how far tasks were moved; for how long they were without a CPU, by why they left it; and who
//! had the CPU while the tasks of some control groups waited.
//!
//! The kernel stamps a task with its run queue's clock when it queues it (`sched_info.last_queued`), and takes the
//! stamp back when the task gets the CPU, just after `sched_switch`. So at `sched_switch` the wait of the next task is
//! there to read, and neither wake-ups nor tasks need be followed. Three things are wrong with it, and mended here:
//!
//! - A task that moves to another queue while it waits is stamped anew. The kernel adds up what it waited before in
//!   `sched_info.run_delay`, so what that has grown by since the task's last arrival belongs to the same wait.
//! - After a wake-up that preempts the running task, or wakes an idle CPU, the kernel does not read the clock again for
//!   the switch (`rq_clock_skip_update`): the wait would be 0, and what the preempted task waits would be too long.
//! - From 6.12 on a task may stay queued in its sleep (`se.sched_delayed`). Moved then, it gets a stamp that its wake-up
//!   does not renew, and its sleep is taken for waiting. Such waits are not counted but told.

#[cfg(target_arch = "bpf")]
mod blames;

use ebpf_probes::{
    Object,
    maps::{Attached, CpuClocks, CpuWords, Fixed, HistogramBy, PerCpu},
    probe,
};
use probe_abi::{Histogram, QueueClock, arrival, blame, left};

probe! {
    name: "runqueue",
    constants {
        /// ns of the run queue's clock, 0 if the task did not wait. With CONFIG_SCHED_INFO, that is with
        /// CONFIG_SCHEDSTATS or CONFIG_TASK_DELAY_ACCT.
        LAST_QUEUED: u64 = field("task_struct.sched_info.last_queued");
        /// ns that the task waited so far, but for its wait on the queue that it is on.
        RUN_DELAY: u64 = field("task_struct.sched_info.run_delay");
        /// How often it got a CPU.
        PCOUNT: u64 = field("task_struct.sched_info.pcount");
        PID: u32 = field("task_struct.pid");
        /// 0 for the idle task, and for one that is preempted.
        STATE: u32 = field("task_struct.__state"), unless(LONG_STATE);
        /// The same before 5.14.
        LONG_STATE: u64 = field("task_struct.state"), optional;
        /// It sleeps, although it is still queued.
        SCHED_DELAYED: u8 = field("task_struct.se.sched_delayed"), optional;
        /// Set for tasks of any class. With CONFIG_FAIR_GROUP_SCHED.
        CFS_RQ: Object = field("task_struct.se.cfs_rq");
        RQ: Object = field("cfs_rq.rq");
        /// ns
        CLOCK: u64 = field("rq.clock");
        /// Whether switches, turns and moves are wanted.
        TURNS = feature();
        /// Whether times without a CPU are wanted.
        OFFCPU = feature();
        /// ns of the clock of the queue when the task got the CPU, 0 if it never did.
        LAST_ARRIVAL: u64 = field("task_struct.sched_info.last_arrival");
        /// Whether it is wanted who had the CPU.
        BLAME = feature();
        /// With CONFIG_CGROUP_SCHED, as what leads from it to the number of its folder.
        TASK_GROUP: Object = field("task_struct.sched_task_group"), optional;
        CGROUP: Object = field("task_group.css.cgroup"), optional;
        NODE: Object = field("cgroup.kn"), optional;
        NODE_ID: u64 = field("kernfs_node.id"), optional;
        /// How many quotas hold a group back, its own or of those above it. With CONFIG_CFS_BANDWIDTH.
        THROTTLE_COUNT: u32 = field("cfs_rq.throttle_count"), optional;
        /// ns for which they did while the group had work; before 6.6, whether it had or not.
        THROTTLED_TIME: u64 = field("cfs_rq.throttled_clock_self_time|cfs_rq.throttled_clock_pelt_time|cfs_rq.throttled_clock_task_time"), optional;
        /// Moved in 5.16.
        TASK_CPU: u32 = field("task_struct.thread_info.cpu|task_struct.cpu");
    }
    maps {
        WAITS: PerCpu<Histogram>;
        CLOCKS: PerCpu<QueueClock>;
        /// Of each task's last arrival.
        ARRIVALS: Fixed<u64, { arrival::WORDS }>;
        CPU_CLOCKS: CpuClocks;
        /// By [`Switch`], then by [`Distance`] of the moves that each CPU made, then when the turn of its task began.
        COUNTS: CpuWords<COUNT_WORDS>, with(TURNS);
        /// Of tasks that left each CPU.
        TURN_TIMES: PerCpu<Histogram>, with(TURNS);
        /// Where each CPU is, see [`place`]. The agent writes it.
        PLACES: CpuWords<1>, with(TURNS);
        /// Of each task that is without a CPU, see [`left`].
        LEFT: Fixed<u64, { left::WORDS }>, with(OFFCPU);
        /// By [`left::Reason`].
        OFFCPU_TIMES: HistogramBy<{ left::REASONS }>, with(OFFCPU);
        /// Tasks that came back and whose word was another's, or of before the programs were away for a while.
        UNSEEN: Fixed<u64, 1>, with(OFFCPU);
        ATTACHED: Attached;
        /// What had each CPU, and who waited meanwhile.
        BLAMES: PerCpu<blame::Blame>, with(BLAME);
        /// Which groups are watched, see [`blame::word`]. The agent writes it.
        GROUPS: Fixed<u64, { blame::PLACES }>, with(BLAME);
    }
    programs {
        tp_btf("sched_switch") fn sched_switch(args, cpu) {
            let (is_preempted, prev, next) = (args.number(0) & 1 != 0, args.object(1), args.object(2));
            if OFFCPU.get() != 0 {
                kernel::left(is_preempted, prev, next, cpu);
            }
            kernel::switched(is_preempted, prev, next, cpu);
        }

        tp_btf("sched_migrate_task") fn sched_migrate_task(args, cpu) {
            kernel::moved(args.object(0), args.number(1) as u32, cpu);
        }
    }
}

/// Why a CPU left a task, a word each.
#[derive(Clone, Copy, Debug)]
pub enum Switch {
    /// It was the idle task.
    Idle,
    /// It could have gone on.
    Involuntary,
    Voluntary,
}

/// How far a task was moved, a word each.
#[derive(Clone, Copy, Debug)]
pub enum Distance {
    /// To a CPU with the same last cache.
    Cache = 3,
    /// To another one of the same node.
    Node,
    Remote,
    /// Where one of the two is, is not known.
    Unknown,
}

/// When the turn of a CPU's task began, on its queue's clock: the word behind the others.
#[cfg(target_arch = "bpf")]
const BEGAN: u32 = 7;

/// A cache line.
pub const COUNT_WORDS: usize = 8;

/// Where a CPU is: its last cache and its node, numbers that tell them from others. 0 is not known.
pub const fn place(cache: u32, node: u32) -> u64 {
    ((node as u64 + 1) << 32) | cache as u64
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{Object, now};
    use probe_abi::{arrival::Since, left::Reason};

    use super::*;

    /// The hook runs with interrupts off and is not entered twice on a CPU.
    #[inline(always)]
    pub(super) fn switched(is_preempted: bool, prev: Object, next: Object, cpu: u32) {
        let Some(row) = CLOCKS.own(cpu) else { return };
        let clock = CLOCK.of(RQ.of(CFS_RQ.of(next)));
        let queued = LAST_QUEUED.of(next);
        let begin = row.correct(PID.of(next), queued);
        let mut end = clock;
        if can_run(prev) {
            end = read_again(row, clock);
            (row.stale, row.fresh, row.preempted) = (clock, end, PID.of(prev).into());
        } else if clock == queued {
            end = read_again(row, clock);
        } else if clock.wrapping_sub(row.sampled) > QueueClock::SAMPLED_FOR {
            row.sampled = clock;
            compare(row, clock, now());
        }
        if TURNS.get() != 0 {
            turn_ended(is_preempted, prev, end, cpu);
        }
        if BLAME.get() != 0 {
            blames::left(prev, next, [queued, end], cpu);
        }
        if queued == 0 {
            // The idle task, or one that was preempted on its way to sleep.
            row.unqueued += u64::from(PID.of(next) != 0);
            return;
        }
        let before = match last_arrival(next, clock.wrapping_sub(queued)) {
            Since::Waited(before) => before,
            Since::Asleep => {
                row.asleep += 1;
                return;
            }
            Since::Unknown => {
                row.unknown += 1;
                0
            }
        };
        // Clocks of two queues may be a little apart: a task that was stamped on another one can be ahead of this.
        let wait = end.wrapping_sub(begin);
        if wait as i64 >= 0 {
            WAITS.record(cpu, wait + before);
            if BLAME.get() != 0 {
                blames::waited(next, [begin, end], before, cpu);
            }
        } else {
            row.negative += 1;
        }
    }

    /// One task leaves the CPU, and how long the other was without one is known.
    #[inline(always)]
    pub(super) fn left(is_preempted: bool, prev: Object, next: Object, cpu: u32) {
        let (now, leaves, comes) = (now(), PID.of(prev), PID.of(next));
        if leaves != 0 {
            let state = if STATE.is_present() { STATE.of(prev) } else { LONG_STATE.of(prev) as u32 };
            let reason = if is_preempted { Reason::Preempted } else { Reason::of(state) };
            LEFT.store(left::place(leaves), left::word(leaves, reason, now));
        }
        if comes == 0 {
            return;
        }
        let Some(word) = LEFT.replace(left::place(comes), 0) else { return };
        match left::since(word, comes, now) {
            Some((reason, time)) if ATTACHED.since(now - time) => OFFCPU_TIMES.record(reason, cpu, time),
            // A new task has none.
            None if word == 0 => {}
            _ => UNSEEN.add(0, 1),
        }
    }

    /// `end`: of the turn, on the clock of the queue.
    #[inline(always)]
    fn turn_ended(is_preempted: bool, prev: Object, end: u64, cpu: u32) {
        let began = COUNTS.load(cpu, BEGAN);
        COUNTS.store(cpu, BEGAN, end);
        if PID.of(prev) == 0 {
            COUNTS.add(cpu, Switch::Idle as u32, 1);
            return;
        }
        let is_voluntary = !is_preempted && !can_run(prev);
        COUNTS.add(cpu, if is_voluntary { Switch::Voluntary } else { Switch::Involuntary } as u32, 1);
        // The kernel's own stamp is no later than ours, unless the probe was detached meanwhile.
        let turn = end.wrapping_sub(began.max(LAST_ARRIVAL.of(prev)));
        TURN_TIMES.record(cpu, if turn as i64 >= 0 { turn } else { 0 });
    }

    /// A task that sleeps has its word marked when it is moved.
    #[inline(always)]
    pub(super) fn moved(task: Object, to: u32, cpu: u32) {
        if TURNS.get() != 0 {
            let (from, to) = (PLACES.load(TASK_CPU.of(task), 0), PLACES.load(to, 0));
            let distance = if from == 0 || to == 0 {
                Distance::Unknown
            } else if from == to {
                Distance::Cache
            } else if from >> 32 == to >> 32 {
                Distance::Node
            } else {
                Distance::Remote
            };
            COUNTS.add(cpu, distance as u32, 1);
        }
        if SCHED_DELAYED.is_present() && SCHED_DELAYED.of(task) != 0 {
            let pid = PID.of(task);
            let word = arrival::word(pid, PCOUNT.of(task), RUN_DELAY.of(task));
            ARRIVALS.store(arrival::place(pid), arrival::moved_asleep(word));
        }
    }

    /// Whether a task that leaves the CPU could go on.
    #[inline(always)]
    fn can_run(task: Object) -> bool {
        if STATE.is_present() { STATE.of(task) == 0 } else { LONG_STATE.of(task) == 0 }
    }

    /// What the queue's clock would say if it were read now.
    #[inline(always)]
    fn read_again(row: &mut QueueClock, clock: u64) -> u64 {
        let now = now();
        if now.wrapping_sub(row.compared) > QueueClock::COMPARED_FOR {
            compare(row, clock, now);
        }
        row.at(now).max(clock)
    }

    /// `before`: the monotonic clock.
    #[inline(always)]
    fn compare(row: &mut QueueClock, clock: u64, before: u64) {
        let count = CPU_CLOCKS.read();
        row.compare(clock, [before, now()], count);
    }

    /// What is known of a task since its last arrival, of which this one takes the place; `last` is what it has waited on
    /// this queue, by the kernel.
    #[inline(always)]
    fn last_arrival(task: Object, last: u64) -> Since {
        let (pid, n_arrivals, delay) = (PID.of(task), PCOUNT.of(task), RUN_DELAY.of(task));
        let arrived = arrival::word(pid, n_arrivals.wrapping_add(1), delay.wrapping_add(last));
        let Some(word) = ARRIVALS.replace(arrival::place(pid), arrived) else { return Since::Unknown };
        if n_arrivals == 0 {
            return Since::Waited(delay);
        }
        arrival::since(word, arrival::word(pid, n_arrivals, delay))
    }
}
