//! A link that is slow, and a firewall, in networks of their own: the application's clock and the counters of `iptables`
//! are the judges.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{Agent, Exposition, network::in_own_namespace, probes::undisturbed};
use socket2::SockRef;

use crate::network::run;

/// In seconds: a packet with 1000 bytes of data has 1066, and as many go each way, of 106,600 a second.
const ROUND_TRIP: f64 = 0.02;
const SLOW: &str = "qdisc add dev lo root tbf rate 106600bps burst 1600 latency 10s";
const ROUNDS: u32 = 250;

const CONNECTIONS: &str = "collector.disable_defaults = true
[collector.tcp_connections]
enabled = true
[collector.tcp_rtt]
enabled = true
";
const DROPS: &str = "collector.disable_defaults = true\n[collector.packet_drops]\nenabled = true\n";

/// How long the application takes to connect, and for each round trip.
struct Times {
    connect: f64,
    round_trip: f64,
}

pub(crate) fn take_as_long_as_for_the_application() -> Result<()> {
    let agent = Agent::start(CONNECTIONS, &[])?;
    println!("{}", undisturbed(|| over_a_slow_link(&agent))?);
    Ok(())
}

fn over_a_slow_link(agent: &Agent) -> Result<String> {
    let before = agent.scrape()?;
    let times = in_own_namespace(|| {
        run("tc", &SLOW.split(' ').collect::<Vec<_>>())?;
        to_and_fro()
    })?;
    // What is closed over a slow link ends in a while.
    thread::sleep(Duration::from_secs(1));
    let after = agent.scrape()?;
    let mean = |family: &str, labels: &[(&str, &str)]| -> Result<f64> {
        let of = |page: &Exposition, part: &str| page.value(&format!("{family}_{part}"), labels);
        let n = of(&after, "count")? - of(&before, "count")?;
        ensure!(n > 0.0, "{family} has nothing");
        Ok((of(&after, "sum")? - of(&before, "sum")?) / n)
    };
    let connect = mean("node_tcp_connect_latency_seconds", &[("result", "established")])?;
    let at_reads = mean("node_tcp_rtt_seconds", &[])?;
    let figures = format!(
        "{:.1} of {:.1} ms to connect, {:.1} of {:.1} ms a round trip",
        connect * 1e3,
        times.connect * 1e3,
        at_reads * 1e3,
        times.round_trip * 1e3
    );
    let is_near = |ours: f64, theirs: f64| (ours / theirs - 1.0).abs() < 0.1;
    ensure!(is_near(connect, times.connect), "{figures}");
    ensure!(is_near(at_reads, times.round_trip) && is_near(at_reads, ROUND_TRIP), "{figures}");
    Ok(figures)
}

fn to_and_fro() -> Result<Times> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // What it may send at once is used up, and two packets more wait.
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    (0..3).try_for_each(|_| socket.send_to(&[0; 1500], "127.0.0.1:9").map(drop))?;
    let begin = Instant::now();
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let connect = begin.elapsed().as_secs_f64();
    let (mut server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // What comes is acknowledged by what is sent back, not by a small packet before.
    [&client, &server].into_iter().try_for_each(|it| SockRef::from(it).set_tcp_quickack(false))?;
    let mut bytes = [0; 1000];
    thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut bytes = [0; 1000];
            while server.read_exact(&mut bytes).is_ok() {
                server.write_all(&bytes)?;
            }
            anyhow::Ok(())
        });
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            client.write_all(&bytes)?;
            client.read_exact(&mut bytes)?;
        }
        let round_trip = begin.elapsed().as_secs_f64() / f64::from(ROUNDS);
        drop(client);
        echo.join().ok().context("the echo panicked")??;
        Ok(Times { connect, round_trip })
    })
}

/// Refused by a rule, without a word and with one.
pub(crate) fn refused_by_a_firewall_are_counted() -> Result<()> {
    let agent = Agent::start(DROPS, &[])?;
    let drops = || -> Result<f64> {
        let page = agent.scrape()?;
        Ok(page.samples("node_packet_drops_total", &[("reason", "NETFILTER_DROP")]).map(|it| it.value).sum())
    };
    for target in ["DROP", "REJECT"] {
        let before = drops()?;
        let by_rule = in_own_namespace(|| refused(target))?;
        let seen = drops()? - before;
        println!("{target}: {seen} of {by_rule}");
        ensure!(seen == by_rule && by_rule == 1000.0, "{target}: {seen} of {by_rule}");
    }
    Ok(())
}

/// How many the rule has refused.
fn refused(target: &str) -> Result<f64> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let address = receiver.local_addr()?;
    let port = address.port().to_string();
    run("iptables", &["-A", "INPUT", "-p", "udp", "--dport", &port, "-j", target])?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..1000 {
        sender.send_to(b"x", address)?;
    }
    receiver.set_nonblocking(true)?;
    ensure!(receiver.recv(&mut [0]).is_err(), "the rule lets packets through");
    let rules = run("iptables", &["-L", "INPUT", "-v", "-x", "-n"])?;
    let rule = rules.lines().last().context("a rule")?;
    Ok(rule.split_ascii_whitespace().next().context("a number of packets")?.parse()?)
}
