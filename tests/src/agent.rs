//! The agent as a process: on a free port of loopback, ended on drop.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use ureq::config::AutoHeaderValue;

use crate::{Exposition, NativeHistogram, native};

/// Generous: debug builds on an emulated CPU start within it.
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A running agent.
pub struct Agent {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
    stderr: Arc<Mutex<String>>,
    client: ureq::Agent,
    /// Kept because the agent may read it again.
    _config: NamedTempFile,
}

/// An answer as it came over the wire: nothing decoded but the transfer encoding.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// In the order of the wire; names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Agent {
    /// Starts the workspace's agent with `config` as its TOML file and `args` behind the address and file flags.
    /// Returns once it listens; an agent that ends before, or never listens, is an error with its log.
    pub fn start(config: &str, args: &[&str]) -> Result<Self> {
        Self::start_program(program()?, config, args)
    }

    /// [`Agent::start`], for the binary at `program`.
    pub fn start_program(program: &Path, config: &str, args: &[&str]) -> Result<Self> {
        let mut file = NamedTempFile::with_suffix(".toml")?;
        file.write_all(config.as_bytes())?;
        let address = free_address()?;
        let started = Instant::now();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", file.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let stderr = child.stderr.take().context("take the agent's standard error")?;
        let mut agent = Self {
            child,
            address,
            ready_after: Duration::ZERO,
            stderr: keep_lines(stderr),
            client: client(),
            _config: file,
        };
        agent.wait_until_ready(started + READY_LIMIT)?;
        agent.ready_after = started.elapsed();
        Ok(agent)
    }

    /// The metrics page in Prometheus text format 0.0.4, parsed; an error unless the status is 200.
    pub fn scrape(&self) -> Result<Exposition> {
        let response = self.get("/metrics", &[("accept", "text/plain;version=0.0.4")])?;
        ensure!(response.status == 200, "/metrics answers {}: {}", response.status, response.text());
        Exposition::parse(std::str::from_utf8(&response.body).context("read the metrics page as UTF-8")?)
    }

    /// A native histogram without labels, from a scrape as Prometheus makes it.
    pub fn native_histogram(&self, name: &str) -> Result<NativeHistogram> {
        let response = self.get("/metrics", &[("accept", native::ACCEPT)])?;
        ensure!(response.status == 200, "/metrics answers {}: {}", response.status, response.text());
        NativeHistogram::decode(&response.body, name)
    }

    /// Sends `GET path` with no header but `Host` and those given; any status is an answer, redirects are not followed.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let url = format!("http://{}{path}", self.address);
        let request =
            headers.iter().fold(self.client.get(&url), |it, (name, value)| it.header(*name, *value));
        let mut answer = request.call().with_context(|| format!("get {url}"))?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec();
        Ok(Response { status, headers, body: body.with_context(|| format!("read the answer of {url}"))? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From the start of the process to the first connection it accepted.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("a process id of 0")?;
        kill_process(pid, signal).context("signal the agent")
    }

    /// Asks it to end (SIGTERM) and waits; an agent that does not end in time is an error.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "the agent still runs {STOP_LIMIT:?} after SIGTERM:\n{}",
                self.stderr()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_ready(&mut self, deadline: Instant) -> Result<()> {
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent ended with {status}:\n{}", self.stderr());
            }
            ensure!(
                Instant::now() < deadline,
                "the agent does not listen on {}:\n{}",
                self.address,
                self.stderr()
            );
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself: both calls then have nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Response {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, for messages and plain pages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The agent's binary: `$HOSTLENS_BIN`, or that of this test's target directory, brought up to date first:
/// cargo builds no binary of another package for a test.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: LazyLock<Result<PathBuf>> = LazyLock::new(|| {
        if let Some(path) = env::var_os("HOSTLENS_BIN") {
            return Ok(PathBuf::from(path));
        }
        let test = env::current_exe()?;
        let directory = test.ancestors().find(|it| it.ends_with("deps")).and_then(Path::parent);
        let directory =
            directory.context("find the target directory: not a cargo test, and HOSTLENS_BIN is not set")?;
        let profile = match directory.file_name().and_then(|it| it.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package", "hostlens", "--profile", profile])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()?;
        ensure!(status.success(), "cargo build --package hostlens: {status}");
        Ok(directory.join("hostlens"))
    });
    PROGRAM.as_deref().map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// A port that nothing listened on a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(ANSWER_LIMIT))
        .user_agent(AutoHeaderValue::None)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .build()
        .into()
}

/// Reads `from` on a thread until it is closed: a full pipe would stop the agent.
fn keep_lines(from: ChildStderr) -> Arc<Mutex<String>> {
    let kept = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&kept);
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    });
    kept
}
