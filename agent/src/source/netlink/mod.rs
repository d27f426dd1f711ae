//! Netlink: requests to the kernel over a kept socket. See netlink(7) and `include/uapi/linux/netlink.h`.
//!
//! [`socket`] sends and receives, [`message`] takes the bytes apart; the others each know one kind of object.

pub(crate) mod address;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod neighbour;
pub(crate) mod socket;

pub(crate) use address::Address;
pub(crate) use link::{Link, LinkName, LinkStats};
pub(crate) use neighbour::{count_arp_entries, interface_name};
pub(crate) use socket::{Request, Socket};
