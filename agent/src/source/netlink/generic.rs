//! Generic netlink: families that came later than rtnetlink, each found by its name. See
//! `include/uapi/linux/genetlink.h` and `Documentation/userspace-api/netlink/intro.rst` of the kernel.

use super::{
    Request, Socket,
    message::{attributes, read_u16, write_attribute},
};
use crate::source::Error;

/// The family that knows the others, and its command and attributes.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// Bytes of `struct genlmsghdr`: command, version and two unused.
pub(super) const HEADER: usize = 4;
/// Says that an attribute holds others.
pub(super) const NESTED: u16 = 0x8000;

/// A socket to ask one family.
#[derive(Debug)]
pub(crate) struct Generic {
    socket: Socket,
    family: u16,
}

impl Generic {
    /// Looks the family up; `None` when the kernel has none of that name. `call` says so for errors.
    pub(crate) fn open(mut socket: Socket, call: &'static str, name: &str) -> Result<Option<Self>, Error> {
        let mut payload = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
        write_attribute(&mut payload, CTRL_ATTR_FAMILY_NAME, &[name.as_bytes(), b"\0"].concat());
        let mut family = None;
        let found = socket.get(Request { call, kind: GENL_ID_CTRL, payload: &payload }, |message| {
            family = family_id(message);
        });
        match found {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(family.map(|family| Self { socket, family })),
        }
    }

    /// As [`Socket::dump`]; `payload` and messages begin with [`HEADER`].
    pub(crate) fn dump<T>(
        &mut self,
        call: &'static str,
        payload: &[u8],
        rows: &mut Vec<T>,
        row: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<(), Error> {
        self.socket.dump(Request { call, kind: self.family, payload }, rows, row)
    }
}

/// The number that the kernel gave a family.
fn family_id(message: &[u8]) -> Option<u16> {
    attributes(message.get(HEADER..)?).find(|it| it.0 == CTRL_ATTR_FAMILY_ID).and_then(|it| read_u16(it.1))
}

#[cfg(test)]
mod tests {
    use super::{super::message::fuzz_payloads, *};
    use std::hint::black_box;

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_families() {
        let mut payload = vec![1, 2, 0, 0];
        write_attribute(&mut payload, CTRL_ATTR_FAMILY_NAME, b"ethtool\0");
        write_attribute(&mut payload, CTRL_ATTR_FAMILY_ID, &21_u16.to_ne_bytes());
        assert_eq!(family_id(&payload), Some(21));
        fuzz_payloads(&payload, |payload| {
            black_box(family_id(payload));
        });
    }
}
