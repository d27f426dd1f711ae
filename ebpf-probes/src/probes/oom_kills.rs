//! Processes that the kernel chose to kill for want of memory: of the whole host, or of what a cgroup may use.
//!
//! Both go through `out_of_memory`, one at a time (mm/oom_kill.c: `oom_lock`). Where functions cannot be traced, what
//! was short of memory is not known.

use ebpf_probes::{Object, maps::Fixed, probe};

probe! {
    name: "oom_kills",
    constants {
        /// Null if the host is short of memory.
        MEMCG: Object = field("oom_control.memcg"), optional;
    }
    maps {
        /// [`Scope`] of what the kernel seeks a victim for.
        SCOPE: Fixed<u64, 8>;
        /// By [`Scope`].
        KILLS: Fixed<u64, 8>;
    }
    programs {
        fentry("out_of_memory") fn seeks(args, _), optional {
            if MEMCG.is_present() {
                let is_host = MEMCG.of(args.object(0)).is_null();
                SCOPE.store(0, if is_host { Scope::Host } else { Scope::Cgroup } as u64);
            }
        }

        tp_btf("mark_victim") fn marked(_, _) {
            let scope = SCOPE.load(0).unwrap_or_default();
            KILLS.add(scope as u32, 1);
        }
    }
}

/// What is short of memory.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    Unknown,
    Host,
    Cgroup,
}
