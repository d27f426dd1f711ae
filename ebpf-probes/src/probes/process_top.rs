//! What each task has used, for who reads the list. What those had used that have ended, `process_events` adds up.

use ebpf_probes::{Object, ShortText, Small, probe};
use probe_abi::process::USED;

probe! {
    name: "process_top",
    constants {
        PID: u32 = field("task_struct.pid");
        TGID: u32 = field("task_struct.tgid");
        FLAGS: u32 = field("task_struct.flags");
        LEADER: Object = field("task_struct.group_leader");
        COMM: ShortText = field("task_struct.comm");
        /// On the clock of `CLOCK_MONOTONIC`, in nanoseconds.
        START_TIME: u64 = field("task_struct.start_time");
        RUN_TIME: u64 = field("task_struct.se.sum_exec_runtime");
        RUN_DELAY: u64 = field("task_struct.sched_info.run_delay");
        READ_BYTES: u64 = field("task_struct.ioac.read_bytes"), optional;
        WRITE_BYTES: u64 = field("task_struct.ioac.write_bytes"), optional;
        MM: Object = field("task_struct.mm");
        /// Pages of files, without a file, swapped out, and shared; from 6.2 on each a `percpu_counter`.
        RSS: Small = field("mm_struct.rss_stat");
        PAGES: i64 = field("percpu_counter.count");
        LAST_OF_PAGES: Object = field("percpu_counter.counters"), optional;
        OLD_PAGES: Small = field("mm_rss_stat.count"), optional;
        /// The first word of anything.
        FIRST: i64 = field("list_head.next");
        CGROUPS: Object = field("task_struct.cgroups"), optional;
        CGROUP: Object = field("css_set.dfl_cgrp"), optional;
        NODE: Object = field("cgroup.kn"), optional;
        NODE_ID: u64 = field("kernfs_node.id"), optional;
    }
    maps {}
    programs {
        /// One that ends is left out: what it has used is among that of the ended by then, or soon.
        iter("task") fn tasks(item) {
            let task = item.object();
            if !task.is_null() && FLAGS.of(task) & kernel::PF_EXITING == 0 {
                let [cpu, wait, read, written] = kernel::used(task);
                let thread = u64::from(TGID.of(task)) << 32 | u64::from(PID.of(task));
                let [name, more] = COMM.of(LEADER.of(task));
                let start = START_TIME.of(task);
                item.write([thread, start, name, more, kernel::cgroup(task), kernel::pages(task), cpu, wait, read, written]);
            }
        }
    }
}

/// Words of an item of the list: process and thread; when it began; its process' name, twice; the number of its
/// control group; pages of its process, if it is the first thread; what it has used.
pub const WORDS: usize = 6 + USED;

#[cfg(target_arch = "bpf")]
mod kernel {
    use super::*;

    /// include/linux/sched.h
    pub(super) const PF_EXITING: u32 = 4;

    /// Of include/linux/mm_types_task.h: `MM_FILEPAGES`, `MM_ANONPAGES`, `MM_SHMEMPAGES`.
    const RESIDENT: [usize; 3] = [0, 1, 3];

    #[inline(always)]
    pub(super) fn used(task: Object) -> [u64; USED] {
        let read = if READ_BYTES.is_present() { READ_BYTES.of(task) } else { 0 };
        let written = if WRITE_BYTES.is_present() { WRITE_BYTES.of(task) } else { 0 };
        [RUN_TIME.of(task), RUN_DELAY.of(task), read, written]
    }

    #[inline(always)]
    pub(super) fn cgroup(task: Object) -> u64 {
        if !(CGROUPS.is_present() && CGROUP.is_present() && NODE.is_present() && NODE_ID.is_present()) {
            return 0;
        }
        NODE_ID.of(NODE.of(CGROUP.of(CGROUPS.of(task))))
    }

    /// Each number of pages may be below zero for a moment.
    #[inline(always)]
    pub(super) fn pages(task: Object) -> u64 {
        let mm = MM.of(task);
        if PID.of(task) != TGID.of(task) || mm.is_null() {
            return 0;
        }
        let rss = RSS.inside(mm);
        let mut pages = 0;
        for which in RESIDENT {
            let n = if LAST_OF_PAGES.is_present() && !OLD_PAGES.is_present() {
                PAGES.at(rss, which * LAST_OF_PAGES.end())
            } else {
                FIRST.at(rss, which * size_of::<i64>())
            };
            pages += n.max(0) as u64;
        }
        pages
    }
}
