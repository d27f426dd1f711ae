//! How long interrupts' handlers ran. A handler cannot be interrupted by another one of its CPU.

use ebpf_probes::{
    maps::{Attached, CounterBy, CpuWords, PerCpu},
    probe,
};
use probe_abi::Histogram;

probe! {
    name: "irq_time",
    constants {}
    maps {
        ATTACHED: Attached;
        /// When the handler that runs on each CPU began: the first word.
        ENTERED: CpuWords<8>;
        /// Nanoseconds, by the kernel's number of the interrupt.
        TIMES: CounterBy<IRQS>;
        DURATIONS: PerCpu<Histogram>;
    }
    programs {
        tp_btf("irq_handler_entry") fn entered(_, cpu) {
            ENTERED.store(cpu, 0, ebpf_probes::now());
        }

        tp_btf("irq_handler_exit") fn exited(args, cpu) {
            let entered = ENTERED.load(cpu, 0);
            if ATTACHED.since(entered) {
                let time = ebpf_probes::now().saturating_sub(entered);
                TIMES.add(args.number(0) as u32, cpu, time);
                DURATIONS.record(cpu, time);
            }
        }
    }
}

/// More than most hosts have; the kernel numbers them from 0.
pub const IRQS: usize = 1023;
