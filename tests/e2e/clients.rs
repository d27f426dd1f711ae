//! What clients cannot do to the agent, however many they are, whatever they ask and however little they take.

use hostlens_tests::Agent;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    fs,
    io::{Read as _, Result, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const NO_PROBES: &str = "--ebpf.enabled=never";

/// So long a scraper waits.
const PATIENCE: Duration = Duration::from_secs(10);

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The whole answer to one request by a connection of its own.
fn ask(address: SocketAddr, path: &str, headers: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A field of the process' status, in KiB.
fn memory(agent: &Agent, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let value = status.lines().find_map(|it| it.strip_prefix(key)).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Hundredths of a second.
fn cpu_time(agent: &Agent) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum()
}

fn n_descriptors(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

/// As many as this process may have; how many.
fn allow_descriptors() -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
    hard.unwrap_or(u64::MAX)
}

#[test]
fn idle_clients_hold_few_descriptors_and_keep_nobody_out() {
    let agent = Agent::start("[web]\nmax_connections = 64\n", &[NO_PROBES]).unwrap();
    agent.scrape().unwrap();
    let before = n_descriptors(&agent);
    // Each is a descriptor of this process, too.
    let n_clients = (allow_descriptors() / 2).min(10_000);
    assert!(n_clients > 500, "{n_clients} clients are few");
    let silent: Vec<_> = (0..n_clients).map(|_| connect(agent.address()).unwrap()).collect();
    for _ in 0..12 {
        let answer = ask(agent.address(), "/metrics?collect[]=loadavg", "").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // Beside those that are open some wait for room.
        assert!(n_descriptors(&agent) <= before + 64 + 8 + 2, "{} of {before}", n_descriptors(&agent));
    }
    drop(silent);
}

/// What a scraper says of its patience is no collector's fault.
#[test]
fn a_timeout_of_no_time_makes_nobody_late_and_fills_no_log() {
    let agent = Agent::start("", &[NO_PROBES]).unwrap();
    let succeeded = || -> Vec<_> {
        let page = agent.scrape().unwrap();
        let mut all: Vec<_> = page
            .samples("node_scrape_collector_success", &[])
            .map(|it| (it.labels.clone(), it.value.to_bits()))
            .collect();
        all.sort();
        all
    };
    let before = succeeded();
    let written = agent.log().len();
    let begin = Instant::now();
    let mut n_asked = 0;
    while begin.elapsed() < Duration::from_secs(5) {
        let answer = agent.get("/metrics", &[("X-Prometheus-Scrape-Timeout-Seconds", "1e-9")]).unwrap();
        assert_eq!(answer.status, 200);
        n_asked += 1;
    }
    assert_eq!(succeeded(), before);
    let written = agent.log().len() - written;
    println!("{n_asked} scrapes, {written} bytes of log");
    assert!(n_asked > 20 && written < 20_000, "{n_asked} scrapes, {written} bytes of log");
}

#[test]
fn without_descriptors_it_tries_ever_less_often_and_comes_back() {
    let agent = Agent::start("", &[NO_PROBES]).unwrap();
    agent.scrape().unwrap();
    let pid = Pid::from_raw(agent.pid() as i32);
    // What it has stays, and no other can be opened.
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), maximum: Some(4096) }).unwrap();
    let used = cpu_time(&agent);
    let mut waiting = connect(agent.address()).unwrap();
    waiting.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    thread::sleep(Duration::from_secs(4));
    let n_tries = agent.log().matches("no connection can be accepted for now").count();
    assert!((3..8).contains(&n_tries), "{n_tries} tries in 4 s: {}", agent.log());
    assert!(cpu_time(&agent) - used < 40, "{} hundredths of a second", cpu_time(&agent) - used);
    let enough = Rlimit { current: Some(1024), maximum: Some(4096) };
    prlimit(pid, Resource::Nofile, enough).unwrap();
    assert!(before.maximum.is_none_or(|it| it >= 4096));
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\nnode_load1 "), "{answer}");
}

/// More than may be open at once, all with a wrong password, each as often as it can: some by a connection for each
/// request, some by one for all.
#[test]
fn guessers_cost_no_true_scrape() {
    const N_GUESSERS: usize = 800;
    let hash = bcrypt::hash("secret", 10).unwrap();
    let config = format!("[web]\nmax_connections = 128\nauth.basic_auth_users = {{ alice = '{hash}' }}\n");
    let agent = Agent::start(&config, &[NO_PROBES]).unwrap();
    let right = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    let scrape = |round: usize| {
        let start = Instant::now();
        let answer = ask(agent.address(), "/metrics?collect[]=loadavg", right)
            .unwrap_or_else(|error| panic!("scrape {round}: {error} after {:?}", start.elapsed()));
        assert!(
            answer.starts_with("HTTP/1.1 200 "),
            "scrape {round}: {answer:?} after {:?}",
            start.elapsed()
        );
        assert!(answer.contains("\nnode_load1 "), "scrape {round}: {answer}");
    };
    scrape(0);
    allow_descriptors();
    let (is_over, n_refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let guess = &|guesser: usize| {
        let last_word = if guesser.is_multiple_of(2) { "close" } else { "keep-alive" };
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: {last_word}\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n"
        );
        let mut answer = [0; 4096];
        while !is_over.load(Ordering::Relaxed) {
            // Either may fail: it has to make room for others.
            let Ok(mut stream) = connect(agent.address()) else { continue };
            while !is_over.load(Ordering::Relaxed) && stream.write_all(request.as_bytes()).is_ok() {
                let Ok(n_bytes @ 1..) = stream.read(&mut answer) else { break };
                let status = &answer[..n_bytes.min(12)];
                let is_refused = [&b"HTTP/1.1 401"[..], b"HTTP/1.1 429"].contains(&status);
                n_refused.fetch_add(is_refused.into(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for guesser in 0..N_GUESSERS {
            let thread = thread::Builder::new().stack_size(128 << 10);
            if let Err(error) = thread.spawn_scoped(scope, move || guess(guesser)) {
                // Those before would go on for ever.
                is_over.store(true, Ordering::Relaxed);
                panic!("thread {guesser}: {error}");
            }
        }
        let scraped = scope.spawn(|| (1..=12).for_each(scrape)).join();
        is_over.store(true, Ordering::Relaxed);
        scraped.unwrap();
    });
    assert!(n_refused.into_inner() > N_GUESSERS, "the guessers were at it");
}

/// RFC 9113, by hand.
mod http2 {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    /// Both ends of a request: nothing follows.
    const END: u8 = 0x5;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// The first words of a client that takes no byte of any body: `SETTINGS_INITIAL_WINDOW_SIZE` is 0.
    pub(super) fn greeting() -> Vec<u8> {
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
    }

    /// `GET path` in HPACK without a table: method and scheme by their numbers, path and authority as they are.
    pub(super) fn request(stream: u32, path: &str) -> Vec<u8> {
        let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'a']);
        frame(HEADERS, END, stream, &block)
    }
}

#[test]
fn answers_that_nobody_takes_are_few() {
    const N_CONNECTIONS: usize = 60;
    const N_STREAMS: u32 = 64;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let prepare = |folder: &Path, command: &mut Command| {
        fs::write(folder.join("cert"), cert.pem()).unwrap();
        fs::write(folder.join("key"), signing_key.serialize_pem()).unwrap();
        let name = |it: &str| folder.join(it).display().to_string();
        command.arg(format!("--web.tls.cert-file={}", name("cert")));
        command.arg(format!("--web.tls.key-file={}", name("key")));
    };
    let agent = Agent::start_prepared("", &[NO_PROBES], prepare).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(cert.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let open = || {
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
        StreamOwned::new(client, connect(agent.address()).unwrap())
    };
    // What every connection costs, so that it is not taken for answers.
    let mut clients: Vec<_> = (0..N_CONNECTIONS).map(|_| open()).collect();
    clients.iter_mut().for_each(|it| it.write_all(&http2::greeting()).unwrap());
    thread::sleep(Duration::from_millis(500));
    let before = memory(&agent, "VmRSS:");
    for client in &mut clients {
        for stream in 0..N_STREAMS {
            // It may have been closed to make room.
            if client.write_all(&http2::request(stream * 2 + 1, "/metrics?exclude[]=x")).is_err() {
                break;
            }
        }
    }
    thread::sleep(Duration::from_secs(5));
    let grown = memory(&agent, "VmHWM:").saturating_sub(before);
    println!(
        "{N_CONNECTIONS} connections, {N_STREAMS} streams each: {before} KiB grow by {grown} KiB at most"
    );
    assert!(grown < 24 << 10, "{before} KiB grow by {grown} KiB");
    drop(clients);
}
