//! Packets to sockets that nobody reads: what the application sent and what it then finds there is the judge.

use std::{
    fs,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
};

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Check, undisturbed};
use crate::{Agent, Exposition, network::in_own_namespace};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "socket_drops",
        claim: "what a full UDP socket does not take is dropped",
        run: |agent| undisturbed(|| dropped(agent, "udp", udp)),
    },
    Check {
        collector: "socket_drops",
        claim: "what a full socket for pings does not take is dropped",
        run: |agent| undisturbed(|| dropped(agent, "icmp", pings)),
    },
];

const PACKETS: usize = 1000;

fn dropped(agent: &Agent, protocol: &str, load: fn() -> Result<usize>) -> Result<String> {
    let drops = |page: &Exposition| -> f64 {
        let labels = [("protocol", protocol), ("cause", "receive_buffer")];
        page.samples("node_socket_drops_total", &labels).map(|it| it.value).sum()
    };
    let before = drops(&agent.scrape()?);
    let n_lost = in_own_namespace(load)?;
    let seen = drops(&agent.scrape()?) - before;
    let figures = format!("{seen} of {n_lost}, {PACKETS} sent");
    ensure!(n_lost > PACKETS / 2 && seen == n_lost as f64, "{figures}");
    Ok(figures)
}

fn udp() -> Result<usize> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&receiver).set_recv_buffer_size(16 << 10)?;
    receiver.set_nonblocking(true)?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for _ in 0..PACKETS {
        sender.send_to(&[0; 500], receiver.local_addr()?)?;
    }
    Ok(PACKETS - n_waiting(|| receiver.recv(&mut [0; 600]))?)
}

/// The answers to pings come to the socket that sends them: icmp(7).
fn pings() -> Result<usize> {
    fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").context("let root's group ping")?;
    let mut socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
    socket.set_recv_buffer_size(16 << 10)?;
    socket.set_nonblocking(true)?;
    let mut request = [0; 500];
    // ICMP_ECHO
    request[0] = 8;
    for _ in 0..PACKETS {
        socket.send_to(&request, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    }
    Ok(PACKETS - n_waiting(|| socket.read(&mut [0; 600]))?)
}

/// How many packets there are to be read.
fn n_waiting(mut read: impl FnMut() -> std::io::Result<usize>) -> Result<usize> {
    for n in 0.. {
        match read() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(n),
            Err(error) => return Err(error.into()),
        }
    }
    bail!("packets without end")
}
