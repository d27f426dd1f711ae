//! Processes and threads that begin, processes that execute a program, and processes that end: why, and how old; and,
//! where it is wanted, what threads had used that ended.

use ebpf_probes::{
    Object,
    maps::{CounterBy, Fixed},
    probe,
};
use probe_abi::{Histogram, process::USED};

probe! {
    name: "process_events",
    constants {
        PID: u32 = field("task_struct.pid");
        TGID: u32 = field("task_struct.tgid");
        /// The low seven bits are the signal that ended it, the eighth says that it left a core, the rest is its status.
        EXIT_CODE: u32 = field("task_struct.exit_code");
        LEADER: Object = field("task_struct.group_leader");
        /// On the clock of `CLOCK_MONOTONIC`, in nanoseconds.
        START_TIME: u64 = field("task_struct.start_time");
        SIGNAL: Object = field("task_struct.signal");
        /// The thread that executes a program, while it waits for the others to end. Renamed in 5.17.
        EXECUTES: Object = field("signal_struct.group_exec_task|signal_struct.group_exit_task");
        /// Whether it is the last thread of its process. From 6.16 on.
        IS_LAST = argument_of_type("sched_process_exit", "bool"), optional;
        /// Whether what threads had used is wanted.
        USAGE = feature();
        RUN_TIME: u64 = field("task_struct.se.sum_exec_runtime");
        RUN_DELAY: u64 = field("task_struct.sched_info.run_delay"), optional;
        READ_BYTES: u64 = field("task_struct.ioac.read_bytes"), optional;
        WRITE_BYTES: u64 = field("task_struct.ioac.write_bytes"), optional;
    }
    maps {
        /// By [`Event`].
        EVENTS: Fixed<u64, EVENT_ROWS>;
        /// Processes that a signal ended, by its number.
        KILLED: Fixed<u64, SIGNALS>;
        LIFETIMES: Fixed<Histogram, 1>;
        /// When a thread must have begun to count in [`ENDED`], on the clock of `START_TIME`; 0: none counts.
        SINCE: Fixed<u64, 1>, with(USAGE);
        /// By [`process`](probe_abi::process).
        ENDED: CounterBy<USED>, with(USAGE);
    }
    programs {
        tp_btf("sched_process_fork") fn forked(args, _) {
            let child = args.object(1);
            let is_process = PID.of(child) == TGID.of(child);
            EVENTS.add(if is_process { Event::Process } else { Event::Thread } as u32, 1);
        }

        tp_btf("sched_process_exec") fn executed(_, _) {
            EVENTS.add(Event::Exec as u32, 1);
        }

        tp_btf("sched_process_exit") fn ended(args, cpu) {
            let task = args.object(0);
            if USAGE.get() != 0 {
                kernel::thread_ended(task, cpu);
            }
            let is_last = if IS_LAST.is_present() {
                args.number_at(&IS_LAST) as u8 != 0
            } else {
                // The first thread stands for all, unless it makes way for another one that executes a program.
                PID.of(task) == TGID.of(task) && EXECUTES.of(SIGNAL.of(task)).is_null()
            };
            if is_last {
                kernel::process_ended(task);
            }
        }
    }
}

/// Rows of `EVENTS`.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Process,
    Thread,
    Exec,
    /// A process ended of itself, with status 0.
    Success,
    /// With another status.
    Failure,
}

/// A cache line.
pub const EVENT_ROWS: usize = 8;

/// Signals are numbered from 1 to 64.
pub const SIGNALS: usize = 65;

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::now;

    use super::*;

    #[inline(always)]
    pub(super) fn thread_ended(task: Object, cpu: u32) {
        let since = SINCE.load(0).unwrap_or(0);
        if since == 0 || START_TIME.of(task) < since {
            return;
        }
        ENDED.add(0, cpu, RUN_TIME.of(task));
        for (used, field) in [(1, &RUN_DELAY), (2, &READ_BYTES), (3, &WRITE_BYTES)] {
            if field.is_present() {
                ENDED.add(used, cpu, field.of(task));
            }
        }
    }

    #[inline(always)]
    pub(super) fn process_ended(task: Object) {
        let code = EXIT_CODE.of(task);
        match (code & 0x7f, code) {
            (0, 0) => EVENTS.add(Event::Success as u32, 1),
            (0, _) => EVENTS.add(Event::Failure as u32, 1),
            (signal, _) => KILLED.add(signal, 1),
        }
        LIFETIMES.record(0, now().saturating_sub(START_TIME.of(LEADER.of(task))));
    }
}
