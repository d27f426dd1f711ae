//! What drivers count for each queue of a network interface, by the generic netlink of Linux 6.9 and newer. See
//! Documentation/networking/statistics.rst of the kernel.

use crate::{
    collectors::prelude::*,
    source::netlink::{Link, LinkName, QueueStats, Queues, Socket},
};

metrics! {
    |it: &QueueStats| ["device", "queue"];
    Counter "node_network_queue_receive_packets_total" = it.received_packets, "Packets that a receive queue of the interface took.";
    Counter "node_network_queue_receive_bytes_total" = it.received_bytes, "Bytes that a receive queue of the interface took.";
    Counter "node_network_queue_receive_nomem_total" = it.received_without_memory, "Packets of a receive queue for which the driver had no memory, so that most were lost.";
    Counter "node_network_queue_receive_drop_total" = it.received_drops, "Packets for a receive queue that the device dropped, as its buffers were full or for other reasons.";
    Counter "node_network_queue_receive_overrun_total" = it.received_overruns, "Packets for a receive queue that the device dropped because its buffers were full: CPUs take them too slowly.";
    Counter "node_network_queue_transmit_packets_total" = it.sent_packets, "Packets that a transmit queue of the interface sent.";
    Counter "node_network_queue_transmit_bytes_total" = it.sent_bytes, "Bytes that a transmit queue of the interface sent.";
    Counter "node_network_queue_transmit_drop_total" = it.sent_drops, "Packets of a transmit queue that the device dropped.";
    Counter "node_network_queue_transmit_stop_total" = it.stops, "How often a transmit queue was full, so that packets had to wait.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to show; cannot be given together with device_exclude.
        device_include: Option<Pattern> = "",
        /// Interfaces to leave out.
        device_exclude: Option<Pattern> = "",
    }
}

pub(super) struct NetdevQueues {
    filter: Filter,
    links: Socket,
    queues: Queues,
    names: Vec<(u32, LinkName)>,
    rows: Vec<QueueStats>,
}

impl Spec for NetdevQueues {
    const SUMMARY: &'static str = "Packets, bytes and drops of each queue of network interfaces, as their drivers count them, by netlink; from Linux 6.9 on.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let filter = Filter::either(config.device_include, config.device_exclude, "")?;
        let queues = Queues::open(host.netlink(Socket::generic())?)?;
        let queues =
            queues.ok_or_else(|| Error::Absent("the kernel has no netlink family netdev".to_owned()))?;
        let links = host.netlink(Socket::route())?;
        Ok(Self { filter, links, queues, names: Vec::new(), rows: Vec::new() })
    }
}

impl Collector for NetdevQueues {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { filter, links, queues, names, rows } = self;
        match queues.dump(rows) {
            // Linux 6.7 and 6.8 have the family without them.
            Err(error) if error.is_no_value() => rows.clear(),
            dumped => dumped?,
        }
        if rows.is_empty() {
            return Err(Error::Absent("no driver of a network interface tells of queues".to_owned()));
        }
        Link::dump(links, names, |link| Some((link.index, LinkName::new(link.name))))?;
        names.sort_unstable();
        rows.sort_unstable();
        rows.dedup_by_key(|it| (it.link, it.queue, it.sends));
        for row in rows.iter() {
            // An interface may be gone by now.
            let Ok(at) = names.binary_search_by_key(&row.link, |it| it.0) else { continue };
            let name = &names[at].1;
            if filter.keeps(&**name) {
                push_rows(row, (&**name, row.queue), out);
            }
        }
        Ok(())
    }
}
