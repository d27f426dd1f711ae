//! A name server that takes its time, and one that is not there, in a network of their own: the application's clock, and
//! the number of queries, are the judges.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Check, growth, undisturbed};
use crate::{Agent, network::in_own_namespace};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "dns",
        claim: "each answer takes as long as for the application",
        run: |agent| undisturbed(|| answers(agent)),
    },
    Check {
        collector: "dns",
        claim: "each query to nobody is refused",
        run: |agent| undisturbed(|| refused(agent)),
    },
];

const NAME_SERVER: u16 = 53;
const ROUNDS: u32 = 50;
const DELAY: Duration = Duration::from_millis(10);

/// Two at once over IPv4, one over IPv6, and one that is for another service.
fn answers(agent: &Agent) -> Result<String> {
    let mut waited = Duration::ZERO;
    let mut latency = 0.0;
    let mut n_timed = 0.0;
    let n_queries = growth(agent, "node_dns_queries_total", &[], || {
        n_timed = growth(agent, "node_dns_latency_seconds_count", &[], || {
            latency = growth(agent, "node_dns_latency_seconds_sum", &[], || {
                waited = in_own_namespace(ask)?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    let n = f64::from(3 * ROUNDS);
    let waited = waited.as_secs_f64();
    let figures = format!("{n_queries} queries, {n_timed} answers of {n}, {latency:.3} of {waited:.3} s");
    ensure!((n_queries, n_timed) == (n, n) && (latency / waited - 1.0).abs() < 0.1, "{figures}");
    Ok(figures)
}

/// How long the application waited, for all answers together.
fn ask() -> Result<Duration> {
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let servers = [(v4, NAME_SERVER), (v6, NAME_SERVER), (v4, NAME_SERVER + 1)];
    let sockets = servers.map(|(ip, port)| UdpSocket::bind(SocketAddr::new(ip, port)));
    thread::scope(|scope| {
        for server in sockets {
            let server = server?;
            server.set_read_timeout(Some(Duration::from_millis(500)))?;
            scope.spawn(move || answer(&server));
        }
        let mut waited = Duration::ZERO;
        for _ in 0..ROUNDS {
            for ((ip, port), n_queries) in servers.into_iter().zip([2, 1, 1]) {
                let own = if ip.is_ipv4() { v4 } else { v6 };
                let client = UdpSocket::bind(SocketAddr::new(own, 0))?;
                client.connect((ip, port))?;
                let begin = Instant::now();
                (0..n_queries).try_for_each(|_| client.send(b"query").map(drop))?;
                for _ in 0..n_queries {
                    client.recv(&mut [0; 16])?;
                    if port == NAME_SERVER {
                        waited += begin.elapsed();
                    }
                }
            }
        }
        Ok(waited)
    })
}

/// Answers until nobody has asked for a while.
fn answer(server: &UdpSocket) -> std::io::Result<()> {
    loop {
        let (_, client) = server.recv_from(&mut [0; 16])?;
        thread::sleep(DELAY);
        server.send_to(b"answer", client)?;
    }
}

fn refused(agent: &Agent) -> Result<String> {
    let load = || {
        in_own_namespace(|| {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            client.connect((Ipv4Addr::LOCALHOST, NAME_SERVER))?;
            for _ in 0..ROUNDS {
                client.send(b"query").context("send a query")?;
                let outcome = client.recv(&mut [0; 16]).map_err(|it| it.kind());
                ensure!(outcome == Err(ErrorKind::ConnectionRefused), "{outcome:?}");
            }
            Ok(())
        })
    };
    let n = growth(agent, "node_dns_refused_total", &[], load)?;
    ensure!(n == f64::from(ROUNDS), "{n} of {ROUNDS}");
    Ok(format!("{n} of {ROUNDS}"))
}
