//! For tests alone: how long tasks waited for a CPU, as seen by who follows each of them.
//!
//! The clock is read where a task becomes runnable (`sched_wakeup`, `sched_wakeup_new`, and the `sched_switch` that
//! takes the CPU from it) and where it gets a CPU. Between the two it may be moved as often as the kernel likes: that is
//! one wait. Nothing is taken from the kernel's own account of waits but the number of arrivals, and that only to tell
//! when an event was not seen: some kernels run no tracing program for some tasks.
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
        btf_maps::{Array, HashMap},
        helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
        macros::{btf_map, btf_tracepoint},
        programs::BtfTracePointContext,
    };
    use ebpf_probes::{Object, field, globals, present};

    globals! {
        /// `task_struct.pid`
        PID,
        /// `task_struct.tgid`
        TGID,
        /// The process whose waits alone count; absent if all do.
        ONLY,
        /// `task_struct.on_rq`: 1 when queued, 2 while it moves to another queue.
        ON_RQ,
        /// `task_struct.on_cpu`
        ON_CPU,
        /// `task_struct.se.sched_delayed`: it sleeps, although it is still queued.
        SCHED_DELAYED,
        /// `task_struct.sched_info.pcount`: how often it got a CPU.
        PCOUNT,
        /// Waits that there is room for on each CPU.
        ROOM,
        /// 1 if a wait begins anew when its task is moved.
        ANEW,
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Stamp {
        /// Of the monotonic clock, in nanoseconds.
        at: u64,
        n_arrivals: u64,
    }

    /// The tasks that wait, by number.
    #[btf_map]
    static WAITING: HashMap<u32, Stamp, 16384> = HashMap::new();

    /// In nanoseconds; `ROOM` for each CPU, in the order in which they ended.
    #[btf_map]
    static WAITS: Array<u64, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    /// Eight for each CPU: its waits, and the tasks it took of which it is not known since when they had waited.
    #[btf_map]
    static COUNTS: Array<u64, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    #[btf_tracepoint(function = "sched_wakeup")]
    fn wakeup(ctx: BtfTracePointContext) -> i32 {
        woken(ctx.arg(0));
        0
    }

    #[btf_tracepoint(function = "sched_wakeup_new")]
    fn wakeup_new(ctx: BtfTracePointContext) -> i32 {
        woken(ctx.arg(0));
        0
    }

    #[btf_tracepoint(function = "sched_migrate_task")]
    fn migrate(ctx: BtfTracePointContext) -> i32 {
        let task: Object = ctx.arg(0);
        // SAFETY: the hook's first argument is a task; each offset is of the struct that its path names.
        let (is_moved, pid) = unsafe { (field::<u32>(task, &ON_RQ) == 2, field::<u32>(task, &PID)) };
        if ANEW.load() == 1
            && is_moved
            && let Some(stamp) = WAITING.get_ptr_mut(pid)
        {
            // SAFETY: the entry of a task that cannot run before the move is over; the helper has no obligations.
            unsafe { (*stamp).at = bpf_ktime_get_ns() };
        }
        0
    }

    #[btf_tracepoint(function = "sched_switch")]
    fn switch(ctx: BtfTracePointContext) -> i32 {
        let (prev, next): (Object, Object) = (ctx.arg(1), ctx.arg(2));
        // SAFETY: the helpers have no obligations; the hook's second and third arguments are tasks, each offset is of
        // the struct that its path names.
        unsafe {
            let now = bpf_ktime_get_ns();
            let cpu = bpf_get_smp_processor_id();
            let pid: u32 = field(prev, &PID);
            if pid != 0 {
                let sleeps = present(&SCHED_DELAYED) && field::<u8>(prev, &SCHED_DELAYED) != 0;
                if field::<u32>(prev, &ON_RQ) != 0 && !sleeps {
                    stamp(pid, now, field(prev, &PCOUNT));
                } else {
                    forget(pid);
                }
            }
            let pid: u32 = field(next, &PID);
            if pid != 0 {
                let begin = WAITING.get(pid).copied();
                forget(pid);
                if present(&ONLY) && field::<u32>(next, &TGID) != ONLY.load() {
                    return 0;
                }
                match begin {
                    Some(it) if it.n_arrivals == field(next, &PCOUNT) => push(cpu, now - it.at),
                    _ => count(cpu, 1),
                }
            }
        }
        0
    }

    #[inline(always)]
    fn woken(task: Object) {
        // SAFETY: a task, as the caller's hook gives it; each offset is of the struct that its path names. The helper has
        // no obligations.
        unsafe {
            // One that runs is told that it need not go to sleep.
            if field::<u32>(task, &ON_CPU) != 0 {
                return;
            }
            let (pid, n_arrivals): (u32, u64) = (field(task, &PID), field(task, &PCOUNT));
            let waits = WAITING.get(pid).is_some_and(|it| it.n_arrivals == n_arrivals);
            if !waits {
                stamp(pid, bpf_ktime_get_ns(), n_arrivals);
            }
        }
    }

    #[inline(always)]
    fn stamp(pid: u32, at: u64, n_arrivals: u64) {
        if WAITING.insert(pid, Stamp { at, n_arrivals }, 0).is_err() {
            // Its wait will be one whose begin is not known.
            forget(pid);
        }
    }

    #[inline(always)]
    fn forget(pid: u32) {
        // That it is not there is what is wanted.
        WAITING.remove(pid).ok();
    }

    /// Puts down a wait.
    #[inline(always)]
    fn push(cpu: u32, wait: u64) {
        let Some(n_waits) = COUNTS.get_ptr_mut(cpu * 8) else { return };
        // SAFETY: this CPU's own, of a map that outlives the program.
        let n_waits = unsafe { &mut *n_waits };
        if *n_waits < u64::from(ROOM.load())
            && let Some(place) = WAITS.get_ptr_mut(cpu * ROOM.load() + *n_waits as u32)
        {
            // SAFETY: as above.
            unsafe { *place = wait };
        }
        *n_waits += 1;
    }

    #[inline(always)]
    fn count(cpu: u32, what: u32) {
        if let Some(count) = COUNTS.get_ptr_mut(cpu * 8 + what) {
            // SAFETY: this CPU's own, of a map that outlives the program.
            unsafe { *count += 1 };
        }
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
