//! Interfaces as `/sys/class/net` shows them: about 20 files each.

use super::{Config, INFO, Properties, interface::OPERSTATES, push_rows};
use crate::{
    collectors::prelude::*,
    source::{Files, Gone, KeptClass, prefixed_number},
};
use std::io::ErrorKind;

/// Of `include/uapi/linux/if.h`.
const IFF_UP: i64 = 1;

pub(super) struct BySysfs {
    class: KeptClass,
    ignored: Pattern,
    ignores_invalid_speed: bool,
}

impl BySysfs {
    pub(super) fn new(config: Config, host: &Host) -> Self {
        let class = KeptClass::new(host.sys("class/net"));
        Self { class, ignored: config.ignored_devices, ignores_invalid_speed: config.ignore_invalid_speed }
    }

    pub(super) fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { class, ignored, ignores_invalid_speed } = self;
        let read = class.for_each(
            |name| !ignored.is_match(name),
            |name, files| {
                let words = Words::read(files)?;
                let mut properties = read_properties(files)?;
                let is_known = OPERSTATES.iter().any(|it| it.as_bytes() == words.operstate);
                properties.is_up = is_known.then(|| words.operstate == b"up");
                properties.speed = properties.speed.filter(|speed| *speed >= 0 || !*ignores_invalid_speed);
                push_rows(&properties, [name], out);
                let adminstate: &[u8] = match properties.flags {
                    None => b"unknown",
                    Some(flags) if flags & IFF_UP != 0 => b"up",
                    Some(_) => b"down",
                };
                let Words { address, broadcast, duplex, ifalias, operstate } = &words;
                out.push(INFO, [address, adminstate, broadcast, name, duplex, ifalias, operstate], 1_u64);
                Ok(())
            },
        );
        match read {
            Err(error)
                if matches!(error.io_kind(), Some(ErrorKind::NotFound | ErrorKind::PermissionDenied)) =>
            {
                Err(Error::Absent(error.to_string()))
            }
            read => Ok(read?),
        }
    }
}

struct Words {
    address: Vec<u8>,
    broadcast: Vec<u8>,
    duplex: Vec<u8>,
    ifalias: Vec<u8>,
    operstate: Vec<u8>,
}

impl Words {
    fn read(files: &mut Files<'_>) -> Result<Self, Gone> {
        let mut word = |name| Ok(files.value(name)?.unwrap_or_default().to_vec());
        Ok(Self {
            address: word("address")?,
            broadcast: word("broadcast")?,
            duplex: word("duplex")?,
            ifalias: word("ifalias")?,
            operstate: word("operstate")?,
        })
    }
}

fn read_properties(files: &mut Files<'_>) -> Result<Properties, Gone> {
    let mut number = |name| files.number(name, parse_number);
    Ok(Properties {
        address_assign_type: number("addr_assign_type")?,
        carrier: number("carrier")?,
        carrier_changes: number("carrier_changes")?,
        carrier_downs: number("carrier_down_count")?,
        carrier_ups: number("carrier_up_count")?,
        device_id: number("dev_id")?,
        dormant: number("dormant")?,
        flags: number("flags")?,
        group: number("netdev_group")?,
        index: number("ifindex")?,
        is_up: None,
        kind: number("type")?,
        link: number("iflink")?,
        link_mode: number("link_mode")?,
        mtu: number("mtu")?,
        name_assign_type: number("name_assign_type")?,
        // In megabits per second.
        speed: number("speed")?.map(|speed| speed.wrapping_mul(1_000_000) / 8),
        transmit_queue_length: number("tx_queue_len")?,
    })
}

/// Decimal, or hexadecimal with a prefix.
fn parse_number(text: &[u8]) -> Option<i64> {
    match text {
        [b'1'..=b'9', ..] => source::number(text),
        _ => prefixed_number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Netclass;
    use super::*;

    const ETH0: [(&str, &str); 22] = [
        ("sys/class/net/eth0/addr_assign_type", "3\n"),
        ("sys/class/net/eth0/address", "01:01:01:01:01:01\n"),
        ("sys/class/net/eth0/broadcast", "ff:ff:ff:ff:ff:ff\n"),
        ("sys/class/net/eth0/carrier", "1\n"),
        ("sys/class/net/eth0/carrier_changes", "2\n"),
        ("sys/class/net/eth0/carrier_down_count", "1\n"),
        ("sys/class/net/eth0/carrier_up_count", "1\n"),
        ("sys/class/net/eth0/dev_id", "0x20\n"),
        ("sys/class/net/eth0/dormant", "0\n"),
        ("sys/class/net/eth0/duplex", "full\n"),
        ("sys/class/net/eth0/flags", "0x1303\n"),
        ("sys/class/net/eth0/ifalias", "to the \"core\"\n"),
        ("sys/class/net/eth0/ifindex", "2\n"),
        ("sys/class/net/eth0/iflink", "2\n"),
        ("sys/class/net/eth0/link_mode", "1\n"),
        ("sys/class/net/eth0/mtu", "1500\n"),
        ("sys/class/net/eth0/name_assign_type", "2\n"),
        ("sys/class/net/eth0/netdev_group", "0\n"),
        ("sys/class/net/eth0/operstate", "up\n"),
        ("sys/class/net/eth0/speed", "10000\n"),
        ("sys/class/net/eth0/tx_queue_len", "1000\n"),
        ("sys/class/net/eth0/type", "1\n"),
    ];

    #[test]
    fn tells_what_an_interface_is() {
        check::<Netclass>(
            "",
            &ETH0,
            expect![[r##"
                # HELP node_network_address_assign_type Where the interface has its address from: 0 permanent, 1 random, 2 another interface, 3 set.
                # TYPE node_network_address_assign_type gauge
                node_network_address_assign_type{device="eth0"} 3
                # HELP node_network_carrier 1 if the interface has a link; none while it is down.
                # TYPE node_network_carrier gauge
                node_network_carrier{device="eth0"} 1
                # HELP node_network_carrier_changes_total Times that the link came up or went down.
                # TYPE node_network_carrier_changes_total counter
                node_network_carrier_changes_total{device="eth0"} 2
                # HELP node_network_carrier_down_changes_total Times that the link went down.
                # TYPE node_network_carrier_down_changes_total counter
                node_network_carrier_down_changes_total{device="eth0"} 1
                # HELP node_network_carrier_up_changes_total Times that the link came up.
                # TYPE node_network_carrier_up_changes_total counter
                node_network_carrier_up_changes_total{device="eth0"} 1
                # HELP node_network_device_id Number that tells apart interfaces that share an address.
                # TYPE node_network_device_id gauge
                node_network_device_id{device="eth0"} 32
                # HELP node_network_dormant 1 if the interface waits for an event outside of it, such as a login to the network.
                # TYPE node_network_dormant gauge
                node_network_dormant{device="eth0"} 0
                # HELP node_network_flags Flags of the interface: the IFF_ bits of include/uapi/linux/if.h.
                # TYPE node_network_flags gauge
                node_network_flags{device="eth0"} 4867
                # HELP node_network_iface_id Index of the interface.
                # TYPE node_network_iface_id gauge
                node_network_iface_id{device="eth0"} 2
                # HELP node_network_iface_link Index of the interface below this one; its own if there is none.
                # TYPE node_network_iface_link gauge
                node_network_iface_link{device="eth0"} 2
                # HELP node_network_iface_link_mode 0 if the interface is up with its link, 1 if it is then dormant.
                # TYPE node_network_iface_link_mode gauge
                node_network_iface_link_mode{device="eth0"} 1
                # HELP node_network_info 1 for each interface, labelled with its address, state and alias; adminstate is absent when read by netlink.
                # TYPE node_network_info gauge
                node_network_info{address="01:01:01:01:01:01",adminstate="up",broadcast="ff:ff:ff:ff:ff:ff",device="eth0",duplex="full",ifalias="to the \"core\"",operstate="up"} 1
                # HELP node_network_mtu_bytes Largest packet that the interface sends, in bytes.
                # TYPE node_network_mtu_bytes gauge
                node_network_mtu_bytes{device="eth0"} 1500
                # HELP node_network_name_assign_type Where the interface has its name from: 1 the kernel, 2 the kernel, predictably, 3 user space, 4 renamed.
                # TYPE node_network_name_assign_type gauge
                node_network_name_assign_type{device="eth0"} 2
                # HELP node_network_net_dev_group Group of the interface.
                # TYPE node_network_net_dev_group gauge
                node_network_net_dev_group{device="eth0"} 0
                # HELP node_network_protocol_type Type of the interface: the ARPHRD_ numbers of include/uapi/linux/if_arp.h.
                # TYPE node_network_protocol_type gauge
                node_network_protocol_type{device="eth0"} 1
                # HELP node_network_speed_bytes Speed of the link in bytes per second; -125000 if the driver does not know.
                # TYPE node_network_speed_bytes gauge
                node_network_speed_bytes{device="eth0"} 1.25e+09
                # HELP node_network_transmit_queue_length Packets that the interface's send queue may hold.
                # TYPE node_network_transmit_queue_length gauge
                node_network_transmit_queue_length{device="eth0"} 1000
                # HELP node_network_up 1 if the interface's operational state is up.
                # TYPE node_network_up gauge
                node_network_up{device="eth0"} 1
            "##]],
        );
    }

    #[test]
    fn what_a_driver_does_not_tell_is_left_out() {
        let files = [
            ("sys/class/net/lo/ifindex", "1\n"),
            ("sys/class/net/lo/flags", "0x8\n"),
            ("sys/class/net/tun0/speed", "-1\n"),
            // A counter, which has wrapped.
            ("sys/class/net/tun0/carrier_changes", "-7\n"),
            ("sys/class/net/bonding_masters", "bond0\n"),
        ];
        check::<Netclass>(
            "",
            &files,
            expect![[r##"
                # HELP node_network_flags Flags of the interface: the IFF_ bits of include/uapi/linux/if.h.
                # TYPE node_network_flags gauge
                node_network_flags{device="lo"} 8
                # HELP node_network_iface_id Index of the interface.
                # TYPE node_network_iface_id gauge
                node_network_iface_id{device="lo"} 1
                # HELP node_network_info 1 for each interface, labelled with its address, state and alias; adminstate is absent when read by netlink.
                # TYPE node_network_info gauge
                node_network_info{address="",adminstate="down",broadcast="",device="lo",duplex="",ifalias="",operstate=""} 1
                node_network_info{address="",adminstate="unknown",broadcast="",device="tun0",duplex="",ifalias="",operstate=""} 1
                # HELP node_network_speed_bytes Speed of the link in bytes per second; -125000 if the driver does not know.
                # TYPE node_network_speed_bytes gauge
                node_network_speed_bytes{device="tun0"} -125000
            "##]],
        );
        check::<Netclass>(
            "ignore_invalid_speed = true\nignored_devices = \"lo\"",
            &files,
            expect![[r##"
                # HELP node_network_info 1 for each interface, labelled with its address, state and alias; adminstate is absent when read by netlink.
                # TYPE node_network_info gauge
                node_network_info{address="",adminstate="unknown",broadcast="",device="tun0",duplex="",ifalias="",operstate=""} 1
            "##]],
        );
    }

    #[test]
    fn a_host_without_network_is_no_fault() {
        check_error::<Netclass>(
            "",
            &[],
            expect!["not on this host: read sys/class/net: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Netclass>("", &ETH0);
    }
}
