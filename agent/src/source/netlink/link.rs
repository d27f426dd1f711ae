//! Network interfaces: `RTM_NEWLINK` of rtnetlink(7), attributes in `include/uapi/linux/if_link.h`.

use super::{
    Request, Socket,
    message::{attributes, read_text, read_u16, read_u32, write_attribute},
};
use crate::source::Error;
use std::ops::Deref;

const RTM_GETLINK: u16 = 18;
/// Bytes of `struct ifinfomsg`.
const FIXED_PART: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_STATS: u16 = 7;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
const IFLA_PROP_LIST: u16 = 52;

/// Leave out what each protocol counts on each interface: the kernel sums that over all CPUs. Up to Linux 6.18 the
/// counters of the interface itself come all the same; 7.3 leaves them out too.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// One network interface. What a kernel does not tell is `None`, or empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link<'a> {
    pub(crate) index: u32,
    /// The type, of `include/uapi/linux/if_arp.h`.
    pub(crate) kind: u16,
    pub(crate) flags: u32,
    pub(crate) name: &'a [u8],
    pub(crate) alias: &'a [u8],
    /// On the link layer.
    pub(crate) address: &'a [u8],
    pub(crate) broadcast: &'a [u8],
    pub(crate) mtu: Option<u32>,
    /// The index of the interface below.
    pub(crate) lower: Option<u32>,
    pub(crate) transmit_queue_length: Option<u32>,
    pub(crate) operstate: u8,
    pub(crate) mode: Option<u8>,
    pub(crate) group: Option<u32>,
    pub(crate) carrier: Option<u8>,
    pub(crate) carrier_changes: Option<u32>,
    pub(crate) carrier_ups: Option<u32>,
    pub(crate) carrier_downs: Option<u32>,
    /// A few drivers count nothing.
    pub(crate) stats: Option<LinkStats>,
    /// The attributes of `IFLA_PROP_LIST`.
    pub(crate) properties: &'a [u8],
}

impl<'a> Link<'a> {
    /// `IFLA_ALT_IFNAME`, within the properties.
    pub(crate) const ALTERNATIVE_NAME: u16 = 53;

    /// Fills `rows` with all interfaces of our network namespace.
    pub(crate) fn dump<T>(
        socket: &mut Socket,
        rows: &mut Vec<T>,
        mut row: impl FnMut(&Link<'_>) -> Option<T>,
    ) -> Result<(), Error> {
        let (mut n_links, mut n_counted) = (0, 0);
        let mut payload = vec![0; FIXED_PART];
        if socket.skips_stats {
            write_attribute(&mut payload, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        }
        let request = Request { call: "list network interfaces", kind: RTM_GETLINK, payload: &payload };
        socket.dump(request, rows, |message| {
            let link = Link::parse(message)?;
            n_links += 1;
            n_counted += usize::from(link.stats.is_some());
            row(&link)
        })?;
        if socket.skips_stats && n_links > 0 && n_counted == 0 {
            socket.skips_stats = false;
            return Self::dump(socket, rows, row);
        }
        Ok(())
    }

    /// `None` when the message is shorter than the kernel's.
    fn parse(message: &'a [u8]) -> Option<Self> {
        let fixed = message.first_chunk::<FIXED_PART>()?;
        let mut link = Self {
            kind: read_u16(&fixed[2..])?,
            index: read_u32(&fixed[4..])?,
            flags: read_u32(&fixed[8..])?,
            ..Self::default()
        };
        for (kind, value) in attributes(&message[FIXED_PART..]) {
            match kind {
                IFLA_ADDRESS => link.address = value,
                IFLA_BROADCAST => link.broadcast = value,
                IFLA_IFNAME => link.name = read_text(value),
                IFLA_MTU => link.mtu = read_u32(value),
                IFLA_LINK => link.lower = read_u32(value),
                IFLA_STATS => link.stats = link.stats.or_else(|| Some(LinkStats::from_narrow(value))),
                IFLA_TXQLEN => link.transmit_queue_length = read_u32(value),
                IFLA_OPERSTATE => link.operstate = value.first().copied().unwrap_or(0),
                IFLA_LINKMODE => link.mode = value.first().copied(),
                IFLA_IFALIAS => link.alias = read_text(value),
                IFLA_STATS64 => link.stats = Some(LinkStats::from_wide(value)),
                IFLA_GROUP => link.group = read_u32(value),
                IFLA_CARRIER => link.carrier = value.first().copied(),
                IFLA_CARRIER_CHANGES => link.carrier_changes = read_u32(value),
                IFLA_CARRIER_UP_COUNT => link.carrier_ups = read_u32(value),
                IFLA_CARRIER_DOWN_COUNT => link.carrier_downs = read_u32(value),
                IFLA_PROP_LIST => link.properties = value,
                _ => {}
            }
        }
        Some(link)
    }

    /// The other names of the interface.
    pub(crate) fn alternative_names(&self) -> impl Iterator<Item = &'a [u8]> {
        attributes(self.properties).filter(|it| it.0 == Self::ALTERNATIVE_NAME).map(|it| read_text(it.1))
    }
}

/// An interface's name, kept without memory of its own: the kernel has at most 15 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkName {
    bytes: [u8; 15],
    len: u8,
}

impl LinkName {
    /// Longer names are cut.
    pub(crate) fn new(name: &[u8]) -> Self {
        let mut bytes = [0; 15];
        let len = name.len().min(bytes.len());
        bytes[..len].copy_from_slice(&name[..len]);
        Self { bytes, len: len as u8 }
    }
}

impl Deref for LinkName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// `struct rtnl_link_stats64`. Older kernels lack the last fields, which are then 0;
/// `None` is what another source does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkStats {
    pub(crate) rx_packets: Option<u64>,
    pub(crate) tx_packets: Option<u64>,
    pub(crate) rx_bytes: Option<u64>,
    pub(crate) tx_bytes: Option<u64>,
    pub(crate) rx_errors: Option<u64>,
    pub(crate) tx_errors: Option<u64>,
    pub(crate) rx_dropped: Option<u64>,
    pub(crate) tx_dropped: Option<u64>,
    pub(crate) multicast: Option<u64>,
    pub(crate) collisions: Option<u64>,
    pub(crate) rx_length_errors: Option<u64>,
    pub(crate) rx_over_errors: Option<u64>,
    pub(crate) rx_crc_errors: Option<u64>,
    pub(crate) rx_frame_errors: Option<u64>,
    pub(crate) rx_fifo_errors: Option<u64>,
    pub(crate) rx_missed_errors: Option<u64>,
    pub(crate) tx_aborted_errors: Option<u64>,
    pub(crate) tx_carrier_errors: Option<u64>,
    pub(crate) tx_fifo_errors: Option<u64>,
    pub(crate) tx_heartbeat_errors: Option<u64>,
    pub(crate) tx_window_errors: Option<u64>,
    pub(crate) rx_compressed: Option<u64>,
    pub(crate) tx_compressed: Option<u64>,
    pub(crate) rx_nohandler: Option<u64>,
}

impl LinkStats {
    fn from_wide(bytes: &[u8]) -> Self {
        let mut numbers =
            bytes.chunks_exact(8).map(|it| u64::from_ne_bytes(it.try_into().unwrap_or_default()));
        Self::from_numbers(|| numbers.next().unwrap_or(0))
    }

    fn from_narrow(bytes: &[u8]) -> Self {
        let mut numbers =
            bytes.chunks_exact(4).map(|it| u32::from_ne_bytes(it.try_into().unwrap_or_default()));
        Self::from_numbers(|| numbers.next().unwrap_or(0).into())
    }

    /// Takes the fields in the kernel's order: fields of a literal are evaluated as they are written.
    fn from_numbers(mut next: impl FnMut() -> u64) -> Self {
        let mut next = || Some(next());
        Self {
            rx_packets: next(),
            tx_packets: next(),
            rx_bytes: next(),
            tx_bytes: next(),
            rx_errors: next(),
            tx_errors: next(),
            rx_dropped: next(),
            tx_dropped: next(),
            multicast: next(),
            collisions: next(),
            rx_length_errors: next(),
            rx_over_errors: next(),
            rx_crc_errors: next(),
            rx_frame_errors: next(),
            rx_fifo_errors: next(),
            rx_missed_errors: next(),
            tx_aborted_errors: next(),
            tx_carrier_errors: next(),
            tx_fifo_errors: next(),
            tx_heartbeat_errors: next(),
            tx_window_errors: next(),
            rx_compressed: next(),
            tx_compressed: next(),
            rx_nohandler: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::netlink::message::{Message, messages},
        testing::fuzz,
    };
    use proptest::prelude::*;
    use std::hint::black_box;

    fn message(index: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_PART];
        bytes[4..8].copy_from_slice(&index.to_ne_bytes());
        for (kind, value) in attributes {
            write_attribute(&mut bytes, *kind, value);
        }
        bytes
    }

    fn numbers<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
        numbers.flatten().collect()
    }

    #[test]
    fn takes_the_wide_counters_whatever_their_place() {
        let wide = numbers((1_u64 << 40..).take(25).map(u64::to_ne_bytes));
        let narrow = numbers((0_u32..).take(24).map(u32::to_ne_bytes));
        for attributes in [
            [(IFLA_IFNAME, &b"eth0\0"[..]), (IFLA_STATS64, &wide), (IFLA_STATS, &narrow)],
            [(IFLA_STATS, &narrow), (IFLA_STATS64, &wide), (IFLA_IFNAME, b"eth0\0")],
        ] {
            let message = message(7, &attributes);
            let link = Link::parse(&message).unwrap();
            assert_eq!((link.index, link.name), (7, &b"eth0"[..]));
            let stats = link.stats.unwrap();
            assert_eq!((stats.rx_packets, stats.rx_nohandler), (Some(1 << 40), Some((1 << 40) + 23)));
        }
    }

    #[test]
    fn counters_that_a_kernel_lacks_are_zero() {
        let narrow = numbers((1_u32..).take(23).map(u32::to_ne_bytes));
        let message = message(1, &[(IFLA_STATS, &narrow)]);
        let stats = Link::parse(&message).unwrap().stats.unwrap();
        assert_eq!((stats.rx_packets, stats.tx_compressed, stats.rx_nohandler), (Some(1), Some(23), Some(0)));
    }

    #[test]
    fn names_keep_their_order() {
        let mut names =
            ["eth10", "eth1", "a", "", "fifteen-bytes-x"].map(|name| LinkName::new(name.as_bytes()));
        names.sort_unstable();
        let names = names.map(|name| String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(names, ["", "a", "eth1", "eth10", "fifteen-bytes-x"]);
        assert_eq!(&*LinkName::new(b"sixteen-bytes-xx"), b"sixteen-bytes-x");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_link_or_none(bytes: Vec<u8>) {
            prop_assert_eq!(Link::parse(&bytes).is_some(), bytes.len() >= FIXED_PART);
        }
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink() {
        let wide = numbers((1_u64 << 40..).take(25).map(u64::to_ne_bytes));
        let narrow = numbers((0_u32..).take(24).map(u32::to_ne_bytes));
        let mut names = Vec::new();
        write_attribute(&mut names, Link::ALTERNATIVE_NAME, b"other\0");
        let payload = message(
            7,
            &[
                (IFLA_IFNAME, b"eth0\0"),
                (IFLA_MTU, &1500_u32.to_ne_bytes()),
                (IFLA_STATS, &narrow),
                (IFLA_STATS64, &wide),
                (IFLA_OPERSTATE, &[6]),
                (IFLA_PROP_LIST, &names),
            ],
        );
        let mut datagram = Vec::new();
        for sequence in 0..2 {
            Message { kind: RTM_GETLINK, flags: 2, sequence, payload: &payload }.write(&mut datagram);
        }
        fuzz(&[&datagram, &payload], |bytes| {
            let payloads = messages(bytes).map(|message| message.payload).chain([bytes]);
            for payload in payloads {
                if let Some(link) = Link::parse(payload) {
                    black_box((LinkName::new(link.name), link.alternative_names().count()));
                }
                for (_, value) in attributes(payload) {
                    attributes(value).for_each(|(_, inner)| {
                        black_box(read_text(inner));
                    });
                }
            }
        });
    }
}
