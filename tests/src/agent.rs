//! The agent as a process: in a folder of its own, on a free port of loopback, ended on drop.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{self, Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use ureq::{Body, config::AutoHeaderValue, http};

use crate::{Exposition, NativeHistogram, native};

/// Generous: debug builds on an emulated CPU start within it.
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// The names of files in its folder.
const CONFIG: &str = "hostlens.toml";
const LOG: &str = "log";

/// A running agent.
pub struct Agent {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
    client: ureq::Agent,
    /// Where it runs: its config, its log, and what a test puts there.
    folder: TempDir,
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
    /// Starts the workspace's agent with `config` as its file `hostlens.toml` and `args` behind the address and file
    /// flags. Returns once it listens; an agent that ends before, or never listens, is an error with its log.
    pub fn start(config: &str, args: &[&str]) -> Result<Self> {
        Self::start_program(program()?, config, args)
    }

    /// [`Agent::start`], for the binary at `program`.
    pub fn start_program(program: &Path, config: &str, args: &[&str]) -> Result<Self> {
        Self::spawn(program, config, args, |_, _| {})
    }

    /// [`Agent::start`], once `prepare` has seen to its folder and its command.
    pub fn start_prepared(
        config: &str,
        args: &[&str],
        prepare: impl FnOnce(&Path, &mut Command),
    ) -> Result<Self> {
        Self::spawn(program()?, config, args, prepare)
    }

    fn spawn(
        program: &Path,
        config: &str,
        args: &[&str],
        prepare: impl FnOnce(&Path, &mut Command),
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // It may run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        fs::write(folder.path().join(CONFIG), config)?;
        let log = fs::File::create(folder.path().join(LOG))?;
        let address = free_address()?;
        let mut command = Command::new(path::absolute(program)?);
        command
            .arg(format!("--config.file={CONFIG}"))
            .arg(format!("--web.listen-address={address}"))
            .args(args)
            .env_clear();
        prepare(folder.path(), &mut command);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let mut agent = Self { child, address, ready_after: Duration::ZERO, client: client(), folder };
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

    /// Since when each series counts that says it, as Unix time, from an answer in OpenMetrics 2.0, which has to be on.
    pub fn starts(&self) -> Result<BTreeMap<String, f64>> {
        let response = self.get("/metrics", &[("accept", "application/openmetrics-text;version=2.0.0")])?;
        let content_type = response.header("content-type").unwrap_or_default();
        ensure!(content_type.contains("version=2.0.0"), "the answer is {content_type}");
        let text = response.text();
        // No value of that format holds a blank.
        let sample = |line: &str| {
            let (sample, start) = line.rsplit_once(" st@")?;
            Some((sample.rsplit_once(' ')?.0.to_owned(), start.parse().ok()?))
        };
        Ok(text.lines().filter_map(sample).collect())
    }

    /// Sends `GET path` with no header but `Host` and those given; any status is an answer, redirects are not followed.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let url = format!("http://{}{path}", self.address);
        let request =
            headers.iter().fold(self.client.get(&url), |it, (name, value)| it.header(*name, *value));
        let answer = request.call().with_context(|| format!("get {url}"))?;
        Response::read(answer).with_context(|| format!("read the answer of {url}"))
    }

    /// Asks it to read its config again (`POST /-/reload`); any status is an answer.
    pub fn reload(&self) -> Result<Response> {
        let answer = self.client.post(format!("http://{}/-/reload", self.address)).send_empty();
        Response::read(answer.context("ask for a reload")?).context("read what came of the reload")
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
    pub fn log(&self) -> String {
        fs::read_to_string(self.path(LOG)).unwrap_or_else(|error| format!("read the log: {error}"))
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces its config file, which it reads again when it is told to.
    pub fn configure(&self, config: &str) -> Result<()> {
        fs::write(self.path(CONFIG), config).context("write the config")
    }

    /// Waits until `is_so`; an error with the log when it does not come true.
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + WAIT_LIMIT;
        while !is_so()? {
            ensure!(Instant::now() < deadline, "waiting until {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
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
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_ready(&mut self, deadline: Instant) -> Result<()> {
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent ended with {status}:\n{}", self.log());
            }
            ensure!(
                Instant::now() < deadline,
                "the agent does not listen on {}:\n{}",
                self.address,
                self.log()
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
    fn read(mut answer: http::Response<Body>) -> Result<Self> {
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
        Ok(Self { status, headers, body })
    }

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

/// The agent's binary where every user can run it. Another process copies it: one that this process had open for
/// writing while another thread forks could not be executed.
pub fn program_for_everybody() -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let path = folder.path().join("hostlens");
    let status = Command::new("cp").arg(program()?).arg(&path).status().context("start cp")?;
    ensure!(status.success(), "copy the agent's binary: {status}");
    Ok((folder, path))
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
