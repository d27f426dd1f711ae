//! Connections in a network of their own: their number, and the application's clock, are the judges.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Check, is_emulated, undisturbed};
use crate::{
    Agent, Exposition,
    network::{counter, in_own_namespace, lose_all, take_again},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        collector: "tcp_connections",
        claim: "each short connection is made, accepted and ended",
        run: |agent| undisturbed(|| short_connections(agent)),
    },
    Check {
        collector: "tcp_connections",
        claim: "a connection of MPTCP is the TCP connection that it consists of",
        run: |agent| undisturbed(|| multipath(agent)),
    },
    Check {
        collector: "tcp_connections",
        claim: "a connection takes and lasts as long as for the application",
        run: |agent| undisturbed(|| times(agent)),
    },
    Check {
        collector: "tcp_connections",
        claim: "what is sent waits as long as its reader and the network let it",
        run: |agent| undisturbed(|| held_up(agent)),
    },
    Check {
        collector: "tcp_connections",
        claim: "what becomes of connections that are not made",
        run: |agent| undisturbed(|| failures(agent)),
    },
    Check {
        collector: "tcp_rtt",
        claim: "each read has a round trip, no longer than the application's",
        run: |agent| undisturbed(|| round_trips(agent)),
    },
];

/// What the page that a scrape asks for has by itself: the connection that the next scrape is made on.
struct Growth {
    before: Exposition,
    after: Exposition,
    /// Between two scrapes with nothing in between.
    nothing: (Exposition, Exposition),
}

impl Growth {
    fn over<T>(agent: &Agent, load: impl FnOnce() -> Result<T>) -> Result<(Self, T)> {
        let nothing = (agent.scrape()?, agent.scrape()?);
        let before = agent.scrape()?;
        let done = load()?;
        // What ends in the background has ended by then.
        thread::sleep(Duration::from_millis(100));
        let after = agent.scrape()?;
        Ok((Self { before, after, nothing }, done))
    }

    fn of(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        let sum = |page: &Exposition| page.samples(family, labels).map(|it| it.value).sum::<f64>();
        let by_itself = sum(&self.nothing.1) - sum(&self.nothing.0);
        sum(&self.after) - sum(&self.before) - by_itself
    }
}

fn short_connections(agent: &Agent) -> Result<String> {
    let n: u32 = if is_emulated() { 1000 } else { 10_000 };
    let load = || {
        in_own_namespace(|| {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            // Takes connections over IPv4, too.
            let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
            let port = v6.local_addr()?.port();
            for _ in 0..n / 4 {
                let plain = TcpStream::connect(v4.local_addr()?)?;
                let over_v6 = TcpStream::connect((Ipv6Addr::LOCALHOST, port))?;
                let mapped = TcpStream::connect((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port))?;
                let over_v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                drop((plain, over_v6, v4.accept()?));
                drop((v6.accept()?, v6.accept()?, v6.accept()?));
                drop((mapped, over_v4));
            }
            Ok(())
        })
    };
    let (growth, ()) = Growth::over(agent, load)?;
    each_counted_once(&growth, n)
}

/// One path each, both sides of which are seen to speak MPTCP; the socket above it has states of its own.
fn multipath(agent: &Agent) -> Result<String> {
    const N: u32 = 500;
    let load = || {
        in_own_namespace(|| {
            let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP));
            let listener = socket().context("the kernel speaks no MPTCP")?;
            listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            listener.listen(8)?;
            for _ in 0..N {
                let client = socket()?;
                client.connect(&listener.local_addr()?)?;
                let (mut server, _) = listener.accept()?;
                (&client).write_all(b"x")?;
                server.read_exact(&mut [0])?;
            }
            // What is closed ends in the background.
            thread::sleep(Duration::from_millis(200));
            Ok((counter("MPTcpExt", "MPCapableSYNACKRX")?, counter("MPTcpExt", "MPCapableSYNRX")?))
        })
    };
    let (growth, of_kernel) = Growth::over(agent, load)?;
    ensure!(of_kernel == (N.into(), N.into()), "{of_kernel:?} of {N} were of MPTCP");
    each_counted_once(&growth, N)
}

fn each_counted_once(growth: &Growth, n: u32) -> Result<String> {
    let seen = [
        growth.of("node_tcp_connects_total", &[("result", "established")]),
        growth.of("node_tcp_accepts_total", &[]),
        growth.of("node_tcp_connect_latency_seconds_count", &[("result", "established")]),
        growth.of("node_tcp_connection_duration_seconds_count", &[("side", "client")]),
        growth.of("node_tcp_connection_duration_seconds_count", &[("side", "server")]),
        growth.of("node_tcp_state_transitions_total", &[("from", "syn_sent"), ("to", "established")]),
    ];
    let figures = format!("connects, accepts, latencies, both durations, transitions {seen:?} of {n}");
    ensure!(seen == [f64::from(n); 6], "{figures}");
    ensure!(growth.of("node_tcp_untimed_connections_total", &[]) == 0.0, "some have no beginning");
    Ok(figures)
}

/// The first SYN is lost, which costs a second; then the connection is kept for a while.
fn times(agent: &Agent) -> Result<String> {
    let load = || {
        in_own_namespace(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            lose_all(&listener)?;
            let (client, took) = thread::scope(|scope| {
                let connecting = scope.spawn(move || {
                    let begin = Instant::now();
                    Ok::<_, std::io::Error>((TcpStream::connect(address)?, begin.elapsed()))
                });
                thread::sleep(Duration::from_millis(500));
                take_again(&listener)?;
                anyhow::Ok(connecting.join().expect("it does not panic")?)
            })?;
            let begin = Instant::now();
            thread::sleep(Duration::from_millis(800));
            drop(client);
            let lasted = begin.elapsed();
            drop(listener);
            Ok((took, lasted))
        })
    };
    let (growth, (took, lasted)) = Growth::over(agent, load)?;
    let latency = growth.of("node_tcp_connect_latency_seconds_sum", &[("result", "established")]);
    let duration = growth.of("node_tcp_connection_duration_seconds_sum", &[("side", "client")]);
    let (took, lasted) = (took.as_secs_f64(), lasted.as_secs_f64());
    let figures = format!("{latency:.3} of {took:.3} s to connect, {duration:.3} of {lasted:.3} s connected");
    ensure!((latency / took - 1.0).abs() < 0.1 && (duration / lasted - 1.0).abs() < 0.1, "{figures}");
    Ok(figures)
}

/// A reader that stops, and one that never begins until the writer gives up: both close their window. Then all that is
/// sent is lost for a while.
fn held_up(agent: &Agent) -> Result<String> {
    const PAUSE: Duration = Duration::from_millis(800);
    let load = || {
        in_own_namespace(|| {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            listener.set_recv_buffer_size(16 << 10)?;
            listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            listener.listen(8)?;
            let listener = TcpListener::from(listener);
            let windows_closed = counter("TcpExt", "TCPToZeroWindowAdv")?;
            let by_reader = stopped_reader(&listener, PAUSE)? + no_reader(&listener, PAUSE)?;
            let windows_closed = counter("TcpExt", "TCPToZeroWindowAdv")? - windows_closed;
            ensure!(windows_closed >= 2, "{windows_closed} windows were closed");
            Ok((by_reader, lost_for(&listener, PAUSE)?))
        })
    };
    let (growth, (by_reader, by_network)) = Growth::over(agent, load)?;
    let of = |limit| growth.of("node_tcp_connection_sending_seconds_total", &[("limited_by", limit)]);
    let (window, network) = (of("receive_window"), of("network"));
    let (by_reader, by_network) = (by_reader.as_secs_f64(), by_network.as_secs_f64());
    let figures = format!(
        "{window:.3} of {by_reader:.3} s by the reader, {network:.3} of {by_network:.3} s by the network"
    );
    ensure!((window / by_reader - 1.0).abs() < 0.1 && (network / by_network - 1.0).abs() < 0.1, "{figures}");
    Ok(figures)
}

/// More than there is room for in both buffers.
const MUCH: usize = 8 << 20;

fn stopped_reader(listener: &TcpListener, pause: Duration) -> Result<Duration> {
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.set_nonblocking(true)?;
    let begin = Instant::now();
    while client.write(&vec![0; MUCH]).is_ok() {}
    thread::sleep(pause);
    let stopped = begin.elapsed();
    drop(client);
    server.read_to_end(&mut Vec::new())?;
    Ok(stopped)
}

fn no_reader(listener: &TcpListener, pause: Duration) -> Result<Duration> {
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let _server = listener.accept()?;
    client.set_nonblocking(true)?;
    let begin = Instant::now();
    while client.write(&vec![0; MUCH]).is_ok() {}
    thread::sleep(pause);
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    Ok(begin.elapsed())
}

fn lost_for(listener: &TcpListener, pause: Duration) -> Result<Duration> {
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    lose_all(&server)?;
    let begin = Instant::now();
    client.write_all(b"lost")?;
    thread::sleep(pause);
    take_again(&server)?;
    server.read_exact(&mut [0; 4])?;
    Ok(begin.elapsed())
}

fn failures(agent: &Agent) -> Result<String> {
    const N: u32 = 200;
    let load = || {
        in_own_namespace(|| {
            let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            for _ in 0..N {
                ensure!(TcpStream::connect(closed).is_err(), "the port is not closed");
            }
            let deaf = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            lose_all(&deaf)?;
            for _ in 0..3 {
                let gave_up = TcpStream::connect_timeout(&deaf.local_addr()?, Duration::from_millis(50));
                ensure!(gave_up.is_err(), "the listener is not deaf");
            }
            Ok(())
        })
    };
    let (growth, ()) = Growth::over(agent, load)?;
    let of = |result| growth.of("node_tcp_connects_total", &[("result", result)]);
    let figures = format!(
        "{} refused of {N}, {} aborted of 3, {} established",
        of("refused"),
        of("aborted"),
        of("established")
    );
    ensure!((of("refused"), of("aborted"), of("established")) == (f64::from(N), 3.0, 0.0), "{figures}");
    let n_times = growth.of("node_tcp_connect_latency_seconds_count", &[("result", "refused")]);
    ensure!(n_times == f64::from(N), "{figures}, {n_times} with a time");
    Ok(figures)
}

/// A byte to and fro: the kernel's round trip is part of the application's.
fn round_trips(agent: &Agent) -> Result<String> {
    const N: u32 = 2000;
    let load = || {
        in_own_namespace(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let mut client = TcpStream::connect(listener.local_addr()?)?;
            let (mut server, _) = listener.accept()?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            thread::scope(|scope| {
                let echo = scope.spawn(move || {
                    let mut byte = [0];
                    while server.read(&mut byte)? == 1 {
                        server.write_all(&byte)?;
                    }
                    anyhow::Ok(())
                });
                let begin = Instant::now();
                for _ in 0..N {
                    client.write_all(&[0])?;
                    client.read_exact(&mut [0])?;
                }
                let took = begin.elapsed();
                drop(client);
                echo.join().ok().context("the echo panicked")??;
                Ok(took / N)
            })
        })
    };
    let (growth, round_trip) = Growth::over(agent, load)?;
    let n_reads = growth.of("node_tcp_rtt_seconds_count", &[]);
    let mean = growth.of("node_tcp_rtt_seconds_sum", &[]) / n_reads;
    let n_ends = growth.of("node_tcp_connection_rtt_seconds_count", &[]);
    let round_trip = round_trip.as_secs_f64();
    let figures = format!(
        "{n_reads} reads of {}, mean {:.1} of {:.1} us, {n_ends} ends of 2",
        2 * N,
        mean * 1e6,
        round_trip * 1e6
    );
    // The page itself is read in pieces, now in more and now in fewer.
    let others = n_reads - f64::from(2 * N);
    ensure!((0.0..20.0).contains(&others) && n_ends == 2.0, "{figures}");
    ensure!(mean > 0.0 && mean < round_trip * 1.1, "{figures}");
    Ok(figures)
}
