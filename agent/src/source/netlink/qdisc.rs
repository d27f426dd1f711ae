//! Queueing disciplines: `RTM_NEWQDISC` of rtnetlink(7), attributes in `include/uapi/linux/rtnetlink.h` and
//! `include/uapi/linux/gen_stats.h`.

use super::{
    LinkName, Request, Socket,
    message::{attributes, read_text, read_u32, read_u64},
};
use crate::source::Error;

const RTM_GETQDISC: u16 = 38;
/// Bytes of `struct tcmsg`.
const FIXED_PART: usize = 20;

const TCA_KIND: u16 = 1;
const TCA_STATS: u16 = 3;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_PKT64: u16 = 8;

/// The parent of an interface's own discipline, `TC_H_ROOT`; 0 says the same.
const ROOT: u32 = u32::MAX;

/// The discipline of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Qdisc {
    /// The index of the interface.
    pub(crate) link: u32,
    /// `fq_codel` and the like; as long as an interface's name at most.
    pub(crate) kind: LinkName,
    pub(crate) stats: QdiscStats,
}

/// What it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QdiscStats {
    pub(crate) bytes: Option<u64>,
    pub(crate) packets: Option<u64>,
    pub(crate) drops: Option<u32>,
    pub(crate) requeues: Option<u32>,
    pub(crate) overlimits: Option<u32>,
    /// Packets that wait.
    pub(crate) length: Option<u32>,
    /// Bytes that wait.
    pub(crate) backlog: Option<u32>,
}

impl Qdisc {
    /// Fills `rows` with the disciplines of all interfaces; those within others are left out.
    pub(crate) fn dump(socket: &mut Socket, rows: &mut Vec<Self>) -> Result<(), Error> {
        let payload = &[0; FIXED_PART];
        let request = Request { call: "list queueing disciplines", kind: RTM_GETQDISC, payload };
        socket.dump(request, rows, Self::parse)
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let fixed = message.first_chunk::<FIXED_PART>()?;
        let (link, parent) = (read_u32(&fixed[4..])?, read_u32(&fixed[12..])?);
        if ![0, ROOT].contains(&parent) {
            return None;
        }
        let mut qdisc = Self { link, kind: LinkName::default(), stats: QdiscStats::default() };
        let mut old = QdiscStats::default();
        for (kind, value) in attributes(&message[FIXED_PART..]) {
            match kind {
                TCA_KIND => qdisc.kind = LinkName::new(read_text(value)),
                TCA_STATS => old = QdiscStats::from_old(value),
                TCA_STATS2 => qdisc.stats = QdiscStats::parse(value),
                _ => {}
            }
        }
        if qdisc.stats == QdiscStats::default() {
            qdisc.stats = old;
        }
        Some(qdisc)
    }
}

impl QdiscStats {
    fn parse(bytes: &[u8]) -> Self {
        let mut stats = Self::default();
        let mut all_packets = None;
        for (kind, value) in attributes(bytes) {
            let number = |at: usize| value.get(at..).and_then(read_u32);
            match kind {
                TCA_STATS_BASIC => {
                    stats.bytes = read_u64(value);
                    stats.packets = number(8).map(u64::from);
                }
                TCA_STATS_QUEUE => {
                    [stats.length, stats.backlog, stats.drops, stats.requeues, stats.overlimits] =
                        [0, 4, 8, 12, 16].map(number);
                }
                // Where 32 bits are too few.
                TCA_STATS_PKT64 => all_packets = read_u64(value),
                _ => {}
            }
        }
        stats.packets = all_packets.or(stats.packets);
        stats
    }

    /// `struct tc_stats` of `include/uapi/linux/pkt_sched.h`.
    fn from_old(bytes: &[u8]) -> Self {
        let number = |at: usize| bytes.get(at..).and_then(read_u32);
        let [drops, overlimits, length, backlog] = [12, 16, 28, 32].map(number);
        let (bytes, packets) = (read_u64(bytes), number(8).map(u64::from));
        Self { bytes, packets, drops, requeues: None, overlimits, length, backlog }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{messages, write_attribute},
        *,
    };
    use crate::{source::netlink::message::Message, testing::fuzz};
    use std::hint::black_box;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|it| it.to_ne_bytes()).collect()
    }

    /// `struct gnet_stats_basic`, the bytes in its first word on a host whose lower half comes first.
    fn basic(bytes: u64, packets: u32) -> Vec<u8> {
        [bytes.to_ne_bytes().as_slice(), &packets.to_ne_bytes(), &[0; 4]].concat()
    }

    fn message(parent: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = numbers(&[0, 7, 0x8001_0000, parent, 2]);
        for (kind, value) in attributes {
            write_attribute(&mut message, *kind, value);
        }
        message
    }

    fn stats(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in attributes {
            write_attribute(&mut bytes, *kind, value);
        }
        bytes
    }

    fn old() -> Vec<u8> {
        [1000_u64.to_ne_bytes().as_slice(), &numbers(&[10, 3, 5, 0, 0, 1, 2, 0])].concat()
    }

    #[test]
    fn reads_all_counters() {
        let (basic, queue) = (basic(1 << 40, 9), numbers(&[1, 2, 3, 4, 5]));
        let new = stats(&[(TCA_STATS_BASIC, &basic), (TCA_STATS_QUEUE, &queue)]);
        let all = message(ROOT, &[(TCA_KIND, b"fq_codel\0"), (TCA_STATS2, &new), (TCA_STATS, &old())]);
        let qdisc = Qdisc::parse(&all).unwrap();
        assert_eq!((qdisc.link, &*qdisc.kind), (7, &b"fq_codel"[..]));
        let mut expected = QdiscStats {
            bytes: Some(1 << 40),
            packets: Some(9),
            drops: Some(3),
            requeues: Some(4),
            overlimits: Some(5),
            length: Some(1),
            backlog: Some(2),
        };
        assert_eq!(qdisc.stats, expected);

        let wide = stats(&[(TCA_STATS_PKT64, &(1_u64 << 33).to_ne_bytes()), (TCA_STATS_BASIC, &basic)]);
        expected = QdiscStats { bytes: Some(1 << 40), packets: Some(1 << 33), ..QdiscStats::default() };
        assert_eq!(Qdisc::parse(&message(ROOT, &[(TCA_STATS2, &wide)])).unwrap().stats, expected);
    }

    #[test]
    fn old_kernels_count_less() {
        let qdisc = Qdisc::parse(&message(0, &[(TCA_STATS, &old())])).unwrap();
        let expected = QdiscStats {
            bytes: Some(1000),
            packets: Some(10),
            drops: Some(3),
            requeues: None,
            overlimits: Some(5),
            length: Some(1),
            backlog: Some(2),
        };
        assert_eq!(qdisc.stats, expected);
    }

    #[test]
    fn disciplines_within_others_are_left_out() {
        assert_eq!(Qdisc::parse(&message(1, &[(TCA_KIND, b"fq\0")])), None);
        assert_eq!(Qdisc::parse(&message(0, &[]).as_slice()[..FIXED_PART - 1]), None);
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_qdiscs() {
        let (basic, queue) = (basic(1 << 40, 9), numbers(&[1, 2, 3, 4, 5]));
        let new = stats(&[(TCA_STATS_BASIC, &basic), (TCA_STATS_QUEUE, &queue), (TCA_STATS_PKT64, &[1; 8])]);
        let payload = message(ROOT, &[(TCA_KIND, b"fq\0"), (TCA_STATS2, &new), (TCA_STATS, &old())]);
        let mut datagram = Vec::new();
        Message { kind: 36, flags: 2, sequence: 1, payload: &payload }.write(&mut datagram);
        fuzz(&[&datagram, &payload], |bytes| {
            for payload in messages(bytes).map(|it| it.payload).chain([bytes]) {
                black_box(Qdisc::parse(payload));
            }
        });
    }
}
