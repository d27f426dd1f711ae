//! Addresses of interfaces: `RTM_NEWADDR` of rtnetlink(7) and `include/uapi/linux/if_addr.h`.

use super::{
    Request, Socket,
    message::{attributes, read_u32},
};
use crate::source::Error;
use std::net::IpAddr;

const RTM_GETADDR: u16 = 22;
/// Bytes of `struct ifaddrmsg`.
const FIXED_PART: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The index of the interface.
    pub(crate) link: u32,
    pub(crate) ip: IpAddr,
    /// How many leading bits the network has.
    pub(crate) n_prefix_bits: u8,
}

impl Address {
    /// Fills `rows` with all IPv4 and IPv6 addresses of our network namespace.
    pub(crate) fn dump(socket: &mut Socket, rows: &mut Vec<Self>) -> Result<(), Error> {
        let request = Request { call: "list addresses", kind: RTM_GETADDR, payload: &[0; FIXED_PART] };
        socket.dump(request, rows, Self::parse)
    }

    /// `None` for other than internet addresses. On a point-to-point link `IFA_ADDRESS` is the peer's.
    fn parse(message: &[u8]) -> Option<Self> {
        let fixed = message.first_chunk::<FIXED_PART>()?;
        let value_of = |kind| attributes(&message[FIXED_PART..]).find(|it| it.0 == kind).map(|it| it.1);
        let bytes = value_of(IFA_LOCAL).or_else(|| value_of(IFA_ADDRESS))?;
        let ip = match *bytes {
            [a, b, c, d] => IpAddr::from([a, b, c, d]),
            _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        Some(Self { link: read_u32(&fixed[4..])?, ip, n_prefix_bits: fixed[1] })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{fuzz_payloads, write_attribute},
        *,
    };
    use std::hint::black_box;

    #[test]
    fn the_local_end_of_a_point_to_point_link_counts() {
        let mut message = vec![2, 32, 0, 0, 9, 0, 0, 0];
        message[4..8].copy_from_slice(&9_u32.to_ne_bytes());
        write_attribute(&mut message, IFA_ADDRESS, &[10, 0, 0, 2]);
        let peer = Address { link: 9, ip: [10, 0, 0, 2].into(), n_prefix_bits: 32 };
        assert_eq!(Address::parse(&message), Some(peer));
        write_attribute(&mut message, IFA_LOCAL, &[10, 0, 0, 1]);
        assert_eq!(Address::parse(&message), Some(Address { ip: [10, 0, 0, 1].into(), ..peer }));
    }

    #[test]
    fn other_families_are_left_out() {
        let mut message = vec![0; FIXED_PART];
        write_attribute(&mut message, IFA_ADDRESS, &[1, 2]);
        assert_eq!(Address::parse(&message), None);
        assert_eq!(Address::parse(&message[..FIXED_PART - 1]), None);
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_addresses() {
        let mut payload = vec![2, 32, 0, 0, 9, 0, 0, 0];
        write_attribute(&mut payload, IFA_ADDRESS, &[0xfd; 16]);
        write_attribute(&mut payload, IFA_LOCAL, &[10, 0, 0, 1]);
        assert!(Address::parse(&payload).is_some());
        fuzz_payloads(&payload, |payload| {
            black_box(Address::parse(payload));
        });
    }
}
