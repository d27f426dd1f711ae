//! One interface as netlink tells of it.

use super::{ALTNAMES, INFO, Properties, push_rows};
use crate::{
    collectors::prelude::*,
    metric::{Kind, Value},
    source::netlink::{Link, LinkMode, LinkStats},
};

/// Names of the operational states, of RFC 2863 section 3.1.14 as sysfs spells them.
pub(super) const OPERSTATES: [&str; 7] =
    ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// One interface and what is shown of it.
pub(super) struct Interface {
    pub(super) name: Vec<u8>,
    pub(super) properties: Properties,
    words: [String; 5],
    altnames: Vec<Vec<u8>>,
    stats: Option<LinkStats>,
}

impl Interface {
    pub(super) fn new(link: &Link<'_>, mode: Option<&LinkMode>) -> Self {
        let operstate = OPERSTATES.get(usize::from(link.operstate)).copied().unwrap_or("unknown");
        let duplex = match mode.map(|it| it.duplex) {
            None => "",
            Some(0) => "Half",
            Some(1) => "Full",
            Some(_) => "Unknown",
        };
        let properties = Properties {
            carrier: link.carrier.map(i64::from),
            carrier_changes: link.carrier_changes.map(i64::from),
            carrier_downs: link.carrier_downs.map(i64::from),
            carrier_ups: link.carrier_ups.map(i64::from),
            // As node_exporter has it: the mode, not the state.
            dormant: link.mode.map(i64::from),
            flags: Some(link.flags.into()),
            group: link.group.map(i64::from),
            index: Some(link.index.into()),
            is_up: Some(operstate == "up"),
            kind: Some(link.kind.into()),
            link: Some(link.lower.filter(|lower| *lower > 0).unwrap_or(link.index).into()),
            link_mode: link.mode.map(i64::from),
            mtu: link.mtu.map(i64::from),
            speed: mode.and_then(|it| it.speed).map(|speed| i64::from(speed) * 1_000_000 / 8),
            transmit_queue_length: link.transmit_queue_length.map(i64::from),
            ..Properties::default()
        };
        Self {
            name: link.name.to_vec(),
            properties,
            words: [
                hardware_address(link.address),
                hardware_address(link.broadcast),
                duplex.to_owned(),
                label_text(link.alias),
                operstate.to_owned(),
            ],
            altnames: link.alternative_names().map(<[u8]>::to_vec).collect(),
            stats: link.stats,
        }
    }

    pub(super) fn push(&self, with_stats: bool, out: &mut Families) {
        let device = &*label_text(&self.name);
        push_rows(&self.properties, [device], out);
        let [address, broadcast, duplex, ifalias, operstate] = &self.words;
        let labels = [
            ("address", address.as_str()),
            ("broadcast", broadcast),
            ("device", device),
            ("duplex", duplex),
            ("ifalias", ifalias),
            ("operstate", operstate),
        ];
        out.push_labelled(INFO, &labels, 1_u64);
        for altname in &self.altnames {
            out.push(ALTNAMES, [altname.as_slice(), &self.name], 1_u64);
        }
        for (name, value) in self.stats.iter().filter(|_| with_stats).flat_map(stats) {
            let Some(value) = value else { continue };
            let help = "Traffic counter of the interface, as the kernel names it.";
            // Gauges, as node_exporter has them here; the collector netdev has counters.
            out.push_foreign(
                name,
                Kind::Gauge,
                help,
                &[("device", device)],
                Value::Number(value as f64),
                None,
            );
        }
    }
}

/// `02:42:ac:11:00:02`
fn hardware_address(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn stats(it: &LinkStats) -> [(&'static str, Option<u64>); 24] {
    [
        ("node_network_collisions_total", it.collisions),
        ("node_network_multicast_total", it.multicast),
        ("node_network_receive_bytes_total", it.rx_bytes),
        ("node_network_receive_compressed_total", it.rx_compressed),
        ("node_network_receive_crc_errors_total", it.rx_crc_errors),
        ("node_network_receive_dropped_total", it.rx_dropped),
        ("node_network_receive_errors_total", it.rx_errors),
        ("node_network_receive_fifo_errors_total", it.rx_fifo_errors),
        ("node_network_receive_frame_errors_total", it.rx_frame_errors),
        ("node_network_receive_length_errors_total", it.rx_length_errors),
        ("node_network_receive_missed_errors_total", it.rx_missed_errors),
        ("node_network_receive_nohandler_total", it.rx_nohandler),
        ("node_network_receive_over_errors_total", it.rx_over_errors),
        ("node_network_receive_packets_total", it.rx_packets),
        ("node_network_transmit_aborted_errors_total", it.tx_aborted_errors),
        ("node_network_transmit_bytes_total", it.tx_bytes),
        ("node_network_transmit_carrier_errors_total", it.tx_carrier_errors),
        ("node_network_transmit_compressed_total", it.tx_compressed),
        ("node_network_transmit_dropped_total", it.tx_dropped),
        ("node_network_transmit_errors_total", it.tx_errors),
        ("node_network_transmit_fifo_errors_total", it.tx_fifo_errors),
        ("node_network_transmit_heartbeat_errors_total", it.tx_heartbeat_errors),
        ("node_network_transmit_packets_total", it.tx_packets),
        ("node_network_transmit_window_errors_total", it.tx_window_errors),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{source::netlink::message::write_attribute, testing::TestHost};

    #[test]
    fn tells_in_words_what_netlink_tells_in_numbers() {
        let link = Link {
            index: 7,
            kind: 1,
            flags: 0x1_1043,
            name: b"eth0",
            alias: b"uplink",
            address: &[2, 0x42, 0xac, 0x11, 0, 2],
            broadcast: &[0xff; 6],
            mtu: Some(1500),
            lower: Some(8),
            operstate: 6,
            mode: Some(0),
            carrier: Some(1),
            stats: Some(LinkStats { rx_bytes: Some(12), ..LinkStats::default() }),
            ..Link::default()
        };
        let mode = LinkMode { link: 7, speed: Some(1000), duplex: 1 };
        let mut out = Families::new(super::super::METRICS);
        Interface::new(&link, Some(&mode)).push(false, &mut out);
        let other = Link { name: b"lo", operstate: 9, lower: None, index: 1, ..Link::default() };
        Interface::new(&other, None).push(true, &mut out);
        expect![[r##"
            # HELP node_network_carrier 1 if the interface has a link; none while it is down.
            # TYPE node_network_carrier gauge
            node_network_carrier{device="eth0"} 1
            # HELP node_network_dormant 1 if the interface waits for an event outside of it, such as a login to the network.
            # TYPE node_network_dormant gauge
            node_network_dormant{device="eth0"} 0
            # HELP node_network_flags Flags of the interface: the IFF_ bits of include/uapi/linux/if.h.
            # TYPE node_network_flags gauge
            node_network_flags{device="eth0"} 69699
            node_network_flags{device="lo"} 0
            # HELP node_network_iface_id Index of the interface.
            # TYPE node_network_iface_id gauge
            node_network_iface_id{device="eth0"} 7
            node_network_iface_id{device="lo"} 1
            # HELP node_network_iface_link Index of the interface below this one; its own if there is none.
            # TYPE node_network_iface_link gauge
            node_network_iface_link{device="eth0"} 8
            node_network_iface_link{device="lo"} 1
            # HELP node_network_iface_link_mode 0 if the interface is up with its link, 1 if it is then dormant.
            # TYPE node_network_iface_link_mode gauge
            node_network_iface_link_mode{device="eth0"} 0
            # HELP node_network_info 1 for each interface, labelled with its address, state and alias; adminstate is absent when read by netlink.
            # TYPE node_network_info gauge
            node_network_info{address="",broadcast="",device="lo",duplex="",ifalias="",operstate="unknown"} 1
            node_network_info{address="02:42:ac:11:00:02",broadcast="ff:ff:ff:ff:ff:ff",device="eth0",duplex="Full",ifalias="uplink",operstate="up"} 1
            # HELP node_network_mtu_bytes Largest packet that the interface sends, in bytes.
            # TYPE node_network_mtu_bytes gauge
            node_network_mtu_bytes{device="eth0"} 1500
            # HELP node_network_protocol_type Type of the interface: the ARPHRD_ numbers of include/uapi/linux/if_arp.h.
            # TYPE node_network_protocol_type gauge
            node_network_protocol_type{device="eth0"} 1
            node_network_protocol_type{device="lo"} 0
            # HELP node_network_speed_bytes Speed of the link in bytes per second; -125000 if the driver does not know.
            # TYPE node_network_speed_bytes gauge
            node_network_speed_bytes{device="eth0"} 1.25e+08
            # HELP node_network_up 1 if the interface's operational state is up.
            # TYPE node_network_up gauge
            node_network_up{device="eth0"} 1
            node_network_up{device="lo"} 0
        "##]].assert_eq(&TestHost::new(&[]).render(&out));
    }

    #[test]
    fn other_names_and_counters_have_families_of_their_own() {
        let mut properties = Vec::new();
        for name in [&b"lan\0"[..], b"enp1s0\0"] {
            write_attribute(&mut properties, Link::ALTERNATIVE_NAME, name);
        }
        let stats = Some(LinkStats { rx_bytes: Some(12), ..LinkStats::default() });
        let link = Link { name: b"eth0", properties: &properties, stats, ..Link::default() };
        let mut out = Families::new(super::super::METRICS);
        Interface::new(&link, None).push(true, &mut out);
        let text = TestHost::new(&[]).render(&out);
        let lines = |part: &str| text.lines().filter(|it| it.contains(part)).collect::<Vec<_>>().join("\n");
        expect![[r##"
            # HELP node_network_altnames_info 1 for each other name of the interface; by netlink only.
            # TYPE node_network_altnames_info gauge
            node_network_altnames_info{altname="enp1s0",device="eth0"} 1
            node_network_altnames_info{altname="lan",device="eth0"} 1"##]]
        .assert_eq(&lines("altname"));
        expect![[r##"
            # HELP node_network_receive_bytes_total Traffic counter of the interface, as the kernel names it.
            # TYPE node_network_receive_bytes_total gauge
            node_network_receive_bytes_total{device="eth0"} 12"##]]
        .assert_eq(&lines("receive_bytes"));
    }
}
