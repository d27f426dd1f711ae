//! How long softirqs ran; and, where it is wanted, how long each had to wait from being raised, and took.

use ebpf_probes::{
    maps::{Attached, CpuWords, HistogramBy},
    probe,
};

probe! {
    name: "softirq_time",
    constants {
        /// Whether the histograms are wanted.
        LATENCY = feature();
    }
    maps {
        ATTACHED: Attached;
        /// Since when each type waits on each CPU; 0 if it does not.
        RAISED: CpuWords<TYPE_ROWS>;
        /// When the one that runs on each CPU began: the first word.
        ENTERED: CpuWords<8>;
        /// Nanoseconds that each type ran on each CPU.
        TIMES: CpuWords<TYPE_ROWS>;
        /// From being raised to running, by type.
        LATENCIES: HistogramBy<TYPES>;
        /// From beginning to end, by type.
        DURATIONS: HistogramBy<TYPES>;
    }
    programs {
        // One that is raised again before it runs has waited since the first time.
        tp_btf("softirq_raise") fn raised(args, cpu), with(LATENCY) {
            let kind = args.number(0) as u32;
            if kind < TYPES as u32 && RAISED.load(cpu, kind) == 0 {
                RAISED.store(cpu, kind, ebpf_probes::now());
            }
        }

        tp_btf("softirq_entry") fn entered(args, cpu) {
            let now = ebpf_probes::now();
            ENTERED.store(cpu, 0, now);
            if LATENCY.get() != 0 {
                kernel::waited(args.number(0) as u32, cpu, now);
            }
        }

        tp_btf("softirq_exit") fn exited(args, cpu) {
            let kind = args.number(0) as u32;
            let entered = ENTERED.load(cpu, 0);
            if kind < TYPES as u32 && ATTACHED.since(entered) {
                let time = ebpf_probes::now().saturating_sub(entered);
                TIMES.add(cpu, kind, time);
                if LATENCY.get() != 0 {
                    DURATIONS.record(kind, cpu, time);
                }
            }
        }
    }
}

/// `enum` in include/linux/interrupt.h, the same since 4.2.
pub const TYPES: usize = 10;

/// Their names, as /proc/softirqs has them.
pub const NAMES: [&str; TYPES] =
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

/// `TYPES` in whole cache lines.
pub const TYPE_ROWS: usize = 16;

#[cfg(target_arch = "bpf")]
mod kernel {
    use super::*;

    /// One that was raised runs now.
    #[inline(always)]
    pub(super) fn waited(kind: u32, cpu: u32, now: u64) {
        if kind >= TYPES as u32 {
            return;
        }
        let raised = RAISED.load(cpu, kind);
        RAISED.store(cpu, kind, 0);
        if ATTACHED.since(raised) {
            LATENCIES.record(kind, cpu, now.saturating_sub(raised));
        }
    }
}
