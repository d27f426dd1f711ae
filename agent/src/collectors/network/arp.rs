//! ARP entries, by rtnetlink(7) or from `/proc/net/arp`: see proc_pid_net(5). Read by hand: the procfs crate refuses the
//! 20-byte hardware addresses of InfiniBand.

use crate::{collectors::prelude::*, source::netlink};
use std::collections::BTreeMap;

metrics! {
    ENTRIES: Gauge "node_arp_entries" ["device"], "Neighbours of each interface in the ARP table.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to show.
        device_include: Option<Pattern> = "",
        /// Interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Asks the kernel by rtnetlink; false: reads /proc/net/arp. In a container whose network is not the host's the
        /// file is read where the host's network cannot be entered.
        netlink: bool = true,
    }
}

pub(super) struct Arp {
    filter: Filter,
    socket: netlink::Socket,
    /// Instead of the socket.
    file: Option<File>,
    by_index: Vec<(u32, u64)>,
    by_name: BTreeMap<Vec<u8>, u64>,
}

impl Spec for Arp {
    const SUMMARY: &'static str =
        "Entries of the ARP table by interface, by rtnetlink or from /proc/net/arp.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let socket = config.netlink.then(|| host.netlink(netlink::Socket::route()).ok()).flatten();
        Ok(Self {
            filter: Filter::new(config.device_include, config.device_exclude),
            file: socket.is_none().then(|| host.net("arp")),
            socket: socket.unwrap_or_else(netlink::Socket::route),
            by_index: Vec::new(),
            by_name: BTreeMap::new(),
        })
    }
}

impl Collector for Arp {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { filter, socket, file, by_index, by_name } = self;
        let errors = FirstError::default();
        by_name.clear();
        match file {
            None => {
                netlink::count_arp_entries(socket, by_index)?;
                for &(index, n_entries) in by_index.iter() {
                    let name = netlink::interface_name(socket, index)?;
                    by_name.extend(name.map(|name| (name, n_entries)));
                }
            }
            Some(file) => {
                let parsed = file.parse_lines("the table's header or 6 columns", |_, line| {
                    if let Some(device) = parse_line(line)? {
                        *by_name.entry(device.to_owned()).or_default() += 1;
                    }
                    Some(())
                });
                errors.ok(parsed);
            }
        }
        for (device, n_entries) in by_name.iter().filter(|(device, _)| filter.keeps(device)) {
            out.push(ENTRIES, [device], *n_entries);
        }
        Ok(errors.end()?)
    }
}

/// The interface, or `None` for the header, whose columns have names of two words.
fn parse_line(line: &[u8]) -> Option<Option<&[u8]>> {
    let mut words = source::words(line);
    let device = words.nth(5);
    match (device, words.count()) {
        (Some(device), 0) => Some(Some(device)),
        (Some(_), 3) => Some(None),
        (None, _) if line.trim_ascii().is_empty() => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         cc:aa:dd:ee:aa:bb     *        eth0
192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        eth1
192.168.1.3      0x1         0x2         dd:cc:dd:ee:aa:bb     *        eth0
10.0.0.1         0x20        0x2         80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01     *        ib0
";

    #[test]
    fn counts_the_entries_of_each_interface() {
        check::<Arp>(
            "netlink = false",
            &[("proc/net/arp", TABLE)],
            expect![[r##"
            # HELP node_arp_entries Neighbours of each interface in the ARP table.
            # TYPE node_arp_entries gauge
            node_arp_entries{device="eth0"} 2
            node_arp_entries{device="eth1"} 1
            node_arp_entries{device="ib0"} 1
        "##]],
        );
    }

    #[test]
    fn interfaces_can_be_left_out() {
        let section = "netlink = false\ndevice_include = \"eth\"\ndevice_exclude = \"0\"";
        check::<Arp>(
            section,
            &[("proc/net/arp", TABLE)],
            expect![[r##"
            # HELP node_arp_entries Neighbours of each interface in the ARP table.
            # TYPE node_arp_entries gauge
            node_arp_entries{device="eth1"} 1
        "##]],
        );
    }

    #[test]
    fn an_empty_table_gives_no_samples() {
        check::<Arp>("netlink = false", &[("proc/net/arp", TABLE.lines().next().unwrap())], expect![[""]]);
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        check_error::<Arp>(
            "netlink = false",
            &[("proc/net/arp", "192.168.1.1      0x1         0x2         cc:aa:dd:ee:aa:bb     *\n")],
            expect!["parse proc/net/arp, line 1: expected the table's header or 6 columns"],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Arp>(
            "netlink = false",
            &[],
            expect!["read proc/net/arp: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Arp>("netlink = false", &[("proc/net/arp", TABLE)]);
    }
}
