//! `/sys/class/fc_host`: ports of Fibre Channel host bus adapters. See drivers/scsi/scsi_transport_fc.c of the kernel.

use crate::{collectors::prelude::*, source::Attributes};
use std::path::PathBuf;

metrics! {
    INFO: Gauge "node_fibrechannel_info" ["fc_host", "speed", "port_state", "port_type", "port_id", "port_name", "fabric_name", "symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo"], "What a Fibre Channel port says of itself; always 1.";

    |it: &Statistics<'_>| ["fc_host"];
    Counter "node_fibrechannel_dumped_frames_total" = it.get("dumped_frames"), "Frames dumped.";
    Counter "node_fibrechannel_error_frames_total" = it.get("error_frames"), "Frames with errors.";
    Counter "node_fibrechannel_invalid_crc_total" = it.get("invalid_crc_count"), "Frames with a wrong checksum.";
    Counter "node_fibrechannel_rx_frames_total" = it.get("rx_frames"), "Frames received.";
    Counter "node_fibrechannel_rx_words_total" = it.get("rx_words"), "Words of 4 bytes received.";
    Counter "node_fibrechannel_tx_frames_total" = it.get("tx_frames"), "Frames sent.";
    Counter "node_fibrechannel_tx_words_total" = it.get("tx_words"), "Words of 4 bytes sent.";
    Counter "node_fibrechannel_seconds_since_last_reset_total" = it.get("seconds_since_last_reset"), "Seconds since these counters were reset.";
    Counter "node_fibrechannel_invalid_tx_words_total" = it.get("invalid_tx_word_count"), "Transmission words that were invalid.";
    Counter "node_fibrechannel_link_failure_total" = it.get("link_failure_count"), "Failures of the link.";
    Counter "node_fibrechannel_loss_of_sync_total" = it.get("loss_of_sync_count"), "Losses of synchronisation.";
    Counter "node_fibrechannel_loss_of_signal_total" = it.get("loss_of_signal_count"), "Losses of the signal.";
    Counter "node_fibrechannel_nos_total" = it.get("nos_count"), "Primitive sequences that said: not operational.";
    Counter "node_fibrechannel_fcp_packet_aborts_total" = it.get("fcp_packet_aborts"), "SCSI packets aborted.";
}

pub(super) struct Fibrechannel(PathBuf);

impl Spec for Fibrechannel {
    const SUMMARY: &'static str = "Frames and errors of Fibre Channel ports, from /sys/class/fc_host.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.sys("class/fc_host")))
    }
}

impl Collector for Fibrechannel {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.0)? else {
            return Err(Error::Absent(format!("{} does not exist", self.0.display())));
        };
        let pushed = class.for_each_folder(
            |_| true,
            |host, folder| {
                let info = push_info(host, folder, out);
                let statistics = folder.folder("statistics").and_then(|it| match it {
                    Some(folder) => push_statistics(host, &folder, out),
                    None => Ok(()),
                });
                info.and(statistics)
            },
        );
        Ok(pushed?)
    }
}

fn push_statistics(host: &str, folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let statistics = Statistics(folder.attributes()?);
    push_rows(&statistics, [host], out);
    statistics.0.end()
}

/// What a driver does not say stays empty.
fn push_info(host: &str, folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let attributes = folder.attributes()?;
    let text = |name| attributes.value(name).map(|it| label_text(&it)).unwrap_or_default();
    let address = |name| {
        let text = text(name);
        // The `0x` of an address.
        text.strip_prefix("0x").filter(|it| !it.is_empty()).map_or_else(|| text.clone(), str::to_owned)
    };
    let (speed, state, kind) = (text("speed"), text("port_state"), text("port_type"));
    let [id, name, fabric] = ["port_id", "port_name", "fabric_name"].map(address);
    let [symbolic, classes, speeds, timeout] =
        ["symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo"].map(text);
    let labels = (host, &speed, &state, &kind, &id, &name, &fabric, &symbolic, &classes, &speeds, &timeout);
    out.push(INFO, labels, 1);
    attributes.end()
}

struct Statistics<'a>(Attributes<'a>);

impl Statistics<'_> {
    /// `None` for what the adapter does not count, which it says by all ones.
    fn get(&self, name: &str) -> Option<u64> {
        self.0.unsigned(name).filter(|&it| it != u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: [(&str, &str); 7] = [
        ("sys/class/fc_host/host0/port_state", "Online\n"),
        ("sys/class/fc_host/host0/speed", "16 Gbit\n"),
        ("sys/class/fc_host/host0/port_id", "0x000002\n"),
        ("sys/class/fc_host/host0/fabric_name", "0x0\n"),
        ("sys/class/fc_host/host0/statistics/rx_frames", "0x3a\n"),
        ("sys/class/fc_host/host0/statistics/tx_frames", "0x5\n"),
        ("sys/class/fc_host/host0/statistics/dumped_frames", "0xffffffffffffffff\n"),
    ];

    #[test]
    fn shows_a_port_and_what_it_counts() {
        check::<Fibrechannel>(
            "",
            &HOST,
            expect![[r##"
            # HELP node_fibrechannel_info What a Fibre Channel port says of itself; always 1.
            # TYPE node_fibrechannel_info gauge
            node_fibrechannel_info{dev_loss_tmo="",fabric_name="0",fc_host="host0",port_id="000002",port_name="",port_state="Online",port_type="",speed="16 Gbit",supported_classes="",supported_speeds="",symbolic_name=""} 1
            # HELP node_fibrechannel_rx_frames_total Frames received.
            # TYPE node_fibrechannel_rx_frames_total counter
            node_fibrechannel_rx_frames_total{fc_host="host0"} 58
            # HELP node_fibrechannel_tx_frames_total Frames sent.
            # TYPE node_fibrechannel_tx_frames_total counter
            node_fibrechannel_tx_frames_total{fc_host="host0"} 5
        "##]],
        );
    }

    #[test]
    fn a_port_without_statistics_has_none() {
        check::<Fibrechannel>(
            "",
            &[("sys/class/fc_host/host1/speed", "8 Gbit\n")],
            expect![[r##"
            # HELP node_fibrechannel_info What a Fibre Channel port says of itself; always 1.
            # TYPE node_fibrechannel_info gauge
            node_fibrechannel_info{dev_loss_tmo="",fabric_name="",fc_host="host1",port_id="",port_name="",port_state="",port_type="",speed="8 Gbit",supported_classes="",supported_speeds="",symbolic_name=""} 1
        "##]],
        );
    }

    #[test]
    fn a_host_without_ports_is_no_failure() {
        check_error::<Fibrechannel>("", &[], expect!["not on this host: sys/class/fc_host does not exist"]);
    }

    #[test]
    fn refuses_a_count_that_is_no_number() {
        check_error::<Fibrechannel>(
            "",
            &[("sys/class/fc_host/host1/statistics/rx_words", "0x10000000000000000\n")],
            expect![[r##"
            # HELP node_fibrechannel_info What a Fibre Channel port says of itself; always 1.
            # TYPE node_fibrechannel_info gauge
            node_fibrechannel_info{dev_loss_tmo="",fabric_name="",fc_host="host1",port_id="",port_name="",port_state="",port_type="",speed="",supported_classes="",supported_speeds="",symbolic_name=""} 1
            parse sys/class/fc_host/host1/statistics/rx_words, line 1: expected a number, found `0x10000000000000000`"##]],
        );
    }

    #[test]
    fn a_port_that_does_not_know_its_speed_is_a_port() {
        check_errno::<Fibrechannel>(
            &HOST[..5],
            ("sys/class/fc_host/host0/speed", Errno::INVAL),
            expect![[r##"
                # HELP node_fibrechannel_info What a Fibre Channel port says of itself; always 1.
                # TYPE node_fibrechannel_info gauge
                node_fibrechannel_info{dev_loss_tmo="",fabric_name="0",fc_host="host0",port_id="000002",port_name="",port_state="Online",port_type="",speed="",supported_classes="",supported_speeds="",symbolic_name=""} 1
                # HELP node_fibrechannel_rx_frames_total Frames received.
                # TYPE node_fibrechannel_rx_frames_total counter
                node_fibrechannel_rx_frames_total{fc_host="host0"} 58
            "##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Fibrechannel>("", &HOST);
    }
}
