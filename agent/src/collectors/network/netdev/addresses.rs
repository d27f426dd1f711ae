//! The addresses of all interfaces, whatever the device filter, as node_exporter gives them.

use super::ADDRESS;
use crate::{
    collectors::prelude::*,
    source::netlink::{Address, Link, LinkName, Socket},
};
use std::net::IpAddr;

pub(super) fn push(socket: &mut Socket, out: &mut Families) -> Result<(), source::Error> {
    let mut links = Vec::new();
    Link::dump(socket, &mut links, |link| Some((link.index, LinkName::new(link.name))))?;
    links.sort_unstable();
    let mut addresses = Vec::new();
    Address::dump(socket, &mut addresses)?;
    for Address { link, ip, n_prefix_bits } in addresses {
        // An interface that came after the list was read appears at the next scrape.
        let Ok(index) = links.binary_search_by_key(&link, |it| it.0) else { continue };
        let address = ip.to_string();
        out.push(ADDRESS, (&*links[index].1, address.as_str(), u16::from(n_prefix_bits), scope(ip)), 1_u64);
    }
    Ok(())
}

/// How far the address reaches, in the words of node_exporter, for which loopback is link-local.
fn scope(ip: IpAddr) -> &'static str {
    let (is_local, is_interface_local, is_broadcast) = match ip.to_canonical() {
        IpAddr::V4(ip) => (ip.is_link_local() || ip.octets()[..3] == [224, 0, 0], false, ip.is_broadcast()),
        IpAddr::V6(ip) => {
            let multicast_scope = ip.is_multicast().then_some(ip.octets()[1] & 0xf);
            (ip.is_unicast_link_local() || multicast_scope == Some(2), multicast_scope == Some(1), false)
        }
    };
    match () {
        () if ip.is_loopback() || is_local => "link-local",
        () if is_interface_local => "interface-local",
        () if ip.is_unspecified() || ip.is_multicast() || is_broadcast => "",
        () => "global",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_of_node_exporter() {
        for (ip, expected) in [
            ("127.0.0.1", "link-local"),
            ("169.254.1.1", "link-local"),
            ("224.0.0.1", "link-local"),
            ("224.0.1.1", ""),
            ("255.255.255.255", ""),
            ("0.0.0.0", ""),
            ("10.0.0.1", "global"),
            ("::1", "link-local"),
            ("fe80::1", "link-local"),
            ("ff02::1", "link-local"),
            ("ff01::1", "interface-local"),
            ("ff0e::1", ""),
            ("fd00::1", "global"),
        ] {
            assert_eq!(scope(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
