//! The kernel's load balancer: see ipvsadm(8).

use crate::{
    collectors::prelude::*,
    source::proc::ip_vs::{self, Backend, Service},
};
use std::{collections::BTreeMap, net::IpAddr};

metrics! {
    ACTIVE: Gauge "node_ipvs_backend_connections_active" ["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"], "Connections to the backend that are established.";
    INACTIVE: Gauge "node_ipvs_backend_connections_inactive" ["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"], "Connections to the backend that are opening or closing.";
    WEIGHT: Gauge "node_ipvs_backend_weight" ["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"], "Share of new connections that the backend is to get.";

    |it: &ip_vs::Totals| [];
    Counter "node_ipvs_connections_total" = it[0], "Connections passed on.";
    Counter "node_ipvs_incoming_bytes_total" = it[3], "Bytes received from clients.";
    Counter "node_ipvs_incoming_packets_total" = it[1], "Packets received from clients.";
    Counter "node_ipvs_outgoing_bytes_total" = it[4], "Bytes sent back to clients through this host.";
    Counter "node_ipvs_outgoing_packets_total" = it[2], "Packets sent back to clients through this host.";
}

const LABELS: [&str; 6] =
    ["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"];

section! {
    pub(super) struct Config {
        /// Labels of the backends' metrics; backends that differ only in the others are added up.
        backend_labels: Vec<String> = LABELS.map(str::to_owned).to_vec(),
    }
}

pub(super) struct Ipvs {
    stats: File,
    services: File,
    labels: Vec<&'static str>,
}

impl Spec for Ipvs {
    const SUMMARY: &'static str =
        "Connections through the kernel's load balancer, from /proc/net/ip_vs_stats and /proc/net/ip_vs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn faults(config: &Config) -> Vec<Fault> {
        let unknown = given(config).filter(|it| !LABELS.contains(it));
        let fault = |label| Fault {
            key: "backend_labels",
            message: format!("`{label}` is no label of backends"),
            remedy: format!("set it to some of {}", LABELS.join(", ")),
        };
        unknown.map(fault).collect()
    }

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let mut labels: Vec<_> =
            LABELS.into_iter().filter(|label| given(&config).any(|it| it == *label)).collect();
        labels.sort_unstable();
        Ok(Self { stats: host.net("ip_vs_stats"), services: host.net("ip_vs"), labels })
    }
}

/// A flag gives them all in one string.
fn given(config: &Config) -> impl Iterator<Item = &str> {
    config.backend_labels.iter().flat_map(|it| it.split(',')).filter(|it| !it.is_empty())
}

impl Collector for Ipvs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { stats, services, labels } = self;
        let errors = FirstError::default();
        let mut totals = ip_vs::Totals::default();
        errors.value(
            stats.parse("a table of numbers", |text| ip_vs::parse_totals(text, &mut totals)).map(Some),
        );
        push_rows(&totals, (), out);
        // Where one of those that are added up has no number, nor has the sum.
        let mut sums = BTreeMap::<Key, [Option<u64>; 3]>::new();
        let parsed = services.parse("a service or a backend", |text| {
            ip_vs::parse_backends(text, |service, backend| {
                let sums = sums.entry(Key::new(service, backend, labels)).or_insert([Some(0); 3]);
                for (sum, number) in sums.iter_mut().zip(backend.numbers) {
                    *sum = sum.zip(number).map(|(sum, number)| sum.wrapping_add(number));
                }
            })
        });
        if let Err(error) = &parsed
            && error.is_not_found()
        {
            return Err(Error::Absent(error.to_string()));
        }
        errors.ok(parsed);
        for (key, [weight, n_active, n_inactive]) in &sums {
            let values: Vec<String> = labels.iter().map(|label| key.value(label)).collect();
            let labels: Vec<_> = labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            out.push_labelled(ACTIVE, &labels, *n_active);
            out.push_labelled(INACTIVE, &labels, *n_inactive);
            out.push_labelled(WEIGHT, &labels, *weight);
        }
        Ok(errors.end()?)
    }
}

/// What the labels tell of a backend; the rest is left empty.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: Service,
    address: Option<IpAddr>,
    port: u16,
}

impl Key {
    fn new(service: &Service, backend: &Backend, labels: &[&str]) -> Self {
        let is_told = |label| labels.contains(&label);
        Self {
            service: Service {
                protocol: if is_told("proto") { service.protocol.clone() } else { String::new() },
                address: service.address.filter(|_| is_told("local_address")),
                port: if is_told("local_port") { service.port } else { 0 },
                mark: if is_told("local_mark") { service.mark.clone() } else { String::new() },
            },
            address: Some(backend.address).filter(|_| is_told("remote_address")),
            port: if is_told("remote_port") { backend.port } else { 0 },
        }
    }

    fn value(&self, label: &str) -> String {
        let address = |it: Option<IpAddr>| it.map(|it| it.to_string()).unwrap_or_default();
        match label {
            "local_address" => address(self.service.address),
            "local_mark" => self.service.mark.clone(),
            "local_port" => self.service.port.to_string(),
            "proto" => self.service.protocol.clone(),
            "remote_address" => address(self.address),
            _ => self.port.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    const STATS: (&str, &str) = (
        "proc/net/ip_vs_stats",
        "\
   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
 16AA370 E33656E5        0     51D8C8883AB3                1

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4    1FB3C        0          1282A8F                0
",
    );

    const SERVICES: (&str, &str) = (
        "proc/net/ip_vs",
        "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A80016:0CEA wlc
  -> C0A85216:0CEA      Tunnel  100    248        2
  -> C0A85318:0CEA      Tunnel  100    1          3
UDP  [2620:0000:0000:0000:0000:0000:0000:0001]:0050 rr
  -> [2620:0000:0000:0000:0000:0000:0000:0002]:0051      Route   1      5          6
SCTP C0A80016:0CEA wlc
  -> C0A85216:0CEA      Tunnel  100    7          8
FWM  10001000 wlc
  -> C0A85216:0CEA      Route   0      9          10
",
    );

    #[test]
    fn tells_the_backends_of_each_service() {
        check::<Ipvs>(
            "",
            &[STATS, SERVICES],
            expect![[r##"
            # HELP node_ipvs_backend_connections_active Connections to the backend that are established.
            # TYPE node_ipvs_backend_connections_active gauge
            node_ipvs_backend_connections_active{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="192.168.82.22",remote_port="3306"} 9
            node_ipvs_backend_connections_active{local_address="192.168.0.22",local_mark="",local_port="3306",proto="SCTP",remote_address="192.168.82.22",remote_port="3306"} 7
            node_ipvs_backend_connections_active{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.82.22",remote_port="3306"} 248
            node_ipvs_backend_connections_active{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.83.24",remote_port="3306"} 1
            node_ipvs_backend_connections_active{local_address="2620::1",local_mark="",local_port="80",proto="UDP",remote_address="2620::2",remote_port="81"} 5
            # HELP node_ipvs_backend_connections_inactive Connections to the backend that are opening or closing.
            # TYPE node_ipvs_backend_connections_inactive gauge
            node_ipvs_backend_connections_inactive{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="192.168.82.22",remote_port="3306"} 10
            node_ipvs_backend_connections_inactive{local_address="192.168.0.22",local_mark="",local_port="3306",proto="SCTP",remote_address="192.168.82.22",remote_port="3306"} 8
            node_ipvs_backend_connections_inactive{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.82.22",remote_port="3306"} 2
            node_ipvs_backend_connections_inactive{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.83.24",remote_port="3306"} 3
            node_ipvs_backend_connections_inactive{local_address="2620::1",local_mark="",local_port="80",proto="UDP",remote_address="2620::2",remote_port="81"} 6
            # HELP node_ipvs_backend_weight Share of new connections that the backend is to get.
            # TYPE node_ipvs_backend_weight gauge
            node_ipvs_backend_weight{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="192.168.82.22",remote_port="3306"} 0
            node_ipvs_backend_weight{local_address="192.168.0.22",local_mark="",local_port="3306",proto="SCTP",remote_address="192.168.82.22",remote_port="3306"} 100
            node_ipvs_backend_weight{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.82.22",remote_port="3306"} 100
            node_ipvs_backend_weight{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.83.24",remote_port="3306"} 100
            node_ipvs_backend_weight{local_address="2620::1",local_mark="",local_port="80",proto="UDP",remote_address="2620::2",remote_port="81"} 1
            # HELP node_ipvs_connections_total Connections passed on.
            # TYPE node_ipvs_connections_total counter
            node_ipvs_connections_total 2.3765872e+07
            # HELP node_ipvs_incoming_bytes_total Bytes received from clients.
            # TYPE node_ipvs_incoming_bytes_total counter
            node_ipvs_incoming_bytes_total 8.9991519156915e+13
            # HELP node_ipvs_incoming_packets_total Packets received from clients.
            # TYPE node_ipvs_incoming_packets_total counter
            node_ipvs_incoming_packets_total 3.811989221e+09
            # HELP node_ipvs_outgoing_bytes_total Bytes sent back to clients through this host.
            # TYPE node_ipvs_outgoing_bytes_total counter
            node_ipvs_outgoing_bytes_total 1
            # HELP node_ipvs_outgoing_packets_total Packets sent back to clients through this host.
            # TYPE node_ipvs_outgoing_packets_total counter
            node_ipvs_outgoing_packets_total 0
        "##]],
        );
    }

    #[test]
    fn a_bad_number_costs_itself() {
        let lost = "node_ipvs_backend_connections_active{local_address=\"192.168.0.22\",local_mark=\"\",\
            local_port=\"3306\",proto=\"TCP\",remote_address=\"192.168.82.22\",remote_port=\"3306\"} 248";
        assert!(!costs::<Ipvs>("", SERVICES, ("248", "x"), lost));
        assert!(!costs::<Ipvs>(
            "",
            STATS,
            ("E33656E5", "x"),
            "node_ipvs_incoming_packets_total 3.811989221e+09"
        ));
    }

    #[test]
    fn adds_up_what_the_labels_do_not_tell_apart() {
        check::<Ipvs>(
            "backend_labels = [\"proto,local_port\"]",
            &[STATS, SERVICES],
            expect![[r##"
            # HELP node_ipvs_backend_connections_active Connections to the backend that are established.
            # TYPE node_ipvs_backend_connections_active gauge
            node_ipvs_backend_connections_active{local_port="0",proto="FWM"} 9
            node_ipvs_backend_connections_active{local_port="3306",proto="SCTP"} 7
            node_ipvs_backend_connections_active{local_port="3306",proto="TCP"} 249
            node_ipvs_backend_connections_active{local_port="80",proto="UDP"} 5
            # HELP node_ipvs_backend_connections_inactive Connections to the backend that are opening or closing.
            # TYPE node_ipvs_backend_connections_inactive gauge
            node_ipvs_backend_connections_inactive{local_port="0",proto="FWM"} 10
            node_ipvs_backend_connections_inactive{local_port="3306",proto="SCTP"} 8
            node_ipvs_backend_connections_inactive{local_port="3306",proto="TCP"} 5
            node_ipvs_backend_connections_inactive{local_port="80",proto="UDP"} 6
            # HELP node_ipvs_backend_weight Share of new connections that the backend is to get.
            # TYPE node_ipvs_backend_weight gauge
            node_ipvs_backend_weight{local_port="0",proto="FWM"} 0
            node_ipvs_backend_weight{local_port="3306",proto="SCTP"} 100
            node_ipvs_backend_weight{local_port="3306",proto="TCP"} 200
            node_ipvs_backend_weight{local_port="80",proto="UDP"} 1
            # HELP node_ipvs_connections_total Connections passed on.
            # TYPE node_ipvs_connections_total counter
            node_ipvs_connections_total 2.3765872e+07
            # HELP node_ipvs_incoming_bytes_total Bytes received from clients.
            # TYPE node_ipvs_incoming_bytes_total counter
            node_ipvs_incoming_bytes_total 8.9991519156915e+13
            # HELP node_ipvs_incoming_packets_total Packets received from clients.
            # TYPE node_ipvs_incoming_packets_total counter
            node_ipvs_incoming_packets_total 3.811989221e+09
            # HELP node_ipvs_outgoing_bytes_total Bytes sent back to clients through this host.
            # TYPE node_ipvs_outgoing_bytes_total counter
            node_ipvs_outgoing_bytes_total 1
            # HELP node_ipvs_outgoing_packets_total Packets sent back to clients through this host.
            # TYPE node_ipvs_outgoing_packets_total counter
            node_ipvs_outgoing_packets_total 0
        "##]],
        );
        check::<Ipvs>(
            "backend_labels = \"\"",
            &[STATS, SERVICES],
            expect![[r#"
            # HELP node_ipvs_backend_connections_active Connections to the backend that are established.
            # TYPE node_ipvs_backend_connections_active gauge
            node_ipvs_backend_connections_active 270
            # HELP node_ipvs_backend_connections_inactive Connections to the backend that are opening or closing.
            # TYPE node_ipvs_backend_connections_inactive gauge
            node_ipvs_backend_connections_inactive 29
            # HELP node_ipvs_backend_weight Share of new connections that the backend is to get.
            # TYPE node_ipvs_backend_weight gauge
            node_ipvs_backend_weight 301
            # HELP node_ipvs_connections_total Connections passed on.
            # TYPE node_ipvs_connections_total counter
            node_ipvs_connections_total 2.3765872e+07
            # HELP node_ipvs_incoming_bytes_total Bytes received from clients.
            # TYPE node_ipvs_incoming_bytes_total counter
            node_ipvs_incoming_bytes_total 8.9991519156915e+13
            # HELP node_ipvs_incoming_packets_total Packets received from clients.
            # TYPE node_ipvs_incoming_packets_total counter
            node_ipvs_incoming_packets_total 3.811989221e+09
            # HELP node_ipvs_outgoing_bytes_total Bytes sent back to clients through this host.
            # TYPE node_ipvs_outgoing_bytes_total counter
            node_ipvs_outgoing_bytes_total 1
            # HELP node_ipvs_outgoing_packets_total Packets sent back to clients through this host.
            # TYPE node_ipvs_outgoing_packets_total counter
            node_ipvs_outgoing_packets_total 0
        "#]],
        );
    }

    #[test]
    fn a_kernel_without_the_load_balancer_is_no_fault() {
        check_error::<Ipvs>(
            "",
            &[],
            expect!["not on this host: read proc/net/ip_vs: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn refuses_a_label_that_it_does_not_know() {
        check_error::<Ipvs>(
            "backend_labels = [\"proto\", \"port\"]",
            &[],
            expect!["`backend_labels`: `port` is no label of backends"],
        );
    }

    #[test]
    fn totals_that_are_cut_cost_what_they_lack() {
        check_error::<Ipvs>(
            "",
            &[("proc/net/ip_vs_stats", "Total\nConns\n 1 2 3 4\n")],
            expect![[r#"
                # HELP node_ipvs_connections_total Connections passed on.
                # TYPE node_ipvs_connections_total counter
                node_ipvs_connections_total 1
                # HELP node_ipvs_incoming_bytes_total Bytes received from clients.
                # TYPE node_ipvs_incoming_bytes_total counter
                node_ipvs_incoming_bytes_total 4
                # HELP node_ipvs_incoming_packets_total Packets received from clients.
                # TYPE node_ipvs_incoming_packets_total counter
                node_ipvs_incoming_packets_total 2
                # HELP node_ipvs_outgoing_packets_total Packets sent back to clients through this host.
                # TYPE node_ipvs_outgoing_packets_total counter
                node_ipvs_outgoing_packets_total 3
                not on this host: read proc/net/ip_vs: No such file or directory (os error 2)"#]],
        );
        check_error::<Ipvs>(
            "",
            &[("proc/net/ip_vs_stats", "Total\n")],
            expect!["not on this host: read proc/net/ip_vs: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn a_backend_that_is_cut_costs_what_it_lacks() {
        let services = "TCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA      Tunnel  100    248\n";
        check_error::<Ipvs>(
            "",
            &[("proc/net/ip_vs_stats", "Total\nConns\n 0 0 0 0 0\n"), ("proc/net/ip_vs", services)],
            expect![[r##"
                # HELP node_ipvs_backend_connections_active Connections to the backend that are established.
                # TYPE node_ipvs_backend_connections_active gauge
                node_ipvs_backend_connections_active{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.82.22",remote_port="3306"} 248
                # HELP node_ipvs_backend_weight Share of new connections that the backend is to get.
                # TYPE node_ipvs_backend_weight gauge
                node_ipvs_backend_weight{local_address="192.168.0.22",local_mark="",local_port="3306",proto="TCP",remote_address="192.168.82.22",remote_port="3306"} 100
                # HELP node_ipvs_connections_total Connections passed on.
                # TYPE node_ipvs_connections_total counter
                node_ipvs_connections_total 0
                # HELP node_ipvs_incoming_bytes_total Bytes received from clients.
                # TYPE node_ipvs_incoming_bytes_total counter
                node_ipvs_incoming_bytes_total 0
                # HELP node_ipvs_incoming_packets_total Packets received from clients.
                # TYPE node_ipvs_incoming_packets_total counter
                node_ipvs_incoming_packets_total 0
                # HELP node_ipvs_outgoing_bytes_total Bytes sent back to clients through this host.
                # TYPE node_ipvs_outgoing_bytes_total counter
                node_ipvs_outgoing_bytes_total 0
                # HELP node_ipvs_outgoing_packets_total Packets sent back to clients through this host.
                # TYPE node_ipvs_outgoing_packets_total counter
                node_ipvs_outgoing_packets_total 0
                parse proc/net/ip_vs, line 2: expected a service or a backend"##]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Ipvs>("", &[STATS, SERVICES]);
    }
}
