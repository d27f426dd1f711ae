//! Flushes of the processor's cache of page tables, by reason. x86 alone has the hook.

use ebpf_probes::{maps::CpuWords, probe};

probe! {
    name: "tlb_flushes",
    constants {}
    maps {
        /// By `enum tlb_flush_reason`.
        FLUSHES: CpuWords<REASONS>;
    }
    programs {
        tp_btf("tlb_flush") fn flushed(args, cpu) {
            let reason = args.number(0) as u32;
            FLUSHES.add(cpu, if reason < OTHER as u32 { reason } else { OTHER as u32 }, 1);
        }
    }
}

/// The row of those that have none of their own.
pub const OTHER: usize = REASONS - 1;

/// More than any kernel has: 6 in 7.0. Whole cache lines.
pub const REASONS: usize = 16;
