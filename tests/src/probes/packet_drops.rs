//! Packets that the kernel has a reason to drop: datagrams to a port that nobody listens at, to a socket that nobody reads,
//! that a filter refuses, with a wrong checksum, or for a queue that is full. How many there were is the judge.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
};

use anyhow::{Result, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Check, undisturbed};
use crate::{
    Agent, Exposition,
    network::{fill_queue_of_loopback, in_own_namespace, lose_all, take_all},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "packet_drops",
        claim: "each datagram to a closed port is one drop, at its interface",
        run: |agent| undisturbed(|| dropped(agent, "NO_SOCKET", Some("lo"), closed_port)),
    },
    Check {
        collector: "packet_drops",
        claim: "each datagram that a full socket does not take is one drop",
        run: |agent| undisturbed(|| dropped(agent, "SOCKET_RCVBUFF", None, full_socket)),
    },
    Check {
        collector: "packet_drops",
        claim: "each datagram that a filter refuses is one drop",
        run: |agent| undisturbed(|| dropped(agent, "SOCKET_FILTER", None, filter)),
    },
    Check {
        collector: "packet_drops",
        claim: "each datagram with a wrong checksum is one drop",
        run: |agent| undisturbed(|| dropped(agent, "UDP_CSUM", None, wrong_checksum)),
    },
    Check {
        collector: "packet_drops",
        claim: "each datagram that the queue of an interface has no room for is one drop",
        run: |agent| undisturbed(|| dropped(agent, "QDISC_", None, full_queue)),
    },
];

const DATAGRAMS: u32 = 1000;

/// `reason`: how its name begins, as kernels call that of a queue by different names.
fn dropped(
    agent: &Agent,
    reason: &str,
    interface: Option<&str>,
    load: fn() -> Result<u32>,
) -> Result<String> {
    let drops = |page: &Exposition, family, labels: &[(&str, &str)]| -> f64 {
        let samples = page.samples(family, labels).filter(|it| it.labels["reason"].starts_with(reason));
        samples.map(|it| it.value).sum()
    };
    let all = |page: &Exposition| drops(page, "node_packet_drops_total", &[]);
    let at = |page: &Exposition| {
        let labels = [("device", interface.unwrap_or("~other"))];
        drops(page, "node_packet_device_drops_total", &labels)
    };
    let before = agent.scrape()?;
    let n_lost = match interface {
        Some(_) => load()?,
        None => in_own_namespace(load)?,
    };
    let after = agent.scrape()?;
    let (seen, seen_at) = (all(&after) - all(&before), at(&after) - at(&before));
    let figures =
        format!("{seen} of {n_lost}, {seen_at} at {}", interface.unwrap_or("no interface of this network"));
    ensure!(n_lost > 0 && seen == f64::from(n_lost) && seen_at == seen, "{figures}");
    Ok(figures)
}

fn closed_port() -> Result<u32> {
    let closed = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..DATAGRAMS {
        // Every second one fails: it is told that the one before was refused.
        if sender.send_to(b"x", closed).is_err() {
            sender.send_to(b"x", closed)?;
        }
    }
    Ok(DATAGRAMS)
}

/// What is sent to it and not there to be read.
fn sent_to(receiver: &UdpSocket) -> Result<u32> {
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for _ in 0..DATAGRAMS {
        sender.send_to(&[0; 500], receiver.local_addr()?)?;
    }
    n_missing(receiver)
}

fn n_missing(receiver: &UdpSocket) -> Result<u32> {
    receiver.set_nonblocking(true)?;
    let mut n_missing = DATAGRAMS;
    loop {
        match receiver.recv(&mut [0; 600]) {
            Ok(_) => n_missing -= 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(n_missing),
            Err(error) => return Err(error.into()),
        }
    }
}

fn full_socket() -> Result<u32> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&receiver).set_recv_buffer_size(16 << 10)?;
    sent_to(&receiver)
}

fn full_queue() -> Result<u32> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    fill_queue_of_loopback()?;
    sent_to(&receiver)
}

fn filter() -> Result<u32> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    lose_all(&receiver)?;
    sent_to(&receiver)
}

fn wrong_checksum() -> Result<u32> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // A filter wants whole packets: without one the kernel looks when the packet is read.
    take_all(&receiver)?;
    let sender = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP))?;
    let port = receiver.local_addr()?.port().to_be_bytes();
    // Ports, length, checksum (0 would be none), a byte.
    let datagram = [0x30, 0x39, port[0], port[1], 0, 9, 0xde, 0xad, b'x'];
    for _ in 0..DATAGRAMS {
        sender.send_to(&datagram, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    }
    n_missing(&receiver)
}
