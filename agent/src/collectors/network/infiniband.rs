//! InfiniBand and RDMA adapters: `Documentation/ABI/stable/sysfs-class-infiniband` of the kernel. Counters of data count
//! 4 bytes at a time, one for each lane of a link of four.

use crate::{collectors::prelude::*, source::prefixed_number};
use std::{io::ErrorKind, path::PathBuf};

metrics! {
    INFO: Gauge "node_infiniband_info" ["device", "board_id", "firmware_version", "hca_type"], "1 for each adapter.";

    |it: &Port<'_>| ["device", "port"];
    Counter "node_infiniband_duplicate_requests_packets_total" = it.counter("hw_counters/duplicate_request"), "Requests that were duplicates.";
    Counter "node_infiniband_excessive_buffer_overrun_errors_total" = it.counter("counters/excessive_buffer_overrun_errors"), "Times that the receive buffers overran for longer than allowed.";
    Counter "node_infiniband_implied_nak_seq_errors_total" = it.counter("hw_counters/implied_nak_seq_err"), "Acknowledgements out of order that imply a lost packet.";
    Counter "node_infiniband_legacy_data_received_bytes_total" = it.lanes("counters_ext/port_rcv_data_64"), "Bytes received, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_data_transmitted_bytes_total" = it.lanes("counters_ext/port_xmit_data_64"), "Bytes sent, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_multicast_packets_received_total" = it.counter("counters_ext/port_multicast_rcv_packets"), "Multicast packets received, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_multicast_packets_transmitted_total" = it.counter("counters_ext/port_multicast_xmit_packets"), "Multicast packets sent, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_packets_received_total" = it.counter("counters_ext/port_rcv_packets_64"), "Packets received, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_packets_transmitted_total" = it.counter("counters_ext/port_xmit_packets_64"), "Packets sent, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_unicast_packets_received_total" = it.counter("counters_ext/port_unicast_rcv_packets"), "Unicast packets received, from the 64-bit counters of kernels before 4.5.";
    Counter "node_infiniband_legacy_unicast_packets_transmitted_total" = it.counter("counters_ext/port_unicast_xmit_packets"), "Unicast packets sent, from the 64-bit counters of kernels before 4.5.";
    Gauge "node_infiniband_lifespan_seconds" = it.counter("hw_counters/lifespan").map(|it| it / 1000), "How long the driver keeps counters before it asks the device again, in whole seconds.";
    Counter "node_infiniband_link_downed_total" = it.counter("counters/link_downed"), "Times that the link could not be recovered and went down.";
    Counter "node_infiniband_link_error_recovery_total" = it.counter("counters/link_error_recovery"), "Times that the link recovered from an error.";
    Counter "node_infiniband_local_ack_timeout_errors_total" = it.counter("hw_counters/local_ack_timeout_err"), "Times that an acknowledgement did not come in time.";
    Counter "node_infiniband_local_link_integrity_errors_total" = it.counter("counters/local_link_integrity_errors"), "Times that local physical errors exceeded what is allowed.";
    Counter "node_infiniband_multicast_packets_received_total" = it.counter("counters/multicast_rcv_packets"), "Multicast packets received, those with errors included.";
    Counter "node_infiniband_multicast_packets_transmitted_total" = it.counter("counters/multicast_xmit_packets"), "Multicast packets sent, those with errors included.";
    Counter "node_infiniband_np_cnp_packets_sent_total" = it.counter("hw_counters/np_cnp_sent"), "Congestion notifications sent.";
    Counter "node_infiniband_np_ecn_marked_roce_packets_received_total" = it.counter("hw_counters/np_ecn_marked_roce_packets"), "Packets received that tell of congestion.";
    Counter "node_infiniband_out_of_buffer_drops_total" = it.counter("hw_counters/out_of_buffer"), "Packets dropped because no receive buffer was free.";
    Counter "node_infiniband_out_of_sequence_packets_received_total" = it.counter("hw_counters/out_of_sequence"), "Packets received out of order.";
    Counter "node_infiniband_packet_sequence_errors_total" = it.counter("hw_counters/packet_seq_err"), "Notices received that a packet was out of order.";
    Gauge "node_infiniband_physical_state_id" = it.state("phys_state"), "Physical state of the port: 0 no change, 1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 link error recovery, 7 test.";
    Counter "node_infiniband_port_constraint_errors_received_total" = it.counter("counters/port_rcv_constraint_errors"), "Packets received and discarded by a rule of the switch.";
    Counter "node_infiniband_port_constraint_errors_transmitted_total" = it.counter("counters/port_xmit_constraint_errors"), "Packets not sent because of a rule of the switch.";
    Counter "node_infiniband_port_data_received_bytes_total" = it.lanes("counters/port_rcv_data"), "Bytes received on all lanes.";
    Counter "node_infiniband_port_data_transmitted_bytes_total" = it.lanes("counters/port_xmit_data"), "Bytes sent on all lanes.";
    Counter "node_infiniband_port_discards_received_total" = it.counter("counters/port_rcv_discards"), "Packets received and discarded because the port was down or congested.";
    Counter "node_infiniband_port_discards_transmitted_total" = it.counter("counters/port_xmit_discards"), "Packets to be sent and discarded because the port was down or congested.";
    Counter "node_infiniband_port_errors_received_total" = it.counter("counters/port_rcv_errors"), "Packets received with an error.";
    Counter "node_infiniband_port_packets_received_total" = it.counter("counters/port_rcv_packets"), "Packets received, those with errors included.";
    Counter "node_infiniband_port_packets_transmitted_total" = it.counter("counters/port_xmit_packets"), "Packets sent, those with errors included.";
    Counter "node_infiniband_port_receive_remote_physical_errors_total" = it.counter("counters/port_rcv_remote_physical_errors"), "Packets received that another device marked as bad.";
    Counter "node_infiniband_port_receive_switch_relay_errors_total" = it.counter("counters/port_rcv_switch_relay_errors"), "Packets received that the switch could not pass on.";
    Counter "node_infiniband_port_transmit_wait_total" = it.counter("counters/port_xmit_wait"), "Ticks in which there was data to send and none could be sent.";
    Gauge "node_infiniband_rate_bytes_per_second" = it.rate(), "Speed of the link, in bytes per second.";
    Counter "node_infiniband_req_cqes_errors_total" = it.counter("hw_counters/req_cqe_error"), "Requests that completed with an error.";
    Counter "node_infiniband_req_cqes_flush_errors_total" = it.counter("hw_counters/req_cqe_flush_error"), "Requests that completed with an error because they were flushed.";
    Counter "node_infiniband_req_remote_access_errors_total" = it.counter("hw_counters/req_remote_access_errors"), "Requests that the other side refused access to.";
    Counter "node_infiniband_req_remote_invalid_request_errors_total" = it.counter("hw_counters/req_remote_invalid_request"), "Requests that the other side found invalid.";
    Counter "node_infiniband_resp_cqes_errors_total" = it.counter("hw_counters/resp_cqe_error"), "Answers that completed with an error.";
    Counter "node_infiniband_resp_cqes_flush_errors_total" = it.counter("hw_counters/resp_cqe_flush_error"), "Answers that completed with an error because they were flushed.";
    Counter "node_infiniband_resp_local_length_errors_total" = it.counter("hw_counters/resp_local_length_error"), "Requests received of a wrong length.";
    Counter "node_infiniband_resp_remote_access_errors_total" = it.counter("hw_counters/resp_remote_access_errors"), "Requests received that were refused access.";
    Counter "node_infiniband_rnr_nak_retry_packets_received_total" = it.counter("hw_counters/rnr_nak_retry_err"), "Notices received that the other side was not ready.";
    Counter "node_infiniband_roce_adp_retransmits_timeout_total" = it.counter("hw_counters/roce_adp_retrans_to"), "Adaptive retransmissions that timed out.";
    Counter "node_infiniband_roce_adp_retransmits_total" = it.counter("hw_counters/roce_adp_retrans"), "Adaptive retransmissions.";
    Counter "node_infiniband_roce_slow_restart_cnps_total" = it.counter("hw_counters/roce_slow_restart_cnps"), "Congestion notifications that slow restarts made.";
    Counter "node_infiniband_roce_slow_restart_total" = it.counter("hw_counters/roce_slow_restart_trans"), "Times that slow restart began.";
    Counter "node_infiniband_roce_slow_restart_used_total" = it.counter("hw_counters/roce_slow_restart"), "Times that slow restart was used.";
    Counter "node_infiniband_rp_cnp_ignored_packets_received_total" = it.counter("hw_counters/rp_cnp_ignored"), "Congestion notifications received and ignored.";
    Counter "node_infiniband_rp_cnp_packets_handled_total" = it.counter("hw_counters/rp_cnp_handled"), "Congestion notifications received and heeded.";
    Counter "node_infiniband_rx_atomic_requests_total" = it.counter("hw_counters/rx_atomic_requests"), "Atomic requests received.";
    Counter "node_infiniband_rx_dct_connect_requests_total" = it.counter("hw_counters/rx_dct_connect"), "Requests received to connect dynamically.";
    Counter "node_infiniband_rx_icrc_encapsulated_errors_total" = it.counter("hw_counters/rx_icrc_encapsulated"), "Packets received with a wrong checksum.";
    Counter "node_infiniband_rx_read_requests_total" = it.counter("hw_counters/rx_read_requests"), "Read requests received.";
    Counter "node_infiniband_rx_write_requests_total" = it.counter("hw_counters/rx_write_requests"), "Write requests received.";
    Gauge "node_infiniband_state_id" = it.state("state"), "State of the port: 0 no change, 1 down, 2 initialised, 3 armed, 4 active, 5 active and about to go.";
    Counter "node_infiniband_symbol_error_total" = it.counter("counters/symbol_error"), "Bit errors on one or more lanes.";
    Counter "node_infiniband_unicast_packets_received_total" = it.counter("counters/unicast_rcv_packets"), "Unicast packets received, those with errors included.";
    Counter "node_infiniband_unicast_packets_transmitted_total" = it.counter("counters/unicast_xmit_packets"), "Unicast packets sent, those with errors included.";
    Counter "node_infiniband_vl15_dropped_total" = it.counter("counters/VL15_dropped"), "Management packets dropped because the port had no room for them.";
}

section! {
    pub(super) struct Config {
        /// Adapters to show.
        device_include: Option<Pattern> = "",
        /// Adapters to leave out.
        device_exclude: Option<Pattern> = "",
    }
}

pub(super) struct Infiniband {
    class: PathBuf,
    filter: Filter,
}

impl Spec for Infiniband {
    const SUMMARY: &'static str =
        "State, traffic and errors of InfiniBand and RDMA adapters, from /sys/class/infiniband.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let filter = Filter::new(config.device_include, config.device_exclude);
        Ok(Self { class: host.sys("class/infiniband"), filter })
    }
}

impl Collector for Infiniband {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else {
            return Err(Error::Absent(format!("no {}", self.class.display())));
        };
        let errors = FirstError::default();
        for device in class.names()?.iter().filter(|it| self.filter.keeps(it)) {
            let Some(folder) = errors.value(class.folder(device)) else { continue };
            let word = |name| errors.value(folder.value(name)).map_or_else(Vec::new, |it| it.to_vec());
            let words = [word("board_id"), word("fw_ver"), word("hca_type")];
            out.push(INFO, [device.as_bytes(), &words[0], &words[1], &words[2]], 1_u64);
            let Some(ports) = errors.value(folder.folder("ports")) else { continue };
            for port in errors.ok(ports.names()).unwrap_or_default() {
                let Some(folder) = errors.value(ports.folder(&port)) else { continue };
                push_rows(&Port { folder, errors: &errors }, [device, &port], out);
            }
        }
        Ok(errors.end()?)
    }
}

/// The files of one port.
struct Port<'a> {
    folder: Folder,
    errors: &'a FirstError,
}

impl Port<'_> {
    fn counter(&self, name: &str) -> Option<u64> {
        self.parse(name, "a number", |text| match text {
            // What devices without a performance management agent say.
            [b'N', b'/', b'A', ..] => Some(None),
            _ => Some(Some(source::number(text).or_else(|| prefixed_number(text)?.try_into().ok())?)),
        })?
    }

    fn lanes(&self, name: &str) -> Option<u64> {
        self.counter(name).map(|count| count.wrapping_mul(4))
    }

    /// The number in `4: ACTIVE`.
    fn state(&self, name: &str) -> Option<u32> {
        self.parse(name, "`number: state`", |text| {
            let (number, state) = text.split_at(text.iter().position(|&byte| byte == b':')?);
            source::number(number.trim_ascii()).filter(|_| !state[1..].contains(&b':'))
        })
    }

    /// `100 Gb/sec (4X EDR)` in bytes per second.
    fn rate(&self) -> Option<u64> {
        self.parse("rate", "`number Gb/sec`", |text| {
            let number = &text[..text.iter().position(|&byte| byte == b' ')?];
            let gigabits = source::number::<f32>(number).filter(|it| (0.0..1e9).contains(it))?;
            Some((f64::from(gigabits) * 125e6) as u64)
        })
    }

    fn parse<T>(&self, name: &str, expected: &str, parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let value = match self.folder.value(name) {
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => return None,
            value => self.errors.value(value)?,
        };
        let parsed = parse(&value);
        if parsed.is_none() && !source::has_wrapped(&value, parse) {
            self.errors.note(self.folder.unexpected(name, expected, &value));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: [(&str, &str); 14] = [
        ("sys/class/infiniband/mlx5_0/board_id", "SM_1141000001000\n"),
        ("sys/class/infiniband/mlx5_0/fw_ver", "2.31.5050\n"),
        ("sys/class/infiniband/mlx5_0/hca_type", "MT4099\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/phys_state", "5: LinkUp\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/rate", "2.5 Gb/sec (1X SDR)\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/counters/link_downed", "0\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/counters/port_rcv_data", "8884894436\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/counters/port_xmit_wait", "N/A (no PMA)\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/counters/unicast_rcv_packets", "18446744073709551615\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/counters_ext/port_xmit_data_64", "7\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/hw_counters/lifespan", "2500\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/hw_counters/roce_slow_restart", "3\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/hw_counters/roce_slow_restart_trans", "4\n"),
    ];

    #[test]
    fn tells_what_a_port_does() {
        check::<Infiniband>(
            "",
            &PORT,
            expect![[r##"
            # HELP node_infiniband_info 1 for each adapter.
            # TYPE node_infiniband_info gauge
            node_infiniband_info{board_id="SM_1141000001000",device="mlx5_0",firmware_version="2.31.5050",hca_type="MT4099"} 1
            # HELP node_infiniband_legacy_data_transmitted_bytes_total Bytes sent, from the 64-bit counters of kernels before 4.5.
            # TYPE node_infiniband_legacy_data_transmitted_bytes_total counter
            node_infiniband_legacy_data_transmitted_bytes_total{device="mlx5_0",port="1"} 28
            # HELP node_infiniband_lifespan_seconds How long the driver keeps counters before it asks the device again, in whole seconds.
            # TYPE node_infiniband_lifespan_seconds gauge
            node_infiniband_lifespan_seconds{device="mlx5_0",port="1"} 2
            # HELP node_infiniband_link_downed_total Times that the link could not be recovered and went down.
            # TYPE node_infiniband_link_downed_total counter
            node_infiniband_link_downed_total{device="mlx5_0",port="1"} 0
            # HELP node_infiniband_physical_state_id Physical state of the port: 0 no change, 1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 link error recovery, 7 test.
            # TYPE node_infiniband_physical_state_id gauge
            node_infiniband_physical_state_id{device="mlx5_0",port="1"} 5
            # HELP node_infiniband_port_data_received_bytes_total Bytes received on all lanes.
            # TYPE node_infiniband_port_data_received_bytes_total counter
            node_infiniband_port_data_received_bytes_total{device="mlx5_0",port="1"} 3.5539577744e+10
            # HELP node_infiniband_rate_bytes_per_second Speed of the link, in bytes per second.
            # TYPE node_infiniband_rate_bytes_per_second gauge
            node_infiniband_rate_bytes_per_second{device="mlx5_0",port="1"} 3.125e+08
            # HELP node_infiniband_roce_slow_restart_total Times that slow restart began.
            # TYPE node_infiniband_roce_slow_restart_total counter
            node_infiniband_roce_slow_restart_total{device="mlx5_0",port="1"} 4
            # HELP node_infiniband_roce_slow_restart_used_total Times that slow restart was used.
            # TYPE node_infiniband_roce_slow_restart_used_total counter
            node_infiniband_roce_slow_restart_used_total{device="mlx5_0",port="1"} 3
            # HELP node_infiniband_state_id State of the port: 0 no change, 1 down, 2 initialised, 3 armed, 4 active, 5 active and about to go.
            # TYPE node_infiniband_state_id gauge
            node_infiniband_state_id{device="mlx5_0",port="1"} 4
            # HELP node_infiniband_unicast_packets_received_total Unicast packets received, those with errors included.
            # TYPE node_infiniband_unicast_packets_received_total counter
            node_infiniband_unicast_packets_received_total{device="mlx5_0",port="1"} 1.8446744073709552e+19
        "##]],
        );
    }

    #[test]
    fn an_adapter_may_have_neither_name_nor_counters() {
        let files = [
            ("sys/class/infiniband/irdma0/ports/2/state", "1: DOWN\n"),
            ("sys/class/infiniband/rxe0/ports/1/state", "4: ACTIVE\n"),
        ];
        check::<Infiniband>(
            "device_exclude = \"rxe\"",
            &files,
            expect![[r##"
            # HELP node_infiniband_info 1 for each adapter.
            # TYPE node_infiniband_info gauge
            node_infiniband_info{board_id="",device="irdma0",firmware_version="",hca_type=""} 1
            # HELP node_infiniband_state_id State of the port: 0 no change, 1 down, 2 initialised, 3 armed, 4 active, 5 active and about to go.
            # TYPE node_infiniband_state_id gauge
            node_infiniband_state_id{device="irdma0",port="2"} 1
        "##]],
        );
    }

    #[test]
    fn a_host_without_adapters_is_no_fault() {
        check_error::<Infiniband>("", &[], expect!["not on this host: no sys/class/infiniband"]);
    }

    #[test]
    fn refuses_a_counter_that_is_no_number() {
        let files = [
            ("sys/class/infiniband/a/ports/1/counters/link_downed", "many\n"),
            ("sys/class/infiniband/a/ports/1/state", "up\n"),
        ];
        check_error::<Infiniband>(
            "",
            &files,
            expect![[r##"
            # HELP node_infiniband_info 1 for each adapter.
            # TYPE node_infiniband_info gauge
            node_infiniband_info{board_id="",device="a",firmware_version="",hca_type=""} 1
            parse sys/class/infiniband/a/ports/1/counters/link_downed, line 1: expected a number, found `many`"##]],
        );
    }

    #[test]
    fn refuses_a_rate_without_a_unit() {
        check_error::<Infiniband>(
            "",
            &[("sys/class/infiniband/a/ports/1/rate", "40\n")],
            expect![[r##"
            # HELP node_infiniband_info 1 for each adapter.
            # TYPE node_infiniband_info gauge
            node_infiniband_info{board_id="",device="a",firmware_version="",hca_type=""} 1
            parse sys/class/infiniband/a/ports/1/rate, line 1: expected `number Gb/sec`, found `40`"##]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Infiniband>("", &PORT);
    }
}
