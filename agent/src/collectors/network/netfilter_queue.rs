//! Packets that wait for a program to decide on them, and those that were dropped instead, from
//! `/proc/net/netfilter/nfnetlink_queue`: net/netfilter/nfnetlink_queue.c, `seq_show`. A queue is there while a program has
//! it; its counts begin anew with the next program.

use crate::collectors::prelude::*;
use rustix::thread::CapabilitySet;
use std::io::ErrorKind;

metrics! {
    WAITING: Gauge "node_netfilter_queue_packets" ["queue"], "Packets that wait for the program of a netfilter queue to decide on them.";
    QUEUED: Counter "node_netfilter_queue_queued_packets_total" ["queue"], "Packets that a netfilter queue was given since its program took it over.";
    DROPPED: Counter "node_netfilter_queue_dropped_packets_total" ["queue", "reason"], "Packets that were dropped since its program took a netfilter queue over: queue_full where it is too slow, not_delivered where its socket's buffer is full.";
}

pub(super) struct NetfilterQueue {
    file: File,
}

impl Spec for NetfilterQueue {
    const SUMMARY: &'static str = "Packets that wait for a program to decide on them or were dropped, from /proc/net/netfilter/nfnetlink_queue.";
    const ENABLED: bool = true;
    /// The kernel gives the file to root.
    const CAPABILITIES: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let mut file = host.net("netfilter/nfnetlink_queue");
        match file.read() {
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => Err(Error::Unavailable {
                reason: error.to_string(),
                remedy: "run as root or with CAP_DAC_READ_SEARCH, or disable the collector".to_owned(),
            }),
            _ => Ok(Self { file }),
        }
    }
}

impl Collector for NetfilterQueue {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let parsed = self.file.parse("the nine numbers of each queue", |text| {
            source::for_each_line(source::lines(text), |_, line| {
                let mut words = source::words(line);
                let queue = str::from_utf8(words.next()?).ok()?;
                let mut is_whole = true;
                let [_, waiting, _, _, full, undelivered, queued] = std::array::from_fn(|_| {
                    let count = words.next().and_then(source::count);
                    is_whole &= count.is_some();
                    count.flatten()
                });
                out.push(WAITING, [queue], waiting);
                out.push(QUEUED, [queue], queued);
                out.push(DROPPED, [queue, "queue_full"], full);
                out.push(DROPPED, [queue, "not_delivered"], undelivered);
                is_whole.then_some(())
            })
        });
        match parsed {
            Err(error) if error.is_not_found() => Err(Error::Absent(
                "no /proc/net/netfilter/nfnetlink_queue: no module nfnetlink_queue".to_owned(),
            )),
            parsed => Ok(parsed?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    const QUEUES: &str = "\
    0  31621     3 2 65531     7     2      120  1
   10  31622     0 1     0     0     0        0  1
";

    #[test]
    fn tells_what_waits_and_what_is_lost() {
        check::<NetfilterQueue>(
            "",
            &[("proc/net/netfilter/nfnetlink_queue", QUEUES)],
            expect![[r##"
            # HELP node_netfilter_queue_dropped_packets_total Packets that were dropped since its program took a netfilter queue over: queue_full where it is too slow, not_delivered where its socket's buffer is full.
            # TYPE node_netfilter_queue_dropped_packets_total counter
            node_netfilter_queue_dropped_packets_total{queue="0",reason="not_delivered"} 2
            node_netfilter_queue_dropped_packets_total{queue="0",reason="queue_full"} 7
            node_netfilter_queue_dropped_packets_total{queue="10",reason="not_delivered"} 0
            node_netfilter_queue_dropped_packets_total{queue="10",reason="queue_full"} 0
            # HELP node_netfilter_queue_packets Packets that wait for the program of a netfilter queue to decide on them.
            # TYPE node_netfilter_queue_packets gauge
            node_netfilter_queue_packets{queue="0"} 3
            node_netfilter_queue_packets{queue="10"} 0
            # HELP node_netfilter_queue_queued_packets_total Packets that a netfilter queue was given since its program took it over.
            # TYPE node_netfilter_queue_queued_packets_total counter
            node_netfilter_queue_queued_packets_total{queue="0"} 120
            node_netfilter_queue_queued_packets_total{queue="10"} 0
        "##]],
        );
    }

    #[test]
    fn no_queue_is_no_series() {
        check::<NetfilterQueue>("", &[("proc/net/netfilter/nfnetlink_queue", "")], expect![""]);
    }

    #[test]
    fn without_the_module_there_is_nothing_to_read() {
        check_error::<NetfilterQueue>(
            "",
            &[],
            expect!["not on this host: no /proc/net/netfilter/nfnetlink_queue: no module nfnetlink_queue"],
        );
    }

    #[test]
    fn a_word_that_is_no_count_costs_one_value() {
        for (word, is_fine) in [("-9", true), ("x", false)] {
            let lost = "node_netfilter_queue_queued_packets_total{queue=\"0\"} 120";
            let queues = ("proc/net/netfilter/nfnetlink_queue", QUEUES);
            assert_eq!(costs::<NetfilterQueue>("", queues, ("120", word), lost), is_fine, "{word}");
        }
    }

    #[test]
    fn names_a_line_that_is_broken() {
        check_error::<NetfilterQueue>(
            "",
            &[("proc/net/netfilter/nfnetlink_queue", "    0  31621\n")],
            expect![
                "parse proc/net/netfilter/nfnetlink_queue, line 1: expected the nine numbers of each queue"
            ],
        );
    }
}
