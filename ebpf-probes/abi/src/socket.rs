//! Which protocol a socket speaks, for counts by it.

/// Address families: include/linux/socket.h.
const UNIX: u16 = 1;
const INET: u16 = 2;
const INET6: u16 = 10;
const NETLINK: u16 = 16;
const PACKET: u16 = 17;

/// `SOCK_RAW`.
const RAW: u16 = 3;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    Other = 0,
    Tcp = 1,
    Mptcp = 2,
    Udp = 3,
    Icmp = 4,
    Sctp = 5,
    /// Any protocol of IP, past the kernel's own.
    Raw = 6,
    Packet = 7,
    Netlink = 8,
    Unix = 9,
}

impl Protocol {
    /// All, each at the index that is its number.
    pub const ALL: [Self; 10] = [
        Self::Other,
        Self::Tcp,
        Self::Mptcp,
        Self::Udp,
        Self::Icmp,
        Self::Sctp,
        Self::Raw,
        Self::Packet,
        Self::Netlink,
        Self::Unix,
    ];

    /// Of the numbers that socket(2) was given. IPv4 and IPv6 are told apart nowhere: a socket may speak both.
    #[inline(always)]
    pub const fn of(family: u16, kind: u16, protocol: u16) -> Self {
        match (family, protocol) {
            (INET | INET6, _) if kind == RAW => Self::Raw,
            (INET | INET6, 6) => Self::Tcp,
            (INET | INET6, 262) => Self::Mptcp,
            (INET | INET6, 17 | 136) => Self::Udp,
            (INET | INET6, 1 | 58) => Self::Icmp,
            (INET | INET6, 132) => Self::Sctp,
            (PACKET, _) => Self::Packet,
            (NETLINK, _) => Self::Netlink,
            (UNIX, _) => Self::Unix,
            _ => Self::Other,
        }
    }

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Tcp => "tcp",
            Self::Mptcp => "mptcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Sctp => "sctp",
            Self::Raw => "raw",
            Self::Packet => "packet",
            Self::Netlink => "netlink",
            Self::Unix => "unix",
        }
    }
}

/// Why a socket did not take a packet, or was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// Its receive buffer is full.
    ReceiveBuffer = 0,
    /// No memory is left for its protocol, by `tcp_mem` or `udp_mem` in sysctl(8), or for its cgroup.
    Memory = 1,
    /// A check that failed when the packet was read.
    Other = 2,
}

impl Cause {
    /// All, each at the index that is its number.
    pub const ALL: [Self; 3] = [Self::ReceiveBuffer, Self::Memory, Self::Other];

    /// Of the error with which UDP refused a packet: net/ipv4/udp.c, `__udp_enqueue_schedule_skb`.
    #[inline(always)]
    pub const fn of_udp(errno: i32) -> Self {
        match errno {
            -12 => Self::ReceiveBuffer, // ENOMEM
            -105 => Self::Memory,       // ENOBUFS
            _ => Self::Other,
        }
    }
}

/// Counts of causes by protocol: the index of one.
#[inline(always)]
pub const fn index(protocol: Protocol, cause: Cause) -> u32 {
    protocol as u32 * CAUSES + cause as u32
}

/// Room for causes.
pub const CAUSES: u32 = 4;

/// Room for error numbers: more than there are.
pub const ERRORS: u32 = 256;

/// The protocols of IP come first: counts of their errors.
pub const ERROR_COUNTS: usize = (Protocol::Raw as usize + 1) * ERRORS as usize - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        assert!((0..).zip(Protocol::ALL).all(|(idx, it)| it as usize == idx));
        assert!((0..).zip(Cause::ALL).all(|(idx, it)| it as usize == idx));
        assert!(Cause::ALL.len() as u32 <= CAUSES);
    }

    #[test]
    fn a_protocol_is_the_same_over_both_versions_of_ip() {
        for family in [INET, INET6] {
            assert_eq!(Protocol::of(family, 1, 6), Protocol::Tcp);
            assert_eq!(Protocol::of(family, 1, 262), Protocol::Mptcp);
            assert_eq!(Protocol::of(family, 2, 17), Protocol::Udp);
            assert_eq!(Protocol::of(family, RAW, 6), Protocol::Raw);
        }
        // The number of another family says nothing of IP.
        assert_eq!(Protocol::of(NETLINK, RAW, 6), Protocol::Netlink);
        assert_eq!(Protocol::of(PACKET, RAW, 6), Protocol::Packet);
        assert_eq!(Protocol::of(40, 1, 6), Protocol::Other);
    }
}
