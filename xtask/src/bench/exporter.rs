//! An exporter under measurement: its process, and the connection that scrapes it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::usage;
use crate::{
    peers,
    process::{cargo, find, run, workspace},
};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Turns Debian's build of node_exporter into upstream's; upstream's own takes them as they are.
const NODE_EXPORTER_FLAGS: [&str; 3] = [
    "--no-collector.systemd",
    "--collector.textfile.directory=",
    "--collector.filesystem.mount-points-exclude=\
     ^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
];

/// A running exporter; ended with the value.
pub(crate) struct Exporter {
    pub(crate) name: String,
    child: Child,
    pub(crate) address: SocketAddr,
    url: String,
    client: ureq::Agent,
    encoding: &'static str,
    /// From the start of the process to the end of its first answer.
    pub(crate) first_answer: Duration,
    /// Before each request, and after the rest that follows the answer.
    pub(crate) cpu: Vec<Duration>,
    pub(crate) wall: Vec<Duration>,
}

impl Exporter {
    pub(crate) fn start(
        name: &str,
        program: &Path,
        flags: &[String],
        encoding: &'static str,
    ) -> Result<Self> {
        // Free a moment ago; an exporter that finds it taken ends, which is an error below.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let client =
            ureq::Agent::config_builder().proxy(None).timeout_global(Some(START_LIMIT)).build().into();
        let mut exporter = Self {
            name: name.to_owned(),
            child,
            address,
            url: format!("http://{address}/metrics"),
            client,
            encoding,
            first_answer: Duration::ZERO,
            cpu: Vec::new(),
            wall: Vec::new(),
        };
        while TcpStream::connect(address).is_err() {
            let ended = exporter.child.try_wait()?;
            ensure!(ended.is_none(), "{name} ended before it listened: {}", program.display());
            ensure!(started.elapsed() < START_LIMIT, "{name} does not listen: {}", program.display());
            thread::sleep(Duration::from_millis(1));
        }
        exporter.get()?;
        exporter.first_answer = started.elapsed();
        Ok(exporter)
    }

    /// node_exporter with upstream's defaults.
    pub(crate) fn start_node_exporter(name: &str, program: &Path, encoding: &'static str) -> Result<Self> {
        Self::start(name, program, &NODE_EXPORTER_FLAGS.map(str::to_owned), encoding)
    }

    /// One scrape over the kept connection; the body as it came over the wire.
    pub(crate) fn get(&self) -> Result<Vec<u8>> {
        self.get_as(self.encoding)
    }

    /// [`Exporter::get`] in another content encoding.
    pub(crate) fn get_as(&self, encoding: &str) -> Result<Vec<u8>> {
        let request = self.client.get(&self.url).header("accept", "text/plain;version=0.0.4");
        let mut answer =
            request.header("accept-encoding", encoding).call().with_context(|| self.name.clone())?;
        Ok(answer.body_mut().with_config().limit(u64::MAX).read_to_vec()?)
    }

    /// One scrape and the rest after it, both measured.
    pub(crate) fn round(&mut self, gap: Duration) -> Result<()> {
        let cpu = self.cpu_time()?;
        let asked = Instant::now();
        self.get()?;
        self.wall.push(asked.elapsed());
        thread::sleep(gap);
        self.cpu.push(self.cpu_time()?.saturating_sub(cpu));
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        usage::cpu_time(self.pid()).with_context(|| self.name.clone())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The agent to measure: the one that was given, or the workspace's as it is released, built first.
pub(crate) fn hostlens(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    run(cargo().args(["build", "--release", "--package", "hostlens"]))?;
    Ok(workspace().join("target/release/hostlens"))
}

/// The first node_exporter to be found on this machine.
pub(crate) fn find_node_exporter() -> Option<PathBuf> {
    let fetched = peers::place("node_exporter");
    let cached = std::env::home_dir().map(|it| it.join(".cache/hostlens-peers/node_exporter"));
    let kept = [Some(fetched), cached].into_iter().flatten().find(|it| it.is_file());
    find("node_exporter").or_else(|| find("prometheus-node-exporter")).or(kept)
}
