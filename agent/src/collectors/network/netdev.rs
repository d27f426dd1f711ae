//! Traffic of network interfaces, by rtnetlink(7) or from `/proc/net/dev`, which adds some counters up. Both give what
//! the driver counts; see `Documentation/networking/statistics.rst` of the kernel for the exact meaning of each.

mod addresses;
mod traffic;

use crate::{
    collectors::prelude::*,
    source::{
        netlink::{self, Link, LinkName},
        proc::net_dev,
    },
};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};
use traffic::{
    Names::{Long, LongOfFile, Short},
    Traffic,
};

metrics! {
    ADDRESS: Gauge "node_network_address_info" ["device", "address", "netmask", "scope"], "1 for each address of each interface; netmask is the number of bits of the network, scope is global, link-local, interface-local or empty.";

    |it: &Traffic| ["device"];
    Counter "node_network_collisions_total" = it.named(&[Long], it.stats.collisions), "Collisions during transmission.";
    Counter "node_network_multicast_total" = it.named(&[Long], it.stats.multicast), "Multicast packets received.";
    Counter "node_network_receive_bytes_total" = it.stats.rx_bytes, "Bytes received.";
    Counter "node_network_receive_compressed_total" = it.stats.rx_compressed, "Compressed packets received, by the few drivers that know of them.";
    Counter "node_network_receive_crc_errors_total" = it.named(&[Long], it.stats.rx_crc_errors), "Packets received with a wrong checksum of the link layer.";
    Counter "node_network_receive_drop_total" = it.named(&[Short], it.dropped_or_missed()), "Packets received and dropped because there was no room or no program wanted them.";
    Counter "node_network_receive_dropped_total" = it.named(&[Long, LongOfFile], it.stats.rx_dropped), "Packets received and not processed, because memory was short or no program wanted them.";
    Counter "node_network_receive_errors_total" = it.named(&[Long, LongOfFile], it.stats.rx_errors), "Bad packets received.";
    Counter "node_network_receive_errs_total" = it.named(&[Short], it.stats.rx_errors), "Bad packets received.";
    Counter "node_network_receive_fifo_errors_total" = it.named(&[Long], it.stats.rx_fifo_errors), "Packets lost because the receive queue overran.";
    Counter "node_network_receive_fifo_total" = it.named(&[Short, LongOfFile], it.stats.rx_fifo_errors), "Packets lost because the receive queue overran.";
    Counter "node_network_receive_frame_errors_total" = it.named(&[Long], it.stats.rx_frame_errors), "Packets received with a frame of the wrong alignment.";
    Counter "node_network_receive_frame_total" = it.named(&[Short, LongOfFile], it.frame_errors()), "Packets received whose frame was wrong in length, checksum or alignment, or too long for the queue.";
    Counter "node_network_receive_length_errors_total" = it.named(&[Long], it.stats.rx_length_errors), "Packets received and dropped for their length.";
    Counter "node_network_receive_missed_errors_total" = it.named(&[Long], it.stats.rx_missed_errors), "Packets that the device missed because its buffers were full.";
    Counter "node_network_receive_multicast_total" = it.named(&[Short, LongOfFile], it.stats.multicast), "Multicast packets received.";
    Counter "node_network_receive_nohandler_total" = it.stats.rx_nohandler, "Packets received and dropped on an inactive device, such as the backup of a bond.";
    Counter "node_network_receive_over_errors_total" = it.named(&[Long], it.stats.rx_over_errors), "Packets lost because the receiver overran.";
    Counter "node_network_receive_packets_total" = it.stats.rx_packets, "Packets received.";
    Counter "node_network_transmit_aborted_errors_total" = it.named(&[Long], it.stats.tx_aborted_errors), "Transmissions that the device aborted.";
    Counter "node_network_transmit_bytes_total" = it.stats.tx_bytes, "Bytes sent.";
    Counter "node_network_transmit_carrier_errors_total" = it.named(&[Long], it.stats.tx_carrier_errors), "Transmissions that failed for loss of carrier.";
    Counter "node_network_transmit_carrier_total" = it.named(&[Short, LongOfFile], it.carrier_errors()), "Transmissions that failed: carrier lost, aborted, no heartbeat, or too late.";
    Counter "node_network_transmit_colls_total" = it.named(&[Short, LongOfFile], it.stats.collisions), "Collisions during transmission.";
    Counter "node_network_transmit_compressed_total" = it.stats.tx_compressed, "Compressed packets sent, by the few drivers that know of them.";
    Counter "node_network_transmit_drop_total" = it.named(&[Short], it.stats.tx_dropped), "Packets dropped on their way out.";
    Counter "node_network_transmit_dropped_total" = it.named(&[Long, LongOfFile], it.stats.tx_dropped), "Packets dropped on their way out.";
    Counter "node_network_transmit_errors_total" = it.named(&[Long, LongOfFile], it.stats.tx_errors), "Packets that could not be sent.";
    Counter "node_network_transmit_errs_total" = it.named(&[Short], it.stats.tx_errors), "Packets that could not be sent.";
    Counter "node_network_transmit_fifo_errors_total" = it.named(&[Long], it.stats.tx_fifo_errors), "Packets lost because the send queue ran out.";
    Counter "node_network_transmit_fifo_total" = it.named(&[Short, LongOfFile], it.stats.tx_fifo_errors), "Packets lost because the send queue ran out.";
    Counter "node_network_transmit_heartbeat_errors_total" = it.named(&[Long], it.stats.tx_heartbeat_errors), "Transmissions without a heartbeat.";
    Counter "node_network_transmit_packets_total" = it.stats.tx_packets, "Packets sent.";
    Counter "node_network_transmit_window_errors_total" = it.named(&[Long], it.stats.tx_window_errors), "Transmissions that failed for a late collision.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to show; cannot be given together with device_exclude.
        device_include: Option<Pattern> = "",
        /// Interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Asks the kernel by rtnetlink; false: reads /proc/net/dev. In a container whose network is not the host's
        /// the file is read where the host's network cannot be entered.
        netlink: bool = true,
        /// Shows the addresses of all interfaces, too.
        address_info: bool = false,
        /// Shows more counters, some under other names: those of the kernel, not of /proc/net/dev.
        enable_detailed_metrics: bool = false,
        /// Adds the label ifalias: what an administrator calls the interface.
        label_ifalias: bool = false,
    }
}

pub(super) struct Netdev {
    config: Config,
    filter: Filter,
    socket: netlink::Socket,
    /// Instead of the socket.
    file: Option<File>,
    interfaces: Vec<Traffic>,
    sysfs: PathBuf,
}

impl Spec for Netdev {
    const SUMMARY: &'static str =
        "Bytes, packets and errors of network interfaces, by rtnetlink or from /proc/net/dev.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let (socket, is_foreign) = match host.netlink(netlink::Socket::route()) {
            Ok(socket) => (socket, false),
            Err(foreign) if config.address_info => return Err(foreign.into()),
            Err(_) => (netlink::Socket::route(), true),
        };
        Ok(Self {
            filter: Filter::either(config.device_include.clone(), config.device_exclude.clone(), "")?,
            socket,
            file: (is_foreign || !config.netlink).then(|| host.net("dev")),
            interfaces: Vec::new(),
            sysfs: host.sys("class/net"),
            config,
        })
    }
}

impl Collector for Netdev {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        errors.ok(self.read_interfaces());
        for it in self.interfaces.iter().filter(|it| self.filter.keeps(&*it.name)) {
            if self.config.label_ifalias {
                let device = label_text(&it.name);
                let alias = errors.ok(self.alias(&it.name)).unwrap_or_default();
                let labels = [("device", device.as_str()), ("ifalias", alias.as_str())];
                for_each_row(it, |desc, value| out.push_labelled(desc, &labels, value));
            } else {
                push_rows(it, [&*it.name], out);
            }
        }
        if self.config.address_info {
            errors.ok(addresses::push(&mut self.socket, out));
        }
        Ok(errors.end()?)
    }
}

impl Netdev {
    /// Fills `interfaces`, in the order of their names.
    fn read_interfaces(&mut self) -> Result<(), source::Error> {
        let read = match &mut self.file {
            None => {
                let names = if self.config.enable_detailed_metrics { Long } else { Short };
                Link::dump(&mut self.socket, &mut self.interfaces, |link| {
                    let name = LinkName::new(link.name);
                    Some(Traffic { name, stats: link.stats?, names })
                })
            }
            Some(file) => {
                let names = if self.config.enable_detailed_metrics { LongOfFile } else { Short };
                self.interfaces.clear();
                file.parse_lines("`name:` and 16 numbers", |_, line| {
                    if net_dev::is_heading(line) {
                        return Some(());
                    }
                    let (name, stats, is_whole) = net_dev::parse_line(line)?;
                    let name = LinkName::new(name);
                    self.interfaces.push(Traffic { name, stats, names });
                    is_whole.then_some(())
                })
            }
        };
        self.interfaces.sort_unstable_by_key(|it| it.name);
        self.interfaces.dedup_by_key(|it| it.name);
        read
    }

    /// What the interface is called beside its name.
    fn alias(&self, name: &[u8]) -> Result<String, source::Error> {
        let folder = Folder::open(self.sysfs.join(OsStr::from_bytes(name)))?;
        let alias = folder.map(|it| it.value("ifalias")).transpose();
        match alias {
            Ok(alias) => Ok(alias.flatten().map_or_else(String::new, |it| it.to_text())),
            // The interface is gone.
            Err(error) if error.is_no_value() => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    const FILE: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   11       1    0    0    0     0          0         0       11       1    0    0    0     0       0          0
  eth0:18446744073709551615 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116
";

    #[test]
    fn gives_the_counters_of_the_file() {
        check::<Netdev>(
            "netlink = false\ndevice_exclude = \"lo\"",
            &[("proc/net/dev", FILE)],
            expect![[r##"
            # HELP node_network_receive_bytes_total Bytes received.
            # TYPE node_network_receive_bytes_total counter
            node_network_receive_bytes_total{device="eth0"} 1.8446744073709552e+19
            # HELP node_network_receive_compressed_total Compressed packets received, by the few drivers that know of them.
            # TYPE node_network_receive_compressed_total counter
            node_network_receive_compressed_total{device="eth0"} 107
            # HELP node_network_receive_drop_total Packets received and dropped because there was no room or no program wanted them.
            # TYPE node_network_receive_drop_total counter
            node_network_receive_drop_total{device="eth0"} 104
            # HELP node_network_receive_errs_total Bad packets received.
            # TYPE node_network_receive_errs_total counter
            node_network_receive_errs_total{device="eth0"} 103
            # HELP node_network_receive_fifo_total Packets lost because the receive queue overran.
            # TYPE node_network_receive_fifo_total counter
            node_network_receive_fifo_total{device="eth0"} 105
            # HELP node_network_receive_frame_total Packets received whose frame was wrong in length, checksum or alignment, or too long for the queue.
            # TYPE node_network_receive_frame_total counter
            node_network_receive_frame_total{device="eth0"} 106
            # HELP node_network_receive_multicast_total Multicast packets received.
            # TYPE node_network_receive_multicast_total counter
            node_network_receive_multicast_total{device="eth0"} 108
            # HELP node_network_receive_packets_total Packets received.
            # TYPE node_network_receive_packets_total counter
            node_network_receive_packets_total{device="eth0"} 102
            # HELP node_network_transmit_bytes_total Bytes sent.
            # TYPE node_network_transmit_bytes_total counter
            node_network_transmit_bytes_total{device="eth0"} 109
            # HELP node_network_transmit_carrier_total Transmissions that failed: carrier lost, aborted, no heartbeat, or too late.
            # TYPE node_network_transmit_carrier_total counter
            node_network_transmit_carrier_total{device="eth0"} 115
            # HELP node_network_transmit_colls_total Collisions during transmission.
            # TYPE node_network_transmit_colls_total counter
            node_network_transmit_colls_total{device="eth0"} 114
            # HELP node_network_transmit_compressed_total Compressed packets sent, by the few drivers that know of them.
            # TYPE node_network_transmit_compressed_total counter
            node_network_transmit_compressed_total{device="eth0"} 116
            # HELP node_network_transmit_drop_total Packets dropped on their way out.
            # TYPE node_network_transmit_drop_total counter
            node_network_transmit_drop_total{device="eth0"} 112
            # HELP node_network_transmit_errs_total Packets that could not be sent.
            # TYPE node_network_transmit_errs_total counter
            node_network_transmit_errs_total{device="eth0"} 111
            # HELP node_network_transmit_fifo_total Packets lost because the send queue ran out.
            # TYPE node_network_transmit_fifo_total counter
            node_network_transmit_fifo_total{device="eth0"} 113
            # HELP node_network_transmit_packets_total Packets sent.
            # TYPE node_network_transmit_packets_total counter
            node_network_transmit_packets_total{device="eth0"} 110
        "##]],
        );
    }

    #[test]
    fn detailed_names_are_for_what_the_file_does_not_add_up() {
        check::<Netdev>(
            "netlink = false\nenable_detailed_metrics = true\ndevice_include = \"lo\"",
            &[("proc/net/dev", FILE)],
            expect![[r##"
                # HELP node_network_receive_bytes_total Bytes received.
                # TYPE node_network_receive_bytes_total counter
                node_network_receive_bytes_total{device="lo"} 11
                # HELP node_network_receive_compressed_total Compressed packets received, by the few drivers that know of them.
                # TYPE node_network_receive_compressed_total counter
                node_network_receive_compressed_total{device="lo"} 0
                # HELP node_network_receive_dropped_total Packets received and not processed, because memory was short or no program wanted them.
                # TYPE node_network_receive_dropped_total counter
                node_network_receive_dropped_total{device="lo"} 0
                # HELP node_network_receive_errors_total Bad packets received.
                # TYPE node_network_receive_errors_total counter
                node_network_receive_errors_total{device="lo"} 0
                # HELP node_network_receive_fifo_total Packets lost because the receive queue overran.
                # TYPE node_network_receive_fifo_total counter
                node_network_receive_fifo_total{device="lo"} 0
                # HELP node_network_receive_frame_total Packets received whose frame was wrong in length, checksum or alignment, or too long for the queue.
                # TYPE node_network_receive_frame_total counter
                node_network_receive_frame_total{device="lo"} 0
                # HELP node_network_receive_multicast_total Multicast packets received.
                # TYPE node_network_receive_multicast_total counter
                node_network_receive_multicast_total{device="lo"} 0
                # HELP node_network_receive_packets_total Packets received.
                # TYPE node_network_receive_packets_total counter
                node_network_receive_packets_total{device="lo"} 1
                # HELP node_network_transmit_bytes_total Bytes sent.
                # TYPE node_network_transmit_bytes_total counter
                node_network_transmit_bytes_total{device="lo"} 11
                # HELP node_network_transmit_carrier_total Transmissions that failed: carrier lost, aborted, no heartbeat, or too late.
                # TYPE node_network_transmit_carrier_total counter
                node_network_transmit_carrier_total{device="lo"} 0
                # HELP node_network_transmit_colls_total Collisions during transmission.
                # TYPE node_network_transmit_colls_total counter
                node_network_transmit_colls_total{device="lo"} 0
                # HELP node_network_transmit_compressed_total Compressed packets sent, by the few drivers that know of them.
                # TYPE node_network_transmit_compressed_total counter
                node_network_transmit_compressed_total{device="lo"} 0
                # HELP node_network_transmit_dropped_total Packets dropped on their way out.
                # TYPE node_network_transmit_dropped_total counter
                node_network_transmit_dropped_total{device="lo"} 0
                # HELP node_network_transmit_errors_total Packets that could not be sent.
                # TYPE node_network_transmit_errors_total counter
                node_network_transmit_errors_total{device="lo"} 0
                # HELP node_network_transmit_fifo_total Packets lost because the send queue ran out.
                # TYPE node_network_transmit_fifo_total counter
                node_network_transmit_fifo_total{device="lo"} 0
                # HELP node_network_transmit_packets_total Packets sent.
                # TYPE node_network_transmit_packets_total counter
                node_network_transmit_packets_total{device="lo"} 1
            "##]],
        );
    }

    #[test]
    fn an_alias_is_a_label() {
        let files = [
            ("proc/net/dev", FILE),
            ("sys/class/net/eth0/ifalias", "uplink \"a\"\n"),
            ("sys/class/net/lo/", ""),
        ];
        check::<Netdev>(
            "netlink = false\nlabel_ifalias = true",
            &files,
            expect![[r##"
            # HELP node_network_receive_bytes_total Bytes received.
            # TYPE node_network_receive_bytes_total counter
            node_network_receive_bytes_total{device="eth0",ifalias="uplink \"a\""} 1.8446744073709552e+19
            node_network_receive_bytes_total{device="lo",ifalias=""} 11
            # HELP node_network_receive_compressed_total Compressed packets received, by the few drivers that know of them.
            # TYPE node_network_receive_compressed_total counter
            node_network_receive_compressed_total{device="eth0",ifalias="uplink \"a\""} 107
            node_network_receive_compressed_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_drop_total Packets received and dropped because there was no room or no program wanted them.
            # TYPE node_network_receive_drop_total counter
            node_network_receive_drop_total{device="eth0",ifalias="uplink \"a\""} 104
            node_network_receive_drop_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_errs_total Bad packets received.
            # TYPE node_network_receive_errs_total counter
            node_network_receive_errs_total{device="eth0",ifalias="uplink \"a\""} 103
            node_network_receive_errs_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_fifo_total Packets lost because the receive queue overran.
            # TYPE node_network_receive_fifo_total counter
            node_network_receive_fifo_total{device="eth0",ifalias="uplink \"a\""} 105
            node_network_receive_fifo_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_frame_total Packets received whose frame was wrong in length, checksum or alignment, or too long for the queue.
            # TYPE node_network_receive_frame_total counter
            node_network_receive_frame_total{device="eth0",ifalias="uplink \"a\""} 106
            node_network_receive_frame_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_multicast_total Multicast packets received.
            # TYPE node_network_receive_multicast_total counter
            node_network_receive_multicast_total{device="eth0",ifalias="uplink \"a\""} 108
            node_network_receive_multicast_total{device="lo",ifalias=""} 0
            # HELP node_network_receive_packets_total Packets received.
            # TYPE node_network_receive_packets_total counter
            node_network_receive_packets_total{device="eth0",ifalias="uplink \"a\""} 102
            node_network_receive_packets_total{device="lo",ifalias=""} 1
            # HELP node_network_transmit_bytes_total Bytes sent.
            # TYPE node_network_transmit_bytes_total counter
            node_network_transmit_bytes_total{device="eth0",ifalias="uplink \"a\""} 109
            node_network_transmit_bytes_total{device="lo",ifalias=""} 11
            # HELP node_network_transmit_carrier_total Transmissions that failed: carrier lost, aborted, no heartbeat, or too late.
            # TYPE node_network_transmit_carrier_total counter
            node_network_transmit_carrier_total{device="eth0",ifalias="uplink \"a\""} 115
            node_network_transmit_carrier_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_colls_total Collisions during transmission.
            # TYPE node_network_transmit_colls_total counter
            node_network_transmit_colls_total{device="eth0",ifalias="uplink \"a\""} 114
            node_network_transmit_colls_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_compressed_total Compressed packets sent, by the few drivers that know of them.
            # TYPE node_network_transmit_compressed_total counter
            node_network_transmit_compressed_total{device="eth0",ifalias="uplink \"a\""} 116
            node_network_transmit_compressed_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_drop_total Packets dropped on their way out.
            # TYPE node_network_transmit_drop_total counter
            node_network_transmit_drop_total{device="eth0",ifalias="uplink \"a\""} 112
            node_network_transmit_drop_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_errs_total Packets that could not be sent.
            # TYPE node_network_transmit_errs_total counter
            node_network_transmit_errs_total{device="eth0",ifalias="uplink \"a\""} 111
            node_network_transmit_errs_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_fifo_total Packets lost because the send queue ran out.
            # TYPE node_network_transmit_fifo_total counter
            node_network_transmit_fifo_total{device="eth0",ifalias="uplink \"a\""} 113
            node_network_transmit_fifo_total{device="lo",ifalias=""} 0
            # HELP node_network_transmit_packets_total Packets sent.
            # TYPE node_network_transmit_packets_total counter
            node_network_transmit_packets_total{device="eth0",ifalias="uplink \"a\""} 110
            node_network_transmit_packets_total{device="lo",ifalias=""} 1
        "##]],
        );
    }

    #[test]
    fn names_a_line_that_is_cut() {
        check_error::<Netdev>(
            "netlink = false",
            &[("proc/net/dev", "Inter-|\n face |\n  a: 1\n")],
            expect![[r##"
                # HELP node_network_receive_bytes_total Bytes received.
                # TYPE node_network_receive_bytes_total counter
                node_network_receive_bytes_total{device="a"} 1
                parse proc/net/dev, line 3: expected `name:` and 16 numbers"##]],
        );
    }

    #[test]
    fn a_word_that_is_no_count_costs_one_value() {
        for (word, is_fine) in [("-3", true), ("18446744073709551616", true), ("x", false)] {
            let lost = "node_network_receive_errs_total{device=\"eth0\"} 103";
            assert_eq!(
                costs::<Netdev>("netlink = false", ("proc/net/dev", FILE), ("103", word), lost),
                is_fine,
                "{word}"
            );
        }
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Netdev>(
            "netlink = false",
            &[],
            expect!["read proc/net/dev: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn refuses_two_filters_that_contradict() {
        check_error::<Netdev>(
            "device_include = \"a\"\ndevice_exclude = \"b\"",
            &[],
            expect!["an include and an exclude pattern cannot be combined here"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Netdev>("netlink = false", &[("proc/net/dev", FILE)]);
    }
}
