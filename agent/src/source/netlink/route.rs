//! Routes: `RTM_NEWROUTE` of rtnetlink(7), attributes in `include/uapi/linux/rtnetlink.h`.

use super::{
    Request, Socket,
    message::{attributes, read_u16, read_u32},
};
use crate::source::Error;
use std::net::IpAddr;

const RTM_GETROUTE: u16 = 26;
/// Bytes of `struct rtmsg`.
const FIXED_PART: usize = 12;
/// Bytes of `struct rtnexthop`.
const HOP: usize = 8;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// To one destination, by a gateway or directly.
const RTN_UNICAST: u8 = 1;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;

/// A route to one destination, of any table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Option<IpAddr>,
    /// How many leading bits of the destination count; 0 for the default route.
    pub(crate) n_prefix_bits: u8,
    /// The address that packets get which have none.
    pub(crate) source: Option<IpAddr>,
    /// The lower, the better.
    pub(crate) priority: u32,
    /// Who made it, of `rtm_protocol`.
    pub(crate) protocol: u8,
    /// Where packets go; several share them out.
    pub(crate) hops: Vec<Hop>,
}

/// One way to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The index of the interface; 0 for none.
    pub(crate) link: u32,
    pub(crate) gateway: Option<IpAddr>,
    /// Its share; `None` where there is but one way.
    pub(crate) weight: Option<u16>,
}

impl Route {
    /// Fills `rows` with the IPv4 and IPv6 routes to one destination each.
    pub(crate) fn dump(socket: &mut Socket, rows: &mut Vec<Self>) -> Result<(), Error> {
        let request = Request { call: "list routes", kind: RTM_GETROUTE, payload: &[0; FIXED_PART] };
        socket.dump(request, rows, Self::parse)
    }

    /// `None` for what is no such route.
    fn parse(message: &[u8]) -> Option<Self> {
        let fixed = message.first_chunk::<FIXED_PART>()?;
        let [family, n_prefix_bits, _, _, _, protocol, _, kind, ..] = *fixed;
        if ![AF_INET, AF_INET6].contains(&family) || kind != RTN_UNICAST {
            return None;
        }
        let mut route =
            Self { destination: None, n_prefix_bits, source: None, priority: 0, protocol, hops: Vec::new() };
        let mut only_hop = Hop { link: 0, gateway: None, weight: None };
        for (kind, value) in attributes(&message[FIXED_PART..]) {
            match kind {
                RTA_DST => route.destination = address(value),
                RTA_OIF => only_hop.link = read_u32(value)?,
                RTA_GATEWAY => only_hop.gateway = address(value),
                RTA_PRIORITY => route.priority = read_u32(value)?,
                RTA_PREFSRC => route.source = address(value),
                RTA_MULTIPATH => route.hops = hops(value).collect(),
                _ => {}
            }
        }
        if route.hops.is_empty() {
            route.hops.push(only_hop);
        }
        Some(route)
    }
}

/// The ways of `RTA_MULTIPATH`; ends before the first that is not whole.
fn hops(mut bytes: &[u8]) -> impl Iterator<Item = Hop> {
    std::iter::from_fn(move || {
        let n_bytes = usize::from(read_u16(bytes)?);
        let hop = bytes.get(..n_bytes)?;
        let gateway = attributes(hop.get(HOP..)?).find(|it| it.0 == RTA_GATEWAY);
        bytes = bytes.get(n_bytes.next_multiple_of(4)..).unwrap_or_default();
        Some(Hop {
            link: read_u32(&hop[4..])?,
            gateway: gateway.and_then(|it| address(it.1)),
            weight: Some(u16::from(hop[3]) + 1),
        })
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match *bytes {
        [a, b, c, d] => Some(IpAddr::from([a, b, c, d])),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Message, messages, write_attribute},
        *,
    };
    use crate::testing::fuzz;
    use std::hint::black_box;

    const fn fixed(family: u8, n_prefix_bits: u8, kind: u8) -> [u8; FIXED_PART] {
        [family, n_prefix_bits, 0, 0, 254, 3, 0, kind, 0, 0, 0, 0]
    }

    fn hop(link: u32, weight: u8, gateway: [u8; 4]) -> Vec<u8> {
        let mut attribute = Vec::new();
        write_attribute(&mut attribute, RTA_GATEWAY, &gateway);
        let n_bytes = (HOP + attribute.len()) as u16;
        [&n_bytes.to_ne_bytes()[..], &[0, weight - 1], &link.to_ne_bytes(), &attribute].concat()
    }

    fn message(fixed: [u8; FIXED_PART], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = fixed.to_vec();
        for (kind, value) in attributes {
            write_attribute(&mut message, *kind, value);
        }
        message
    }

    #[test]
    fn reads_one_way_and_several() {
        let one = message(
            fixed(AF_INET6, 64, RTN_UNICAST),
            &[
                (RTA_DST, &[0xfd; 16]),
                (RTA_OIF, &3_u32.to_ne_bytes()),
                (RTA_PRIORITY, &1024_u32.to_ne_bytes()),
            ],
        );
        let route = Route::parse(&one).unwrap();
        assert_eq!((route.destination, route.n_prefix_bits), (Some([0xfd; 16].into()), 64));
        assert_eq!((route.priority, route.protocol), (1024, 3));
        assert_eq!(route.hops, [Hop { link: 3, gateway: None, weight: None }]);

        let ways = [hop(2, 1, [10, 0, 0, 1]), hop(4, 256_u16.wrapping_sub(1) as u8, [10, 0, 1, 1])].concat();
        let several =
            message(fixed(AF_INET, 0, RTN_UNICAST), &[(RTA_PREFSRC, &[10, 0, 0, 2]), (RTA_MULTIPATH, &ways)]);
        let route = Route::parse(&several).unwrap();
        assert_eq!((route.destination, route.source), (None, Some([10, 0, 0, 2].into())));
        let expected = [
            Hop { link: 2, gateway: Some([10, 0, 0, 1].into()), weight: Some(1) },
            Hop { link: 4, gateway: Some([10, 0, 1, 1].into()), weight: Some(255) },
        ];
        assert_eq!(route.hops, expected);
    }

    #[test]
    fn what_is_no_route_to_one_destination_is_left_out() {
        const RTN_LOCAL: u8 = 2;
        const AF_MPLS: u8 = 28;
        assert_eq!(Route::parse(&fixed(AF_INET, 32, RTN_LOCAL)), None);
        assert_eq!(Route::parse(&fixed(AF_MPLS, 20, RTN_UNICAST)), None);
        assert_eq!(Route::parse(&fixed(AF_INET, 32, RTN_UNICAST)[1..]), None);
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_routes() {
        let ways = [hop(2, 1, [10, 0, 0, 1]), hop(4, 9, [10, 0, 1, 1])].concat();
        let payload = message(
            fixed(AF_INET, 24, RTN_UNICAST),
            &[(RTA_DST, &[10, 0, 0, 0]), (RTA_OIF, &[1; 4]), (RTA_MULTIPATH, &ways)],
        );
        let mut datagram = Vec::new();
        Message { kind: 24, flags: 2, sequence: 1, payload: &payload }.write(&mut datagram);
        fuzz(&[&datagram, &payload], |bytes| {
            for payload in messages(bytes).map(|it| it.payload).chain([bytes]) {
                black_box(Route::parse(payload));
            }
        });
    }
}
