//! What network interfaces are and how they are set up, from `/sys/class/net` (`Documentation/ABI/testing/sysfs-class-net`
//! of the kernel), or by rtnetlink(7) and ethtool's netlink.

mod by_netlink;
mod by_sysfs;
mod interface;

use crate::collectors::prelude::*;
use by_netlink::ByNetlink;
use by_sysfs::BySysfs;

metrics! {
    ALTNAMES: Gauge "node_network_altnames_info" ["altname", "device"], "1 for each other name of the interface; by netlink only.";
    INFO: Gauge "node_network_info" ["address", "adminstate", "broadcast", "device", "duplex", "ifalias", "operstate"], "1 for each interface, labelled with its address, state and alias; adminstate is absent when read by netlink.";

    |it: &Properties| ["device"];
    Gauge "node_network_address_assign_type" = it.address_assign_type, "Where the interface has its address from: 0 permanent, 1 random, 2 another interface, 3 set.";
    Gauge "node_network_carrier" = it.carrier, "1 if the interface has a link; none while it is down.";
    Counter "node_network_carrier_changes_total" = it.carrier_changes, "Times that the link came up or went down.";
    Counter "node_network_carrier_down_changes_total" = it.carrier_downs, "Times that the link went down.";
    Counter "node_network_carrier_up_changes_total" = it.carrier_ups, "Times that the link came up.";
    Gauge "node_network_device_id" = it.device_id, "Number that tells apart interfaces that share an address.";
    Gauge "node_network_dormant" = it.dormant, "1 if the interface waits for an event outside of it, such as a login to the network.";
    Gauge "node_network_flags" = it.flags, "Flags of the interface: the IFF_ bits of include/uapi/linux/if.h.";
    Gauge "node_network_iface_id" = it.index, "Index of the interface.";
    Gauge "node_network_iface_link" = it.link, "Index of the interface below this one; its own if there is none.";
    Gauge "node_network_iface_link_mode" = it.link_mode, "0 if the interface is up with its link, 1 if it is then dormant.";
    Gauge "node_network_mtu_bytes" = it.mtu, "Largest packet that the interface sends, in bytes.";
    Gauge "node_network_name_assign_type" = it.name_assign_type, "Where the interface has its name from: 1 the kernel, 2 the kernel, predictably, 3 user space, 4 renamed.";
    Gauge "node_network_net_dev_group" = it.group, "Group of the interface.";
    Gauge "node_network_protocol_type" = it.kind, "Type of the interface: the ARPHRD_ numbers of include/uapi/linux/if_arp.h.";
    Gauge "node_network_speed_bytes" = it.speed, "Speed of the link in bytes per second; -125000 if the driver does not know.";
    Gauge "node_network_transmit_queue_length" = it.transmit_queue_length, "Packets that the interface's send queue may hold.";
    Gauge "node_network_up" = it.is_up, "1 if the interface's operational state is up.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to leave out.
        ignored_devices: Pattern = "^$",
        /// Leaves out the speed of interfaces whose driver does not know it.
        ignore_invalid_speed: bool = false,
        /// Asks the kernel by netlink; false: reads /sys/class/net.
        netlink: bool = false,
        /// Shows traffic counters, too, when netlink is true: in place of the collector netdev.
        rtnl_with_stats: bool = false => "collector.netclass_rtnl.with-stats",
    }
}

/// What is told in numbers, in units of the metrics.
#[derive(Debug, Default)]
struct Properties {
    address_assign_type: Option<i64>,
    carrier: Option<i64>,
    carrier_changes: Option<i64>,
    carrier_downs: Option<i64>,
    carrier_ups: Option<i64>,
    device_id: Option<i64>,
    dormant: Option<i64>,
    flags: Option<i64>,
    group: Option<i64>,
    index: Option<i64>,
    is_up: Option<bool>,
    kind: Option<i64>,
    link: Option<i64>,
    link_mode: Option<i64>,
    mtu: Option<i64>,
    name_assign_type: Option<i64>,
    speed: Option<i64>,
    transmit_queue_length: Option<i64>,
}

pub(super) struct Netclass(Source);

enum Source {
    Sysfs(BySysfs),
    Netlink(ByNetlink),
}

impl Spec for Netclass {
    const SUMMARY: &'static str =
        "State, address, speed and settings of network interfaces, from /sys/class/net or by netlink.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self(match config.netlink {
            false => Source::Sysfs(BySysfs::new(config, host)),
            true => Source::Netlink(ByNetlink::open(config, host)?),
        }))
    }
}

impl Collector for Netclass {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        match &mut self.0 {
            Source::Sysfs(it) => it.collect(out),
            Source::Netlink(it) => it.collect(out),
        }
    }
}
