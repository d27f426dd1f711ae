//! Segments that are lost on their way to a socket, and connections that are refused and aborted, in a network of their
//! own: the kernel's own counters there, and the number of tries, are the judges.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, SockRef, Socket, Type};

use super::{Check, hooks, undisturbed};
use crate::{
    Agent, Exposition,
    network::{counter, in_own_namespace, lose_all, lose_beginning_with, take_again},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "tcp_events",
        claim: "segments sent again are those of RetransSegs, by kind",
        run: |agent| undisturbed(|| retransmits(agent)),
    },
    Check {
        collector: "tcp_events",
        claim: "a refused connection is a reset on both sides, and an error",
        run: |agent| undisturbed(|| refused(agent)),
    },
    Check {
        collector: "tcp_events",
        claim: "an aborted connection is a reset on both sides",
        run: |agent| undisturbed(|| aborted(agent)),
    },
];

const KINDS: [&str; 5] = ["fast", "loss_probe", "syn", "syn_ack", "timeout"];
const TRIES: u32 = 500;

fn sum(page: &Exposition, family: &str, labels: &[(&str, &str)]) -> f64 {
    page.samples(family, labels).map(|it| it.value).sum()
}

fn retransmits(agent: &Agent) -> Result<String> {
    let before = agent.scrape()?;
    let counted = in_own_namespace(|| {
        let before = counter("Tcp", "RetransSegs")?;
        lost_syn()?;
        lost_syn_ack()?;
        lost_tail()?;
        lost_head()?;
        Ok(counter("Tcp", "RetransSegs")? - before)
    })?;
    let after = agent.scrape()?;
    let of = |labels: &[(&str, &str)]| {
        sum(&after, "node_tcp_retransmits_total", labels) - sum(&before, "node_tcp_retransmits_total", labels)
    };
    let by_kind = KINDS.map(|kind| (kind, of(&[("kind", kind)])));
    let figures = format!("{} of {counted}: {by_kind:?}", of(&[]));
    ensure!(of(&[]) == counted as f64 && by_kind.iter().all(|it| it.1 > 0.0), "{figures}");
    Ok(figures)
}

/// Connects to a listener that loses the first SYN.
fn lost_syn() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    lose_all(&listener)?;
    thread::scope(|scope| {
        let connecting = scope.spawn(move || TcpStream::connect(address));
        thread::sleep(Duration::from_millis(500));
        take_again(&listener)?;
        connecting.join().expect("it does not panic")?;
        Ok(())
    })
}

/// Loses the answer to its own SYN.
fn lost_syn_ack() -> Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    lose_all(&socket)?;
    socket.set_nonblocking(true)?;
    // It is under way.
    socket.connect(&listener.local_addr()?.into()).ok();
    thread::sleep(Duration::from_millis(1500));
    take_again(&socket)?;
    listener.accept()?;
    Ok(())
}

/// A connection, and the other end of it.
fn pair(address: impl Into<SocketAddr>) -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(address.into())?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    client.set_nodelay(true)?;
    Ok((client, listener.accept()?.0))
}

/// The last that is sent is lost, and with it what tells of it: a probe for losses, then timeouts.
fn lost_tail() -> Result<()> {
    let (mut client, mut server) = pair((Ipv4Addr::LOCALHOST, 0))?;
    client.write_all(b"before")?;
    server.read_exact(&mut [0; 6])?;
    lose_all(&server)?;
    client.write_all(b"lost")?;
    thread::sleep(Duration::from_millis(1500));
    take_again(&server)?;
    server.read_exact(&mut [0; 4])?;
    Ok(())
}

/// One of many that are sent is lost: those behind it tell. IPv6 that carries IPv4.
fn lost_head() -> Result<()> {
    let (mut client, mut server) = pair((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0))?;
    client.write_all(b"before")?;
    server.read_exact(&mut [0; 6])?;
    lose_beginning_with(&server, b'X')?;
    client.write_all(b"X")?;
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(2));
        client.write_all(b"behind")?;
    }
    thread::sleep(Duration::from_millis(100));
    take_again(&server)?;
    server.read_exact(&mut [0; 121])?;
    Ok(())
}

fn refused(agent: &Agent) -> Result<String> {
    let before = agent.scrape()?;
    let resets = in_own_namespace(|| {
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let before = counter("Tcp", "OutRsts")?;
        for _ in 0..TRIES {
            ensure!(TcpStream::connect(closed).is_err(), "the port is not closed");
        }
        Ok(counter("Tcp", "OutRsts")? - before)
    })?;
    let after = agent.scrape()?;
    let grown = |family, labels: &[(&str, &str)]| sum(&after, family, labels) - sum(&before, family, labels);
    let n_received = grown("node_tcp_resets_received_total", &[("state", "syn_sent")]);
    let mut figures = format!("{n_received} received of {resets}");
    ensure!(n_received == f64::from(TRIES) && resets == u64::from(TRIES), "{figures}");
    // What a kernel has no hook for is not asked.
    if hooks()?.arity("tcp_send_reset") == Some(3) {
        let n_sent = grown("node_tcp_resets_sent_total", &[("reason", "NO_SOCKET")]);
        figures += &format!(", {n_sent} sent");
        ensure!(n_sent == f64::from(TRIES), "{figures}");
    }
    if hooks()?.arity("inet_sk_error_report").is_some() {
        let labels = [("protocol", "tcp"), ("error", "connection refused")];
        let n_errors = grown("node_socket_errors_total", &labels);
        figures += &format!(", {n_errors} errors");
        ensure!(n_errors == f64::from(TRIES), "{figures}");
    }
    Ok(figures)
}

fn aborted(agent: &Agent) -> Result<String> {
    let before = agent.scrape()?;
    let resets = in_own_namespace(|| {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
        let before = counter("Tcp", "OutRsts")?;
        for _ in 0..TRIES {
            let client = TcpStream::connect(listener.local_addr()?)?;
            let (mut server, _) = listener.accept()?;
            SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
            drop(client);
            let begin = Instant::now();
            let is_reset = server.read(&mut [0]).is_err();
            ensure!(is_reset && begin.elapsed() < Duration::from_secs(1), "the connection was not reset");
        }
        Ok(counter("Tcp", "OutRsts")? - before)
    })?;
    let after = agent.scrape()?;
    let grown = |family, labels: &[(&str, &str)]| sum(&after, family, labels) - sum(&before, family, labels);
    let n_received = grown("node_tcp_resets_received_total", &[("state", "established")]);
    let n_sent = grown("node_tcp_resets_sent_total", &[]);
    let figures = format!("{n_sent} sent, {n_received} received of {resets}");
    let all = f64::from(TRIES);
    ensure!(n_received == all && n_sent == all && resets == u64::from(TRIES), "{figures}");
    if hooks()?.arity("tcp_send_reset") == Some(3) {
        let reasons: Vec<_> = after
            .samples("node_tcp_resets_sent_total", &[])
            .filter(|it| it.value > 0.0)
            .map(|it| it.labels.get("reason").context("a reset has a reason").cloned())
            .collect::<Result<_>>()?;
        return Ok(format!("{figures}; {}", reasons.join(", ")));
    }
    Ok(figures)
}
