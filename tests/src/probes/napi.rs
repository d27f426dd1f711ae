//! Datagrams over loopback, which CPUs put into their own queues and poll: what the kernel has processed is the judge.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
};

use anyhow::{Context, Result, ensure};

use super::{Check, undisturbed};
use crate::Agent;

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "napi",
    claim: "packets polled are those processed, by /proc/net/softnet_stat",
    run: |agent| undisturbed(|| polled(agent)),
}];

const DATAGRAMS: u32 = 20_000;

fn polled(agent: &Agent) -> Result<String> {
    let seen = |family: &str| -> Result<f64> {
        let page = agent.scrape()?;
        Ok(page.samples(family, &[("device", "~backlog")]).map(|it| it.value).sum())
    };
    let packets = || seen("node_napi_packets_total");
    let (outer_before, before, inner_before) = (processed()?, packets()?, processed()?);
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for _ in 0..DATAGRAMS {
        sender.send_to(b"x", receiver.local_addr()?)?;
        receiver.recv(&mut [0])?;
    }
    let (inner_after, after, outer_after) = (processed()?, packets()?, processed()?);
    let grown = after - before;
    let (least, most) = (inner_after - inner_before, outer_after - outer_before);
    let figures = format!("{grown} of {least} to {most}, {DATAGRAMS} sent");
    // What comes from an interface with a driver is processed, too, but polled there.
    ensure!(grown >= f64::from(DATAGRAMS) && grown <= most as f64, "{figures}");
    ensure!(seen("node_napi_polls_total")? > 0.0, "{figures}, and no polls");
    Ok(figures)
}

/// Packets that all CPUs have processed: the first column, in hexadecimal digits.
fn processed() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/softnet_stat")?;
    let first = |line: &str| u64::from_str_radix(line.split(' ').next().unwrap_or_default(), 16);
    text.lines().map(|line| first(line).context("a hexadecimal number")).sum()
}
