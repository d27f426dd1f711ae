//! Speed and duplex of interfaces: `ETHTOOL_MSG_LINKMODES_GET` of the generic netlink family `ethtool`, which came with
//! Linux 5.6; see `Documentation/networking/ethtool-netlink.rst` of the kernel.

use super::{
    Generic, Socket,
    generic::{HEADER, NESTED},
    message::{attributes, read_u32, write_attribute},
};
use crate::source::Error;

/// Of `include/uapi/linux/ethtool_netlink.h`.
const ETHTOOL_MSG_LINKMODES_GET: u8 = 4;
const ETHTOOL_A_LINKMODES_HEADER: u16 = 1;
const ETHTOOL_A_LINKMODES_SPEED: u16 = 5;
const ETHTOOL_A_LINKMODES_DUPLEX: u16 = 6;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_HEADER_FLAGS: u16 = 3;
const ETHTOOL_FLAG_COMPACT_BITSETS: u32 = 1;

const SPEED_UNKNOWN: u32 = u32::MAX;

/// How fast an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkMode {
    /// The index of the interface.
    pub(crate) link: u32,
    /// In megabits per second; `None` when the driver does not know.
    pub(crate) speed: Option<u32>,
    /// 0 half, 1 full, else unknown.
    pub(crate) duplex: u8,
}

/// A socket to ask for link modes.
#[derive(Debug)]
pub(crate) struct LinkModes(
    /// `None` when the kernel has no such family.
    Option<Generic>,
);

impl LinkModes {
    pub(crate) fn open(socket: Socket) -> Result<Self, Error> {
        Generic::open(socket, "look up ethtool's netlink", "ethtool").map(Self)
    }

    /// Fills `rows` with the modes of all interfaces that have one.
    pub(crate) fn dump(&mut self, rows: &mut Vec<LinkMode>) -> Result<(), Error> {
        let Some(ethtool) = &mut self.0 else { return Ok(()) };
        let mut header = Vec::new();
        write_attribute(&mut header, ETHTOOL_A_HEADER_FLAGS, &ETHTOOL_FLAG_COMPACT_BITSETS.to_ne_bytes());
        let mut payload = vec![ETHTOOL_MSG_LINKMODES_GET, 1, 0, 0];
        write_attribute(&mut payload, ETHTOOL_A_LINKMODES_HEADER | NESTED, &header);
        ethtool.dump("list link modes", &payload, rows, LinkMode::parse)
    }
}

impl LinkMode {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut mode = Self { link: 0, speed: None, duplex: u8::MAX };
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                ETHTOOL_A_LINKMODES_HEADER => {
                    let index = attributes(value).find(|it| it.0 == ETHTOOL_A_HEADER_DEV_INDEX);
                    mode.link = read_u32(index?.1)?;
                }
                ETHTOOL_A_LINKMODES_SPEED => {
                    mode.speed = read_u32(value).filter(|speed| *speed != SPEED_UNKNOWN);
                }
                ETHTOOL_A_LINKMODES_DUPLEX => mode.duplex = *value.first()?,
                _ => {}
            }
        }
        (mode.link != 0).then_some(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::fuzz_payloads, *};
    use std::hint::black_box;

    #[test]
    fn an_unknown_speed_is_none() {
        let mut header = Vec::new();
        write_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &7_u32.to_ne_bytes());
        let mut message = vec![0; HEADER];
        assert_eq!(LinkMode::parse(&message), None);
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_HEADER | NESTED, &header);
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_SPEED, &1000_u32.to_ne_bytes());
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_DUPLEX, &[1]);
        assert_eq!(LinkMode::parse(&message), Some(LinkMode { link: 7, speed: Some(1000), duplex: 1 }));
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_SPEED, &SPEED_UNKNOWN.to_ne_bytes());
        assert_eq!(LinkMode::parse(&message), Some(LinkMode { link: 7, speed: None, duplex: 1 }));
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_link_modes() {
        let (mut header, mut payload) = (Vec::new(), vec![0; HEADER]);
        write_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &7_u32.to_ne_bytes());
        write_attribute(&mut payload, ETHTOOL_A_LINKMODES_HEADER | NESTED, &header);
        write_attribute(&mut payload, ETHTOOL_A_LINKMODES_SPEED, &1000_u32.to_ne_bytes());
        write_attribute(&mut payload, ETHTOOL_A_LINKMODES_DUPLEX, &[1]);
        assert!(LinkMode::parse(&payload).is_some());
        fuzz_payloads(&payload, |payload| {
            black_box(LinkMode::parse(payload));
        });
    }
}
