//! How often the CPU was taken from a thread of process 1, as far as programs are run for that: some kernels run none
//! while the current thread belongs to it.

use ebpf_probes::{maps::PerCpu, probe};

probe! {
    name: "first_process",
    constants {
        TGID: u32 = field("task_struct.tgid");
    }
    maps {
        SWITCHES: PerCpu<u64>;
    }
    programs {
        tp_btf("sched_switch") fn sched_switch(args, cpu) {
            if TGID.of(args.object(1)) == 1 {
                SWITCHES.add(cpu, 1);
            }
        }
    }
}
