//! Queueing disciplines of network interfaces, by rtnetlink(7): what waits to be sent, was sent, and was dropped. Only
//! the discipline of an interface itself, not those within it. See tc(8).

use crate::{
    collectors::prelude::*,
    source::netlink::{Link, LinkName, Qdisc, QdiscStats, Socket},
};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

metrics! {
    |it: &QdiscStats| ["device", "kind"];
    Gauge "node_qdisc_backlog" = it.backlog, "Bytes that wait to be sent.";
    Counter "node_qdisc_bytes_total" = it.bytes, "Bytes sent.";
    Gauge "node_qdisc_current_queue_length" = it.length, "Packets that wait to be sent.";
    Counter "node_qdisc_drops_total" = it.drops, "Packets dropped.";
    Counter "node_qdisc_overlimits_total" = it.overlimits, "Times that a packet had to wait because a limit was reached.";
    Counter "node_qdisc_packets_total" = it.packets, "Packets sent.";
    Counter "node_qdisc_requeues_total" = it.requeues, "Packets that the interface did not take at once, so that they had to wait again.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to show; cannot be given together with device_exclude.
        device_include: Option<Pattern> = "",
        /// Interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Shows what `results.json` of this folder says, as node_exporter's own tests do.
        fixtures: PathBuf = "",
    }
}

pub(super) struct Qdiscs {
    filter: Filter,
    socket: Socket,
    /// Instead of the socket.
    file: Option<File>,
    names: Vec<(u32, LinkName)>,
    rows: Vec<Qdisc>,
}

/// One discipline of the file.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Recorded {
    iface_name: String,
    parent: u32,
    kind: String,
    bytes: u64,
    packets: u64,
    drops: u32,
    requeues: u32,
    overlimits: u32,
    qlen: u32,
    backlog: u32,
}

impl Spec for Qdiscs {
    const SUMMARY: &'static str =
        "Queues of network interfaces: what waits, was sent and was dropped, by rtnetlink.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let Config { device_include, device_exclude, fixtures } = config;
        let is_recorded = !fixtures.as_os_str().is_empty();
        Ok(Self {
            filter: Filter::either(device_include, device_exclude, "")?,
            socket: if is_recorded { Socket::route() } else { host.netlink(Socket::route())? },
            file: is_recorded.then(|| File::new(fixtures.join("results.json"))),
            names: Vec::new(),
            rows: Vec::new(),
        })
    }
}

impl Collector for Qdiscs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { filter, socket, file, names, rows } = self;
        if let Some(file) = file {
            return Ok(push_recorded(file, filter, out)?);
        }
        Link::dump(socket, names, |link| Some((link.index, LinkName::new(link.name))))?;
        names.sort_unstable();
        Qdisc::dump(socket, rows)?;
        rows.sort_unstable_by_key(|it| it.link);
        rows.dedup_by_key(|it| it.link);
        for row in rows.iter() {
            // An interface may be gone by now.
            let Ok(at) = names.binary_search_by_key(&row.link, |it| it.0) else { continue };
            let name = &names[at].1;
            if filter.keeps(&**name) {
                push_rows(&row.stats, [&**name, &*row.kind], out);
            }
        }
        Ok(())
    }
}

fn push_recorded(file: &mut File, filter: &Filter, out: &mut Families) -> Result<(), source::Error> {
    let rows: Vec<serde_json::Value> = file.parse("a list of disciplines in JSON", |text| {
        serde_json::from_slice(text).map_err(|error| error.line())
    })?;
    let mut n_wrong = 0;
    let mut known = BTreeMap::new();
    for row in rows {
        match serde_json::from_value::<Recorded>(row) {
            Ok(it) if it.parent == 0 => drop(known.insert((it.iface_name.clone(), it.kind.clone()), it)),
            Ok(_) => {}
            Err(_) => n_wrong += 1,
        }
    }
    for ((device, kind), it) in known.iter().filter(|it| filter.keeps(&it.0.0)) {
        let stats = QdiscStats {
            bytes: Some(it.bytes),
            packets: Some(it.packets),
            drops: Some(it.drops),
            requeues: Some(it.requeues),
            overlimits: Some(it.overlimits),
            length: Some(it.qlen),
            backlog: Some(it.backlog),
        };
        push_rows(&stats, [device, kind], out);
    }
    match n_wrong {
        0 => Ok(()),
        n => Err(file.parse_error(1, format!("{n} of the disciplines are none"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = r#"[
  {"IfaceName": "wlan0", "Bytes": 42, "Packets": 4, "Requeues": 1, "Kind": "fq", "Drops": 1, "Qlen": 7, "Backlog": 70},
  {"IfaceName": "eth0", "Bytes": 83, "Packets": 8, "Overlimits": 2, "Kind": "pfifo_fast"},
  {"IfaceName": "eth0", "Parent": 65537, "Kind": "fq_codel"}
]
"#;

    #[test]
    fn shows_the_disciplines_of_interfaces() {
        let section = "fixtures = \"ROOT/qdisc\"\ndevice_include = \"wlan0|eth0\"";
        check::<Qdiscs>(
            section,
            &[("qdisc/results.json", RESULTS)],
            expect![[r##"
            # HELP node_qdisc_backlog Bytes that wait to be sent.
            # TYPE node_qdisc_backlog gauge
            node_qdisc_backlog{device="eth0",kind="pfifo_fast"} 0
            node_qdisc_backlog{device="wlan0",kind="fq"} 70
            # HELP node_qdisc_bytes_total Bytes sent.
            # TYPE node_qdisc_bytes_total counter
            node_qdisc_bytes_total{device="eth0",kind="pfifo_fast"} 83
            node_qdisc_bytes_total{device="wlan0",kind="fq"} 42
            # HELP node_qdisc_current_queue_length Packets that wait to be sent.
            # TYPE node_qdisc_current_queue_length gauge
            node_qdisc_current_queue_length{device="eth0",kind="pfifo_fast"} 0
            node_qdisc_current_queue_length{device="wlan0",kind="fq"} 7
            # HELP node_qdisc_drops_total Packets dropped.
            # TYPE node_qdisc_drops_total counter
            node_qdisc_drops_total{device="eth0",kind="pfifo_fast"} 0
            node_qdisc_drops_total{device="wlan0",kind="fq"} 1
            # HELP node_qdisc_overlimits_total Times that a packet had to wait because a limit was reached.
            # TYPE node_qdisc_overlimits_total counter
            node_qdisc_overlimits_total{device="eth0",kind="pfifo_fast"} 2
            node_qdisc_overlimits_total{device="wlan0",kind="fq"} 0
            # HELP node_qdisc_packets_total Packets sent.
            # TYPE node_qdisc_packets_total counter
            node_qdisc_packets_total{device="eth0",kind="pfifo_fast"} 8
            node_qdisc_packets_total{device="wlan0",kind="fq"} 4
            # HELP node_qdisc_requeues_total Packets that the interface did not take at once, so that they had to wait again.
            # TYPE node_qdisc_requeues_total counter
            node_qdisc_requeues_total{device="eth0",kind="pfifo_fast"} 0
            node_qdisc_requeues_total{device="wlan0",kind="fq"} 1
        "##]],
        );
    }

    #[test]
    fn interfaces_can_be_left_out() {
        let section = "fixtures = \"ROOT\"\ndevice_exclude = \"wlan0|eth0\"";
        check::<Qdiscs>(section, &[("results.json", RESULTS)], expect![[""]]);
        check_error::<Qdiscs>(
            "device_include = \"a\"\ndevice_exclude = \"b\"",
            &[],
            expect!["an include and an exclude pattern cannot be combined here"],
        );
    }

    #[test]
    fn one_bad_item_costs_itself() {
        let results = RESULTS.replace("83", "-83");
        let section = "fixtures = \"ROOT\"\ndevice_include = \"0\"";
        check_error::<Qdiscs>(
            section,
            &[("results.json", &results)],
            expect![[r##"
            # HELP node_qdisc_backlog Bytes that wait to be sent.
            # TYPE node_qdisc_backlog gauge
            node_qdisc_backlog{device="wlan0",kind="fq"} 70
            # HELP node_qdisc_bytes_total Bytes sent.
            # TYPE node_qdisc_bytes_total counter
            node_qdisc_bytes_total{device="wlan0",kind="fq"} 42
            # HELP node_qdisc_current_queue_length Packets that wait to be sent.
            # TYPE node_qdisc_current_queue_length gauge
            node_qdisc_current_queue_length{device="wlan0",kind="fq"} 7
            # HELP node_qdisc_drops_total Packets dropped.
            # TYPE node_qdisc_drops_total counter
            node_qdisc_drops_total{device="wlan0",kind="fq"} 1
            # HELP node_qdisc_overlimits_total Times that a packet had to wait because a limit was reached.
            # TYPE node_qdisc_overlimits_total counter
            node_qdisc_overlimits_total{device="wlan0",kind="fq"} 0
            # HELP node_qdisc_packets_total Packets sent.
            # TYPE node_qdisc_packets_total counter
            node_qdisc_packets_total{device="wlan0",kind="fq"} 4
            # HELP node_qdisc_requeues_total Packets that the interface did not take at once, so that they had to wait again.
            # TYPE node_qdisc_requeues_total counter
            node_qdisc_requeues_total{device="wlan0",kind="fq"} 1
            parse results.json, line 1: 1 of the disciplines are none"##]],
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check_error::<Qdiscs>(
            "fixtures = \"ROOT/none\"",
            &[],
            expect!["read none/results.json: No such file or directory (os error 2)"],
        );
        check_error::<Qdiscs>(
            "fixtures = \"ROOT\"",
            &[("results.json", "[\n{")],
            expect!["parse results.json, line 2: expected a list of disciplines in JSON"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Qdiscs>("fixtures = \"ROOT\"", &[("results.json", RESULTS)]);
    }
}
