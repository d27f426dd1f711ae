//! How long threads that wanted memory had to look for some themselves: reclaim, and compaction.
//!
//! The kernel does it in the thread that allocates when its own threads, kswapd and kcompactd, are not fast enough.

use ebpf_probes::{
    maps::{Attached, CounterBy, Fixed, Started},
    probe,
};
use probe_abi::Histogram;

probe! {
    name: "memory_stalls",
    constants {}
    maps {
        ATTACHED: Attached;
        DIRECT: Started<TASKS>;
        BY_CGROUP: Started<TASKS>;
        COMPACTS: Started<TASKS>;
        /// By [`Stall`].
        STALLS: Fixed<Histogram, 3>;
        /// By [`Stall`], the two kinds of reclaim alone; and beginnings for which there was no room, by `LOST`.
        COUNTS: Fixed<u64, 8>;
        /// How often kswapd began to work, by node.
        KSWAPD_WAKES: CounterBy<NODES>;
    }
    programs {
        tp_btf("mm_vmscan_direct_reclaim_begin") fn direct_began(_, _) {
            kernel::began(DIRECT);
        }

        tp_btf("mm_vmscan_direct_reclaim_end") fn direct_ended(args, _) {
            kernel::ended(DIRECT, Stall::Direct, args.number(0));
        }

        tp_btf("mm_vmscan_memcg_reclaim_begin") fn memcg_began(_, _), optional {
            kernel::began(BY_CGROUP);
        }

        tp_btf("mm_vmscan_memcg_reclaim_end") fn memcg_ended(args, _), optional {
            kernel::ended(BY_CGROUP, Stall::Memcg, args.number(0));
        }

        // One zone of one node; kcompactd's own is nobody's stall.
        tp_btf("mm_compaction_begin") fn compaction_began(_, _), optional {
            if !ebpf_probes::is_thread_named(b"kcompact") {
                kernel::began(COMPACTS);
            }
        }

        tp_btf("mm_compaction_end") fn compaction_ended(_, _), optional {
            kernel::ended(COMPACTS, Stall::Compaction, 0);
        }

        tp_btf("mm_vmscan_kswapd_wake") fn kswapd_woke(args, cpu) {
            KSWAPD_WAKES.add(args.number(0) as u32, cpu, 1);
        }
    }
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug)]
pub enum Stall {
    Direct,
    Memcg,
    Compaction,
}

/// The word of `COUNTS` for beginnings that were not kept.
pub const LOST: usize = 3;

/// Threads that may reclaim at a time.
const TASKS: usize = 4096;

/// The highest number of a node that has a counter of its own.
pub const NODES: usize = 63;

#[cfg(target_arch = "bpf")]
mod kernel {
    use super::*;

    #[inline(always)]
    pub(super) fn began(tasks: Started<TASKS>) {
        if !tasks.begin() {
            COUNTS.add(LOST as u32, 1);
        }
    }

    #[inline(always)]
    pub(super) fn ended(tasks: Started<TASKS>, stall: Stall, n_pages: u64) {
        if let Some(time) = tasks.end(ATTACHED) {
            STALLS.record(stall as u32, time);
            COUNTS.add(stall as u32, n_pages);
        }
    }
}
