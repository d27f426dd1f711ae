//! Wireless interfaces and stations: nl80211, of `include/uapi/linux/nl80211.h`.

use super::{
    Generic, LinkName, Socket,
    generic::HEADER,
    message::{attributes, read_text, read_u16, read_u32, read_u64, write_attribute},
};
use crate::source::Error;

const NL80211_CMD_GET_INTERFACE: u8 = 5;
const NL80211_CMD_GET_STATION: u8 = 17;
const NL80211_CMD_GET_SCAN: u8 = 32;

const NL80211_ATTR_IFINDEX: u16 = 3;
const NL80211_ATTR_IFNAME: u16 = 4;
const NL80211_ATTR_MAC: u16 = 6;
const NL80211_ATTR_STA_INFO: u16 = 21;
const NL80211_ATTR_WIPHY_FREQ: u16 = 38;
const NL80211_ATTR_BSS: u16 = 47;

const NL80211_BSS_BSSID: u16 = 1;
const NL80211_BSS_INFORMATION_ELEMENTS: u16 = 6;
const NL80211_BSS_STATUS: u16 = 9;

const NL80211_STA_INFO_INACTIVE_TIME: u16 = 1;
const NL80211_STA_INFO_RX_BYTES: u16 = 2;
const NL80211_STA_INFO_TX_BYTES: u16 = 3;
const NL80211_STA_INFO_SIGNAL: u16 = 7;
const NL80211_STA_INFO_TX_BITRATE: u16 = 8;
const NL80211_STA_INFO_RX_PACKETS: u16 = 9;
const NL80211_STA_INFO_TX_PACKETS: u16 = 10;
const NL80211_STA_INFO_TX_RETRIES: u16 = 11;
const NL80211_STA_INFO_TX_FAILED: u16 = 12;
const NL80211_STA_INFO_RX_BITRATE: u16 = 14;
const NL80211_STA_INFO_CONNECTED_TIME: u16 = 16;
const NL80211_STA_INFO_BEACON_LOSS: u16 = 18;
const NL80211_STA_INFO_RX_BYTES64: u16 = 23;
const NL80211_STA_INFO_TX_BYTES64: u16 = 24;

const NL80211_RATE_INFO_BITRATE: u16 = 1;
const NL80211_RATE_INFO_BITRATE32: u16 = 5;

/// Address on the link layer.
pub(crate) type HardwareAddress = [u8; 6];

/// A wireless interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WifiInterface {
    pub(crate) index: u32,
    /// Empty for one that carries no packets.
    pub(crate) name: LinkName,
    /// In megahertz.
    pub(crate) frequency: Option<u32>,
}

/// The wireless network that an interface belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WifiNetwork {
    /// The access point's address.
    pub(crate) bssid: HardwareAddress,
    pub(crate) ssid: Vec<u8>,
    /// `NL80211_BSS_STATUS_…`: 0 authenticated, 1 associated, 2 joined without an access point.
    pub(crate) status: u32,
}

/// The other end of a wireless link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Station {
    pub(crate) address: HardwareAddress,
    pub(crate) connected_seconds: Option<f64>,
    pub(crate) inactive_seconds: Option<f64>,
    pub(crate) receive_bits_per_second: Option<f64>,
    pub(crate) transmit_bits_per_second: Option<f64>,
    pub(crate) received_bytes: Option<u64>,
    pub(crate) transmitted_bytes: Option<u64>,
    pub(crate) received_packets: Option<u32>,
    pub(crate) transmitted_packets: Option<u32>,
    /// In decibel-milliwatts.
    pub(crate) signal: Option<i32>,
    pub(crate) transmit_retries: Option<u32>,
    pub(crate) transmit_failed: Option<u32>,
    pub(crate) beacon_loss: Option<u32>,
}

/// A socket to ask for them.
#[derive(Debug)]
pub(crate) struct Wifi(Generic);

impl Wifi {
    /// `None` when the kernel knows no wireless interfaces.
    pub(crate) fn open(socket: Socket) -> Result<Option<Self>, Error> {
        Ok(Generic::open(socket, "look up nl80211", "nl80211")?.map(Self))
    }

    pub(crate) fn interfaces(&mut self) -> Result<Vec<WifiInterface>, Error> {
        let mut rows = Vec::new();
        let payload = [NL80211_CMD_GET_INTERFACE, 0, 0, 0];
        self.0.dump("list wireless interfaces", &payload, &mut rows, WifiInterface::parse)?;
        Ok(rows)
    }

    /// The network that the interface belongs to now.
    pub(crate) fn network(&mut self, interface: u32) -> Result<Option<WifiNetwork>, Error> {
        let mut rows = Vec::new();
        let payload = request(NL80211_CMD_GET_SCAN, interface);
        self.0.dump("list wireless networks", &payload, &mut rows, WifiNetwork::parse)?;
        Ok(rows.into_iter().next())
    }

    pub(crate) fn stations(&mut self, interface: u32) -> Result<Vec<Station>, Error> {
        let mut rows = Vec::new();
        let payload = request(NL80211_CMD_GET_STATION, interface);
        self.0.dump("list wireless stations", &payload, &mut rows, Station::parse)?;
        Ok(rows)
    }
}

fn request(command: u8, interface: u32) -> Vec<u8> {
    let mut payload = vec![command, 0, 0, 0];
    write_attribute(&mut payload, NL80211_ATTR_IFINDEX, &interface.to_ne_bytes());
    payload
}

impl WifiInterface {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut interface = Self { index: 0, name: LinkName::default(), frequency: None };
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                NL80211_ATTR_IFINDEX => interface.index = read_u32(value)?,
                NL80211_ATTR_IFNAME => interface.name = LinkName::new(read_text(value)),
                NL80211_ATTR_WIPHY_FREQ => interface.frequency = read_u32(value),
                _ => {}
            }
        }
        Some(interface)
    }
}

impl WifiNetwork {
    /// `None` for one that was seen, to which the interface does not belong.
    fn parse(message: &[u8]) -> Option<Self> {
        let bss = attributes(message.get(HEADER..)?).find(|it| it.0 == NL80211_ATTR_BSS)?.1;
        let value_of = |kind| attributes(bss).find(|it| it.0 == kind).map(|it| it.1);
        Some(Self {
            status: read_u32(value_of(NL80211_BSS_STATUS)?)?,
            bssid: *value_of(NL80211_BSS_BSSID)?.first_chunk()?,
            ssid: value_of(NL80211_BSS_INFORMATION_ELEMENTS).and_then(ssid).unwrap_or_default().to_vec(),
        })
    }
}

/// Among information elements of IEEE 802.11, each a kind, a length and as many bytes.
fn ssid(mut elements: &[u8]) -> Option<&[u8]> {
    const SSID: u8 = 0;
    loop {
        let &[kind, n_bytes, ref rest @ ..] = elements else { return None };
        let value = rest.get(..usize::from(n_bytes))?;
        if kind == SSID {
            return Some(value);
        }
        elements = &rest[value.len()..];
    }
}

impl Station {
    fn parse(message: &[u8]) -> Option<Self> {
        let value_of = |kind| attributes(message.get(HEADER..)?).find(|it| it.0 == kind).map(|it| it.1);
        let mut station = Self { address: *value_of(NL80211_ATTR_MAC)?.first_chunk()?, ..Self::default() };
        let mut narrow = Self::default();
        for (kind, value) in attributes(value_of(NL80211_ATTR_STA_INFO)?) {
            let number = read_u32(value);
            match kind {
                NL80211_STA_INFO_CONNECTED_TIME => station.connected_seconds = number.map(f64::from),
                NL80211_STA_INFO_INACTIVE_TIME => {
                    station.inactive_seconds = number.map(|it| f64::from(it) / 1000.0);
                }
                NL80211_STA_INFO_RX_BITRATE => station.receive_bits_per_second = bits_per_second(value),
                NL80211_STA_INFO_TX_BITRATE => station.transmit_bits_per_second = bits_per_second(value),
                NL80211_STA_INFO_RX_BYTES => narrow.received_bytes = number.map(u64::from),
                NL80211_STA_INFO_TX_BYTES => narrow.transmitted_bytes = number.map(u64::from),
                NL80211_STA_INFO_RX_BYTES64 => station.received_bytes = read_u64(value),
                NL80211_STA_INFO_TX_BYTES64 => station.transmitted_bytes = read_u64(value),
                NL80211_STA_INFO_RX_PACKETS => station.received_packets = number,
                NL80211_STA_INFO_TX_PACKETS => station.transmitted_packets = number,
                NL80211_STA_INFO_SIGNAL => {
                    station.signal = value.first().map(|it| i32::from(it.cast_signed()));
                }
                NL80211_STA_INFO_TX_RETRIES => station.transmit_retries = number,
                NL80211_STA_INFO_TX_FAILED => station.transmit_failed = number,
                NL80211_STA_INFO_BEACON_LOSS => station.beacon_loss = number,
                _ => {}
            }
        }
        station.received_bytes = station.received_bytes.or(narrow.received_bytes);
        station.transmitted_bytes = station.transmitted_bytes.or(narrow.transmitted_bytes);
        Some(station)
    }
}

/// The kernel counts hundreds of kilobits; a rate beyond 16 bits is told in 32 alone.
fn bits_per_second(rate: &[u8]) -> Option<f64> {
    let value_of = |kind| attributes(rate).find(|it| it.0 == kind).map(|it| it.1);
    let wide = value_of(NL80211_RATE_INFO_BITRATE32).and_then(read_u32);
    let narrow = || value_of(NL80211_RATE_INFO_BITRATE).and_then(read_u16).map(u32::from);
    wide.or_else(narrow).map(|it| f64::from(it) * 100_000.0)
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Message, messages},
        *,
    };
    use crate::testing::fuzz;
    use std::hint::black_box;

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in attributes {
            write_attribute(&mut bytes, *kind, value);
        }
        bytes
    }

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        [vec![0; HEADER], nested(attributes)].concat()
    }

    fn interface() -> Vec<u8> {
        message(&[
            (NL80211_ATTR_IFINDEX, &3_u32.to_ne_bytes()),
            (NL80211_ATTR_IFNAME, b"wlan0\0"),
            (NL80211_ATTR_WIPHY_FREQ, &2412_u32.to_ne_bytes()),
        ])
    }

    fn network(status: &[(u16, &[u8])]) -> Vec<u8> {
        let elements = b"\x01\x02\x82\x84\x00\x04home\x03\x01\x06";
        let bss: Vec<(u16, &[u8])> = [
            &[(NL80211_BSS_BSSID, &b"\x02\0\0\0\x01\0"[..])],
            status,
            &[(NL80211_BSS_INFORMATION_ELEMENTS, elements)],
        ]
        .concat();
        message(&[(NL80211_ATTR_BSS, &nested(&bss))])
    }

    fn station() -> Vec<u8> {
        let slow = nested(&[(NL80211_RATE_INFO_BITRATE, &540_u16.to_ne_bytes())]);
        let fast = nested(&[
            (NL80211_RATE_INFO_BITRATE, &u16::MAX.to_ne_bytes()),
            (NL80211_RATE_INFO_BITRATE32, &96_078_u32.to_ne_bytes()),
        ]);
        let info = nested(&[
            (NL80211_STA_INFO_INACTIVE_TIME, &400_u32.to_ne_bytes()),
            (NL80211_STA_INFO_RX_BYTES64, &(1_u64 << 40).to_ne_bytes()),
            (NL80211_STA_INFO_RX_BYTES, &7_u32.to_ne_bytes()),
            (NL80211_STA_INFO_TX_BYTES, &8_u32.to_ne_bytes()),
            (NL80211_STA_INFO_SIGNAL, &[204]),
            (NL80211_STA_INFO_RX_BITRATE, &slow),
            (NL80211_STA_INFO_TX_BITRATE, &fast),
            (NL80211_STA_INFO_TX_FAILED, &2_u32.to_ne_bytes()),
        ]);
        message(&[(NL80211_ATTR_MAC, b"\x02\0\0\0\x01\0"), (NL80211_ATTR_STA_INFO, &info)])
    }

    #[test]
    fn answers_are_taken_apart() {
        let expected = WifiInterface { index: 3, name: LinkName::new(b"wlan0"), frequency: Some(2412) };
        assert_eq!(WifiInterface::parse(&interface()), Some(expected));

        let ours = network(&[(NL80211_BSS_STATUS, &1_u32.to_ne_bytes())]);
        let expected = WifiNetwork { bssid: [2, 0, 0, 0, 1, 0], ssid: b"home".to_vec(), status: 1 };
        assert_eq!(WifiNetwork::parse(&ours), Some(expected));
        assert_eq!(WifiNetwork::parse(&network(&[])), None, "a neighbour's");

        let expected = Station {
            address: [2, 0, 0, 0, 1, 0],
            inactive_seconds: Some(0.4),
            receive_bits_per_second: Some(54e6),
            transmit_bits_per_second: Some(9_607.8e6),
            received_bytes: Some(1 << 40),
            transmitted_bytes: Some(8),
            signal: Some(-52),
            transmit_failed: Some(2),
            ..Station::default()
        };
        assert_eq!(Station::parse(&station()), Some(expected));
    }

    #[test]
    fn elements_that_are_cut_have_no_name() {
        assert_eq!(ssid(b"\0\x02ab"), Some(&b"ab"[..]));
        for cut in [&b""[..], b"\0", b"\0\x02a", b"\x01\x01", b"\x01\x01a"] {
            assert_eq!(ssid(cut), None);
        }
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_wifi() {
        let seeds = [interface(), network(&[(NL80211_BSS_STATUS, &[1, 0, 0, 0])]), station()];
        let mut datagram = Vec::new();
        for payload in &seeds {
            Message { kind: 30, flags: 2, sequence: 1, payload }.write(&mut datagram);
        }
        fuzz(&[&datagram, &seeds[0], &seeds[1], &seeds[2]], |bytes| {
            for payload in messages(bytes).map(|it| it.payload).chain([bytes]) {
                black_box((WifiInterface::parse(payload), WifiNetwork::parse(payload)));
                black_box(Station::parse(payload));
            }
        });
    }
}
