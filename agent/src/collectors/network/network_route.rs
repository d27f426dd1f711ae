//! IPv4 and IPv6 routes to one destination each, of all tables, by rtnetlink(7). See ip-route(8).

use crate::{
    collectors::prelude::*,
    source::netlink::{Hop, Link, LinkName, Route, Socket},
};
use std::{collections::BTreeMap, net::IpAddr};

metrics! {
    INFO: Gauge "node_network_route_info" ["device", "src", "dest", "gw", "priority", "proto", "weight"], "1 for each next hop of each route; proto says what made the route, weight is the share of this hop.";
    ROUTES: Gauge "node_network_routes" ["device"], "Ways of routes that lead over the interface.";
}

pub(super) struct NetworkRoute {
    socket: Socket,
    links: Vec<(u32, LinkName)>,
    routes: Vec<Route>,
}

impl Spec for NetworkRoute {
    const SUMMARY: &'static str = "Routes, and how many lead over each network interface, by rtnetlink.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { socket: host.netlink(Socket::route())?, links: Vec::new(), routes: Vec::new() })
    }
}

impl Collector for NetworkRoute {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { socket, links, routes } = self;
        Link::dump(socket, links, |link| Some((link.index, LinkName::new(link.name))))?;
        links.sort_unstable();
        Route::dump(socket, routes)?;
        push(links, routes, out);
        Ok(())
    }
}

/// `links` are in order. What several tables have is shown once, and counted as often as there are.
fn push(links: &[(u32, LinkName)], routes: &[Route], out: &mut Families) {
    let mut n_by_device = BTreeMap::<LinkName, u64>::new();
    let mut shown = BTreeMap::new();
    for route in routes {
        for &Hop { link, gateway, weight } in &route.hops {
            let link = links.binary_search_by_key(&link, |it| it.0).ok();
            let device = link.map_or_else(LinkName::default, |at| links[at].1);
            *n_by_device.entry(device).or_default() += 1;
            let destination = (route.n_prefix_bits != 0).then_some((route.destination, route.n_prefix_bits));
            let way = (device, route.source, destination, gateway, route.priority, route.protocol, weight);
            shown.insert(way, ());
        }
    }
    for (device, source, destination, gateway, priority, protocol, weight) in shown.keys() {
        let destination = match destination {
            None => "default".to_owned(),
            Some((address, n_bits)) => format!("{}/{n_bits}", text(address)),
        };
        let weight = weight.map_or_else(String::new, |it| it.to_string());
        let labels = (
            &**device,
            text(source),
            destination,
            text(gateway),
            *priority,
            protocol_name(*protocol),
            weight,
        );
        out.push(INFO, labels, 1_u64);
    }
    for (device, n) in n_by_device {
        out.push(ROUTES, [&*device], n);
    }
}

/// As Go writes it: an IPv4 address within IPv6 is just that.
fn text(address: &Option<IpAddr>) -> String {
    address.map_or_else(String::new, |it| it.to_canonical().to_string())
}

/// `rtm_protocol` of `include/uapi/linux/rtnetlink.h`.
fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;
    use std::net::Ipv6Addr;

    fn route(destination: &str, n_prefix_bits: u8, hops: &[Hop]) -> Route {
        let destination = destination.parse().ok();
        Route { destination, n_prefix_bits, source: None, priority: 100, protocol: 16, hops: hops.to_vec() }
    }

    #[test]
    fn shows_each_way_once_and_counts_all() {
        let hop = |link, gateway: &str, weight| Hop { link, gateway: gateway.parse().ok(), weight };
        let direct = Route {
            source: Some([10, 0, 0, 7].into()),
            priority: 0,
            protocol: 2,
            ..route("10.0.0.0", 24, &[hop(2, "", None)])
        };
        let mapped = IpAddr::from(Ipv6Addr::from(0xffff_0102_0304));
        let routes = [
            route("", 0, &[hop(2, "10.0.0.1", Some(1)), hop(3, "10.0.1.1", Some(5))]),
            direct.clone(),
            direct,
            Route { protocol: 99, ..route("fd00::", 64, &[hop(9, "fe80::1", None)]) },
            Route { destination: Some(mapped), ..route("", 32, &[hop(3, "", None)]) },
        ];
        let links = [(2, LinkName::new(b"eth0")), (3, LinkName::new(b"eth1"))];
        let mut out = Families::new(METRICS);
        push(&links, &routes, &mut out);
        expect![[r##"
            # HELP node_network_route_info 1 for each next hop of each route; proto says what made the route, weight is the share of this hop.
            # TYPE node_network_route_info gauge
            node_network_route_info{dest="1.2.3.4/32",device="eth1",gw="",priority="100",proto="dhcp",src="",weight=""} 1
            node_network_route_info{dest="10.0.0.0/24",device="eth0",gw="",priority="0",proto="kernel",src="10.0.0.7",weight=""} 1
            node_network_route_info{dest="default",device="eth0",gw="10.0.0.1",priority="100",proto="dhcp",src="",weight="1"} 1
            node_network_route_info{dest="default",device="eth1",gw="10.0.1.1",priority="100",proto="dhcp",src="",weight="5"} 1
            node_network_route_info{dest="fd00::/64",device="",gw="fe80::1",priority="100",proto="unknown",src="",weight=""} 1
            # HELP node_network_routes Ways of routes that lead over the interface.
            # TYPE node_network_routes gauge
            node_network_routes{device=""} 1
            node_network_routes{device="eth0"} 3
            node_network_routes{device="eth1"} 2
        "##]].assert_eq(&TestHost::new(&[]).render(&out));
    }
}
