//! System calls, by number, and how they end.
//!
//! One program at their end: the number is in the saved registers. Those of 32-bit programs have other numbers, and are
//! counted with the others. As long as any program is attached here, the kernel takes the long way into and out of each
//! call.

use ebpf_probes::{Small, maps::CounterBy, probe};

probe! {
    name: "syscalls",
    constants {
        /// On x86-64.
        ORIG_AX: u64 = field("pt_regs.orig_ax"), unless(SYSCALLNO);
        /// The lowest byte of the code segment tells 32-bit programs, there.
        SEGMENT: Small = field("pt_regs.cs"), unless(SYSCALLNO);
        /// On arm64.
        SYSCALLNO: u32 = field("pt_regs.syscallno"), unless(ORIG_AX);
        /// A bit of it tells 32-bit programs, there.
        MODE: Small = field("pt_regs.pstate"), unless(ORIG_AX);
    }
    maps {
        CALLS: CounterBy<NUMBERS>;
        FAILURES: CounterBy<NUMBERS>;
        /// By error number.
        ERRORS: CounterBy<255>;
    }
    programs {
        tp_btf("sys_exit") fn ended(args, cpu) {
            kernel::ended(args.object(0), args.number(1) as i64, cpu);
        }
    }
}

/// More than there are: 470 in 7.0.
pub const NUMBERS: usize = 511;

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::Object;

    use super::*;

    /// `__USER32_CS`
    const SEGMENT_32: u8 = 0x23;
    /// `PSR_MODE32_BIT`
    const MODE_32: u8 = 0x10;
    /// `MAX_ERRNO`
    const MAX_ERROR: i64 = 4095;

    #[inline(always)]
    pub(super) fn ended(registers: Object, result: i64, cpu: u32) {
        let (number, is_32) = if ORIG_AX.is_present() {
            (ORIG_AX.of(registers) as u32, SEGMENT.small(registers) == SEGMENT_32)
        } else {
            (SYSCALLNO.of(registers), MODE.small(registers) & MODE_32 != 0)
        };
        let number = if is_32 { u32::MAX } else { number };
        CALLS.add(number, cpu, 1);
        if result < 0 && result >= -MAX_ERROR {
            FAILURES.add(number, cpu, 1);
            ERRORS.add(result.wrapping_neg() as u32, cpu, 1);
        }
    }
}
