//! Speed and duplex of interfaces: `ETHTOOL_MSG_LINKMODES_GET` of the generic netlink family `ethtool`, which came with
//! Linux 5.6; see `Documentation/networking/ethtool-netlink.rst` of the kernel.

use super::{
    Request, Socket,
    message::{attributes, read_u16, read_u32, write_attribute},
};
use crate::source::Error;

/// The family that knows the others, and its command and attributes, of `include/uapi/linux/genetlink.h`.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

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
pub(crate) struct LinkModes {
    socket: Socket,
    /// The family's number; `None` when the kernel has no such family.
    family: Option<u16>,
}

impl LinkModes {
    pub(crate) fn open() -> Result<Self, Error> {
        let mut socket = Socket::generic();
        let mut payload = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
        write_attribute(&mut payload, CTRL_ATTR_FAMILY_NAME, b"ethtool\0");
        let request = Request { call: "look up ethtool's netlink", kind: GENL_ID_CTRL, payload: &payload };
        let mut family = None;
        let found = socket.get(request, |message| {
            let mut attributes = attributes(message.get(GENERIC_HEADER..).unwrap_or_default());
            family = attributes.find(|it| it.0 == CTRL_ATTR_FAMILY_ID).and_then(|it| read_u16(it.1));
        });
        match found {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(Self { socket, family }),
        }
    }

    /// Fills `rows` with the modes of all interfaces that have one.
    pub(crate) fn dump(&mut self, rows: &mut Vec<LinkMode>) -> Result<(), Error> {
        let Some(kind) = self.family else { return Ok(()) };
        let mut header = Vec::new();
        write_attribute(&mut header, ETHTOOL_A_HEADER_FLAGS, &ETHTOOL_FLAG_COMPACT_BITSETS.to_ne_bytes());
        let mut payload = vec![ETHTOOL_MSG_LINKMODES_GET, 1, 0, 0];
        write_attribute(&mut payload, ETHTOOL_A_LINKMODES_HEADER | NESTED, &header);
        self.socket.dump(Request { call: "list link modes", kind, payload: &payload }, rows, LinkMode::parse)
    }
}

/// Bytes of `struct genlmsghdr`.
const GENERIC_HEADER: usize = 4;
/// Says that an attribute holds others.
const NESTED: u16 = 0x8000;

impl LinkMode {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut mode = Self { link: 0, speed: None, duplex: u8::MAX };
        for (kind, value) in attributes(message.get(GENERIC_HEADER..)?) {
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
    use super::*;

    #[test]
    fn an_unknown_speed_is_none() {
        let mut header = Vec::new();
        write_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &7_u32.to_ne_bytes());
        let mut message = vec![0; GENERIC_HEADER];
        assert_eq!(LinkMode::parse(&message), None);
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_HEADER | NESTED, &header);
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_SPEED, &1000_u32.to_ne_bytes());
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_DUPLEX, &[1]);
        assert_eq!(LinkMode::parse(&message), Some(LinkMode { link: 7, speed: Some(1000), duplex: 1 }));
        write_attribute(&mut message, ETHTOOL_A_LINKMODES_SPEED, &SPEED_UNKNOWN.to_ne_bytes());
        assert_eq!(LinkMode::parse(&message), Some(LinkMode { link: 7, speed: None, duplex: 1 }));
    }
}
