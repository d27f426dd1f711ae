//! How CPUs poll network interfaces for packets, and how often that was not enough.
//!
//! `napi_poll` is reached after each poll: with what it was allowed to take (64, most often), and what it took.

use ebpf_probes::{Object, maps::CounterBy, probe};
use probe_abi::device;

probe! {
    name: "napi",
    constants {
        DEVICE: Object = field("napi_struct.dev");
        NUMBER: u32 = field("net_device.ifindex");
        NAMESPACE: Object = field("net_device.nd_net.net");
        INODE: u32 = field("net.ns.inum");
        /// The inode of the namespace that is shown.
        OURS = setting();
    }
    maps {
        /// By interface and kind.
        COUNTS: CounterBy<{ device::COUNTS }>;
    }
    programs {
        tp_btf("napi_poll") fn polled(args, cpu) {
            kernel::polled(DEVICE.of(args.object(0)), args.number(1) as u32, args.number(2) as u32, cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::device::Devices;

    use super::*;

    #[inline(always)]
    pub(super) fn polled(polled: Object, n_packets: u32, budget: u32, cpu: u32) {
        let devices = Devices { number: &NUMBER, namespace: &NAMESPACE, inode: &INODE, ours: &OURS };
        let index = if polled.is_null() { device::BACKLOG } else { devices.index(polled) };
        let first = index * device::KINDS;
        COUNTS.add(first + device::POLLS, cpu, 1);
        if n_packets != 0 {
            COUNTS.add(first + device::PACKETS, cpu, n_packets.into());
            if n_packets >= budget {
                COUNTS.add(first + device::EXHAUSTED, cpu, 1);
            }
        }
    }
}
