//! Datagrams to a port that nobody listens at, each of which the kernel drops for want of a socket.

use std::net::UdpSocket;

use anyhow::{Result, ensure};

use super::Check;
use crate::{Agent, Exposition};

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "packet_drops",
    claim: "each datagram to a closed port is one drop",
    run: closed_port,
}];

const DATAGRAMS: u32 = 1000;

fn closed_port(agent: &Agent) -> Result<String> {
    let closed = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let drops = |page: &Exposition| -> f64 {
        page.samples("node_packet_drops_total", &[("reason", "NO_SOCKET")]).map(|it| it.value).sum()
    };
    let before = drops(&agent.scrape()?);
    for _ in 0..DATAGRAMS {
        // Every second one fails: it is told that the one before was refused.
        if sender.send_to(b"x", closed).is_err() {
            sender.send_to(b"x", closed)?;
        }
    }
    let seen = drops(&agent.scrape()?) - before;
    ensure!(seen == f64::from(DATAGRAMS), "{seen} drops for {DATAGRAMS} datagrams");
    Ok(format!("{seen} of {DATAGRAMS}"))
}
