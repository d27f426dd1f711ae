//! How long the kernel's workers took for each work that was queued for them.

use ebpf_probes::{
    maps::{Attached, Fixed, Started},
    probe,
};
use probe_abi::Histogram;

probe! {
    name: "workqueues",
    constants {}
    maps {
        ATTACHED: Attached;
        RUNNING: Started<WORKERS>;
        DURATIONS: Fixed<Histogram, 1>;
        /// Works that are not in the histogram, as more run at once than there is room for.
        UNSEEN: Fixed<u64, 1>;
    }
    programs {
        tp_btf("workqueue_execute_start") fn began(_, _) {
            if !RUNNING.begin() {
                UNSEEN.add(0, 1);
            }
        }

        tp_btf("workqueue_execute_end") fn ended(_, _) {
            if let Some(time) = RUNNING.end(ATTACHED) {
                DURATIONS.record(0, time);
            }
        }
    }
}

/// Workers that may run at a time.
const WORKERS: usize = 4096;
