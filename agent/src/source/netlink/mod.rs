//! Netlink: requests to the kernel over a kept socket. See netlink(7) and `include/uapi/linux/netlink.h`.
//!
//! [`socket`] sends and receives, [`message`] takes the bytes apart; the others each know one kind of object. By hand,
//! because the crates for it build a tree of owned values from each message: 2.6 µs an interface instead of 0.15 µs,
//! and so more than half of what it takes the kernel to answer.

pub(crate) mod address;
pub(crate) mod generic;
pub(crate) mod link;
pub(crate) mod link_mode;
pub(crate) mod message;
pub(crate) mod neighbour;
pub(crate) mod qdisc;
pub(crate) mod queue_stats;
pub(crate) mod route;
pub(crate) mod socket;
pub(crate) mod tcp_states;
pub(crate) mod wifi;

pub(crate) use address::Address;
pub(crate) use generic::Generic;
pub(crate) use link::{Link, LinkName, LinkStats};
pub(crate) use link_mode::{LinkMode, LinkModes};
pub(crate) use neighbour::{count_arp_entries, interface_name};
pub(crate) use qdisc::{Qdisc, QdiscStats};
pub(crate) use queue_stats::{QueueStats, Queues};
pub(crate) use route::{Hop, Route};
pub(crate) use socket::Request;
pub use socket::Socket;
pub(crate) use tcp_states::TcpStates;
pub(crate) use wifi::{HardwareAddress, Station, Wifi, WifiNetwork};
