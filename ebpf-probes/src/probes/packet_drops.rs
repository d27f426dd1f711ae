//! Packets that the kernel drops, by its reason.
//!
//! `kfree_skb` is where a packet ends that was not wanted to: since 5.17 with a reason (include/net/dropreason-core.h).
//! The reasons are numbered anew with each kernel, so their names come from its own types. The upper half of a reason
//! says which subsystem's it is, 0 being the network stack itself.

use ebpf_probes::{maps::CounterBy, probe};

probe! {
    name: "packet_drops",
    constants {
        REASON = argument_of_type("kfree_skb", "skb_drop_reason");
    }
    maps {
        /// By the reason.
        DROPS: CounterBy<REASONS>;
        /// Those of other subsystems than the network stack, by its number.
        SUBSYSTEM_DROPS: CounterBy<SUBSYSTEMS>;
    }
    programs {
        tp_btf("kfree_skb") fn dropped(args, cpu) {
            let reason = args.number_at(&REASON) as u32;
            match reason >> 16 {
                0 => DROPS.add(reason, cpu, 1),
                subsystem => SUBSYSTEM_DROPS.add(subsystem, cpu, 1),
            }
        }
    }
}

/// More than any kernel has: 132 in 7.0.
pub const REASONS: usize = 255;

/// More than any kernel has: 4 in 7.0.
pub const SUBSYSTEMS: usize = 15;
