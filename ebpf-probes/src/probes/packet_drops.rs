//! Packets that the kernel drops, by its reason.
//!
//! `kfree_skb` is where a packet ends that was not wanted to: since 5.17 with a reason (include/net/dropreason-core.h).
//! The reasons are numbered anew with each kernel, so their names come from its own types. The upper half of a reason
//! says which subsystem's it is, 0 being the network stack itself. A queue of an interface says more, from 7.1 on.

use ebpf_probes::{
    Object,
    maps::{CounterBy, Rows},
    probe,
};

probe! {
    name: "packet_drops",
    constants {
        REASON = argument_of_type("kfree_skb", "skb_drop_reason");
        /// From 7.1.
        QUEUE_REASON = argument_of_type("qdisc_drop", "qdisc_drop_reason"), optional;
        /// In a socket's queues something else is there.
        DEVICE: Object = field("sk_buff.dev");
        NUMBER: u32 = field("net_device.ifindex");
        NAMESPACE: Object = field("net_device.nd_net.net");
        INODE: u32 = field("net.ns.inum");
        /// The inode of the namespace that is shown.
        OURS = setting();
        /// Whether drops are counted by interface, too.
        BY_DEVICE = feature();
    }
    maps {
        /// By the reason.
        DROPS: CounterBy<REASONS>;
        /// Those of other subsystems than the network stack, by its number and the lower half.
        SUBSYSTEM_DROPS: CounterBy<SUBSYSTEM_REASONS>;
        QUEUE_DROPS: CounterBy<63>;
        /// By interface and reason, for [`BY_DEVICE`].
        DEVICE_DROPS: Rows<u64>;
    }
    programs {
        tp_btf("kfree_skb") fn dropped(args, cpu) {
            let reason = args.number_at(&REASON) as u32;
            match reason >> 16 {
                0 => DROPS.add(reason, cpu, 1),
                subsystem => SUBSYSTEM_DROPS.add(kernel::subsystem_reason(subsystem, reason & 0xffff), cpu, 1),
            }
            if BY_DEVICE.get() == 1 {
                kernel::count_device(DEVICE.of(args.object(0)), reason);
            }
        }

        tp_btf("qdisc_drop") fn queue_dropped(args, cpu), with(QUEUE_REASON) {
            QUEUE_DROPS.add(args.number_at(&QUEUE_REASON) as u32, cpu, 1);
        }
    }
}

/// More than any kernel has: 132 in 7.0.
pub const REASONS: usize = 255;

/// Reasons that a subsystem has room for, and one for those beyond; more than any has: 50 of mac80211 in 7.0.
pub const OF_A_SUBSYSTEM: u32 = 64;

/// Of subsystems 0 to 3, of which none more is known in 7.3.
pub const SUBSYSTEM_REASONS: usize = (4 * OF_A_SUBSYSTEM - 1) as usize;

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::device::Devices;
    use probe_abi::device;

    use super::*;

    #[inline(always)]
    pub(super) fn subsystem_reason(subsystem: u32, reason: u32) -> u32 {
        subsystem * OF_A_SUBSYSTEM + if reason < OF_A_SUBSYSTEM { reason } else { OF_A_SUBSYSTEM - 1 }
    }

    #[inline(always)]
    pub(super) fn count_device(found: Object, reason: u32) {
        let devices = Devices { number: &NUMBER, namespace: &NAMESPACE, inode: &INODE, ours: &OURS };
        let reason = if reason < device::REASONS { reason } else { device::REASONS - 1 };
        DEVICE_DROPS.add(devices.index(found) * device::REASONS + reason, 1);
    }
}
