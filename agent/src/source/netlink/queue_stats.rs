//! What drivers count for each queue of an interface: the family `netdev` of generic netlink, from Linux 6.9 on. See
//! `include/uapi/linux/netdev.h` and `Documentation/netlink/specs/netdev.yaml` of the kernel.

use super::{
    Generic, Socket,
    generic::HEADER,
    message::{attributes, read_u32, read_u64, write_attribute},
};
use crate::source::Error;

const NETDEV_CMD_QSTATS_GET: u8 = 12;

const NETDEV_A_QSTATS_IFINDEX: u16 = 1;
const NETDEV_A_QSTATS_QUEUE_TYPE: u16 = 2;
const NETDEV_A_QSTATS_QUEUE_ID: u16 = 3;
const NETDEV_A_QSTATS_SCOPE: u16 = 4;
const NETDEV_A_QSTATS_RX_PACKETS: u16 = 8;
const NETDEV_A_QSTATS_RX_BYTES: u16 = 9;
const NETDEV_A_QSTATS_TX_PACKETS: u16 = 10;
const NETDEV_A_QSTATS_TX_BYTES: u16 = 11;
const NETDEV_A_QSTATS_RX_ALLOC_FAIL: u16 = 12;
const NETDEV_A_QSTATS_RX_HW_DROPS: u16 = 13;
const NETDEV_A_QSTATS_RX_HW_DROP_OVERRUNS: u16 = 14;
const NETDEV_A_QSTATS_TX_HW_DROPS: u16 = 24;
const NETDEV_A_QSTATS_TX_STOP: u16 = 33;

/// Each queue for itself.
const NETDEV_QSTATS_SCOPE_QUEUE: u32 = 1;

/// A queue of an interface, with what its driver counts there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueStats {
    /// The index of the interface.
    pub(crate) link: u32,
    pub(crate) queue: u32,
    /// Whether it sends, or receives.
    pub(crate) sends: bool,
    pub(crate) received_packets: Option<u64>,
    pub(crate) received_bytes: Option<u64>,
    /// Packets for which there was no memory.
    pub(crate) received_without_memory: Option<u64>,
    /// Packets that the device dropped, for all reasons.
    pub(crate) received_drops: Option<u64>,
    /// Those of them that came when its buffers were full.
    pub(crate) received_overruns: Option<u64>,
    pub(crate) sent_packets: Option<u64>,
    pub(crate) sent_bytes: Option<u64>,
    pub(crate) sent_drops: Option<u64>,
    /// How often it was full.
    pub(crate) stops: Option<u64>,
}

/// A socket to ask for them.
#[derive(Debug)]
pub(crate) struct Queues(Generic);

impl Queues {
    /// `None` when the kernel has no such family.
    pub(crate) fn open(socket: Socket) -> Result<Option<Self>, Error> {
        Ok(Generic::open(socket, "look up netdev", "netdev")?.map(Self))
    }

    /// Fills `rows` with the queues of all interfaces whose drivers tell.
    pub(crate) fn dump(&mut self, rows: &mut Vec<QueueStats>) -> Result<(), Error> {
        let mut payload = vec![NETDEV_CMD_QSTATS_GET, 1, 0, 0];
        write_attribute(&mut payload, NETDEV_A_QSTATS_SCOPE, &NETDEV_QSTATS_SCOPE_QUEUE.to_ne_bytes());
        self.0.dump("list queues of interfaces", &payload, rows, QueueStats::parse)
    }
}

impl QueueStats {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut stats = Self::default();
        let (mut link, mut queue, mut kind) = (None, None, None);
        for (attribute, value) in attributes(message.get(HEADER..)?) {
            let count = number(value);
            match attribute {
                NETDEV_A_QSTATS_IFINDEX => link = read_u32(value),
                NETDEV_A_QSTATS_QUEUE_ID => queue = read_u32(value),
                NETDEV_A_QSTATS_QUEUE_TYPE => kind = read_u32(value),
                NETDEV_A_QSTATS_RX_PACKETS => stats.received_packets = count,
                NETDEV_A_QSTATS_RX_BYTES => stats.received_bytes = count,
                NETDEV_A_QSTATS_RX_ALLOC_FAIL => stats.received_without_memory = count,
                NETDEV_A_QSTATS_RX_HW_DROPS => stats.received_drops = count,
                NETDEV_A_QSTATS_RX_HW_DROP_OVERRUNS => stats.received_overruns = count,
                NETDEV_A_QSTATS_TX_PACKETS => stats.sent_packets = count,
                NETDEV_A_QSTATS_TX_BYTES => stats.sent_bytes = count,
                NETDEV_A_QSTATS_TX_HW_DROPS => stats.sent_drops = count,
                NETDEV_A_QSTATS_TX_STOP => stats.stops = count,
                _ => {}
            }
        }
        Some(Self { link: link?, queue: queue?, sends: kind? == 1, ..stats })
    }
}

/// A number that takes four bytes where that is enough.
fn number(value: &[u8]) -> Option<u64> {
    read_u64(value).or_else(|| read_u32(value).map(u64::from))
}

#[cfg(test)]
mod tests {
    use super::{super::message::fuzz_payloads, *};
    use std::hint::black_box;

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![NETDEV_CMD_QSTATS_GET, 1, 0, 0];
        for (kind, value) in attributes {
            write_attribute(&mut message, *kind, value);
        }
        message
    }

    const OF_THIRD: [(u16, &[u8]); 2] =
        [(NETDEV_A_QSTATS_IFINDEX, &2_u32.to_ne_bytes()), (NETDEV_A_QSTATS_QUEUE_ID, &3_u32.to_ne_bytes())];

    #[test]
    fn reads_what_a_queue_has_in_either_width() {
        let receives = [
            OF_THIRD.as_slice(),
            &[
                (NETDEV_A_QSTATS_QUEUE_TYPE, &0_u32.to_ne_bytes()),
                (NETDEV_A_QSTATS_RX_PACKETS, &7_u32.to_ne_bytes()),
                (NETDEV_A_QSTATS_RX_BYTES, &(1_u64 << 40).to_ne_bytes()),
            ],
        ];
        let expected = QueueStats {
            link: 2,
            queue: 3,
            received_packets: Some(7),
            received_bytes: Some(1 << 40),
            ..QueueStats::default()
        };
        assert_eq!(QueueStats::parse(&message(&receives.concat())), Some(expected));

        let sends = [
            OF_THIRD.as_slice(),
            &[
                (NETDEV_A_QSTATS_QUEUE_TYPE, &1_u32.to_ne_bytes()),
                (NETDEV_A_QSTATS_TX_STOP, &5_u32.to_ne_bytes()),
            ],
        ];
        let expected = QueueStats { link: 2, queue: 3, sends: true, stops: Some(5), ..QueueStats::default() };
        assert_eq!(QueueStats::parse(&message(&sends.concat())), Some(expected));
    }

    #[test]
    fn a_queue_without_a_number_or_a_direction_is_none() {
        assert_eq!(QueueStats::parse(&message(&OF_THIRD)), None);
        assert_eq!(QueueStats::parse(&message(&OF_THIRD[..1])), None);
        assert_eq!(QueueStats::parse(&[1, 2, 3]), None);
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_queues() {
        let all: Vec<(u16, &[u8])> = (1..40).map(|kind| (kind, &[0; 8][..])).collect();
        fuzz_payloads(&message(&all), |payload| {
            black_box(QueueStats::parse(payload));
        });
    }
}
