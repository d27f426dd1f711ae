//! For tests alone: a program of each kind that the loader knows, and one that costs as much as it is told to.

use ebpf_probes::{maps::Fixed, probe};

probe! {
    name: "fixture",
    constants {
        /// How often `spin` reads the clock at each switch.
        SPIN = setting();
        PID: u32 = field("task_struct.pid");
        TGID: u32 = field("task_struct.tgid");
    }
    maps {
        /// Calls of `vfs_readlink` with a buffer of [`MARK`] bytes that were entered, those that returned, and the sum
        /// of what they returned.
        CALLS: Fixed<u64, 3>;
    }
    programs {
        tp_btf("sched_switch") fn spin(_, _) {
            for _ in 0..SPIN.get() {
                core::hint::black_box(ebpf_probes::now());
            }
        }

        fentry("vfs_readlink") fn entered(args, _) {
            if args.number(2) as i32 == MARK {
                CALLS.add(0, 1);
            }
        }

        fexit("vfs_readlink") fn returned(args, _) {
            if args.number(2) as i32 == MARK {
                CALLS.add(1, 1);
                // Behind its three arguments.
                CALLS.add(2, args.number(3));
            }
        }

        /// Writes the thread's and the process' number of each task.
        iter("task") fn tasks(item) {
            let task = item.object();
            if !task.is_null() {
                item.write([PID.of(task).into(), TGID.of(task).into()]);
            }
        }
    }
}

/// The size of the buffer by which the tests' own calls are told from those of others.
pub const MARK: i32 = 1237;
