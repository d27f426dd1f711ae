//! Packets that the kernel dropped, by its reason, counted by the probe `ebpf-probes/src/probes/packet_drops.rs` at
//! `kfree_skb`. What the reasons mean is in docs/network-events.md.

use crate::{
    collectors::prelude::*,
    source::{
        ebpf::{
            Counters, Interfaces, Probe, Settings, Table, Use,
            declared::packet_drops::{self, OF_A_SUBSYSTEM},
            device,
        },
        netlink,
    },
};
use std::{borrow::Cow, sync::Arc};

metrics! {
    DROPS: Counter "node_packet_drops_total" ["reason", "benign"], "Packets that the kernel dropped, by the reason it gives, as the running kernel names it. NOT_SPECIFIED is where it gives none; subsys_N are reasons of the kernel's subsystem N, such as mac80211 or openvswitch. Benign: packets that were for nobody here or had done their work, as on any healthy host.";
    DEVICE_DROPS: Counter "node_packet_device_drops_total" ["device", "reason"], "The same by the network interface that the packet came from or was to go to, as far as it still had one. ~other is packets without any, those in other network namespaces, and interfaces with a number above 126.";
    QUEUE_DROPS: Counter "node_qdisc_drop_reasons_total" ["reason"], "Packets that the queue of a network interface dropped, by the kernel's reason (from Linux 7.1 on).";
}

section! {
    pub(super) struct Config {
        /// Count drops by network interface as well: up to a series for each interface and reason.
        by_device: bool = false,
    }
}

/// Reasons of packets that nobody misses: for another host, of a protocol that nobody here speaks, of a socket or queue
/// that was closed with them in it, or taken in by others.
const BENIGN: [&str; 10] = [
    "CONSUMED",
    "NOT_DROPPED_YET",
    "OTHERHOST",
    "UNHANDLED_PROTO",
    "SOCKET_CLOSE",
    "QUEUE_PURGE",
    "TCP_OFOMERGE",
    "TCP_OLD_DATA",
    "UNIX_DISCONNECT",
    "UNICAST_IN_L2_MULTICAST",
];

pub(super) struct PacketDrops {
    probe: Arc<Probe>,
    drops: Counters,
    subsystems: Counters,
    queues: Counters,
    by_device: Option<(Table<u64>, Interfaces)>,
    /// By the number of the reason.
    names: Vec<String>,
    queue_names: Vec<String>,
    subsystem_names: [Vec<String>; 2],
}

impl Spec for PacketDrops {
    const SUMMARY: &'static str = "Packets that the kernel dropped, by its reason, by eBPF at each drop.";
    const ENABLED: bool = true;
    const PROBES: &'static [Use] = &[Use::of(&packet_drops::SPEC)];
    const COST: &'static str = "some 50 ns at each dropped packet";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let kernel = host.kernel()?;
        let n_rows = if config.by_device { device::DEVICES * device::REASONS } else { 1 };
        let settings = Settings {
            entries: &|_| vec![(packet_drops::DEVICE_DROPS.name, n_rows)],
            constants: &[("OURS", host.network_inode())],
            ..Settings::default()
        };
        let features: &[&str] = if config.by_device { &["BY_DEVICE"] } else { &[] };
        let probe = kernel.probe(&packet_drops::SPEC, features, &settings)?;
        let by_device = match config.by_device {
            true => Some((
                probe.table(packet_drops::DEVICE_DROPS)?,
                Interfaces::new(host.netlink(netlink::Socket::route())?),
            )),
            false => None,
        };
        Ok(Self {
            drops: probe.counters(packet_drops::DROPS)?,
            subsystems: probe.counters(packet_drops::SUBSYSTEM_DROPS)?,
            queues: probe.counters(packet_drops::QUEUE_DROPS)?,
            by_device,
            names: kernel.names("skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"])?,
            queue_names: kernel.names("qdisc_drop_reason", &["QDISC_DROP_REASON_", "QDISC_DROP_"])?,
            subsystem_names: [
                kernel.low_names("mac80211_drop_reason", &["RX_DROP_U_", "RX_DROP_M_", "RX_"])?,
                kernel.low_names("ovs_drop_reason", &["OVS_DROP_"])?,
            ],
            probe,
        })
    }
}

impl Collector for PacketDrops {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for (reason, n) in self.drops.rows().enumerate().filter(|it| it.1 != 0) {
            let name = name(&self.names, reason);
            out.push(DROPS, [&*name, benign(&name)], n);
        }
        let of_a_subsystem = OF_A_SUBSYSTEM as usize;
        for (index, n) in self.subsystems.rows().enumerate().filter(|it| it.1 != 0) {
            let (subsystem, reason) = (index / of_a_subsystem, index % of_a_subsystem);
            let names = subsystem.checked_sub(1).and_then(|it| self.subsystem_names.get(it));
            let known = names.and_then(|it| it.get(reason)).filter(|it| !it.is_empty());
            let unit = ["", "mac80211_", "openvswitch_"].get(subsystem).copied().unwrap_or_default();
            match known {
                Some(name) => out.push(DROPS, [&*format!("{unit}{name}"), "false"], n),
                None => out.push(DROPS, [&*format!("subsys_{subsystem}_{reason}"), "false"], n),
            }
        }
        for (reason, n) in self.queues.rows().enumerate().filter(|it| it.1 != 0) {
            out.push(QUEUE_DROPS, [&*name(&self.queue_names, reason)], n);
        }
        let Some((drops, interfaces)) = &mut self.by_device else { return Ok(()) };
        let reasons = device::REASONS as usize;
        for index in 0..device::DEVICES {
            let first = index as usize * reasons;
            let counts: Vec<u64> = (first..first + reasons).map(|row| drops.sum(row..row + 1)).collect();
            if counts.iter().all(|n| *n == 0) {
                continue;
            }
            let Some(interface) = interfaces.name(index)? else { continue };
            for (reason, n) in counts.into_iter().enumerate().filter(|it| it.1 != 0) {
                let name = if reason == reasons - 1 { "other".into() } else { name(&self.names, reason) };
                // An interface may go and another take its name.
                out.push_since(DEVICE_DROPS, [&*interface, name.as_bytes()], n, None);
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

fn name(names: &[String], reason: usize) -> Cow<'_, str> {
    match names.get(reason).filter(|it| !it.is_empty()) {
        Some(name) => name.into(),
        None => format!("reason_{reason}").into(),
    }
}

/// The label's value.
fn benign(reason: &str) -> &'static str {
    if BENIGN.contains(&reason) { "true" } else { "false" }
}
