//! Page faults: who had them and what it wanted. x86 and RISC-V have the hooks, arm64 has not.

use ebpf_probes::{maps::CounterBy, probe};

probe! {
    name: "page_faults",
    constants {}
    maps {
        /// By mode, 0 or 1, times [`ACCESSES`], and access.
        FAULTS: CounterBy<KINDS>;
    }
    programs {
        tp_btf("page_fault_user") fn user(args, cpu) {
            FAULTS.add(kernel::access(args.number(2)), cpu, 1);
        }

        tp_btf("page_fault_kernel") fn kernel_itself(args, cpu) {
            FAULTS.add(ACCESSES as u32 + kernel::access(args.number(2)), cpu, 1);
        }
    }
}

/// Read, write, execute.
pub const ACCESSES: usize = 3;

/// What faults are told apart by.
pub const KINDS: usize = 2 * ACCESSES;

#[cfg(target_arch = "bpf")]
mod kernel {
    /// `enum x86_pf_error_code`, arch/x86/include/asm/trap_pf.h: the processor's own.
    #[inline(always)]
    pub(super) fn access(error: u64) -> u32 {
        if error & 1 << 4 != 0 { 2 } else { (error >> 1 & 1) as u32 }
    }
}
