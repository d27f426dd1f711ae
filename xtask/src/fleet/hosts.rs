//! The hosts: an agent each, in a network namespace and a mount namespace of its own, on one bridge.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{bench::usage, process::output};

/// Of the bridge; hosts have the addresses that follow.
const ADDRESS: &str = "10.77.0.1/16";

/// A host until its agent takes its place. /sys is that of its own network.
const HOST: &str = r#"
set -e
mount -t sysfs sysfs /sys
echo is there
read address
ip link set lo up
ip address add "$address" dev eth0
ip link set eth0 up
exec "$@"
"#;

pub(super) fn make_bridge() -> Result<()> {
    batch(&format!(
        "link set lo up\nlink add br0 type bridge\naddress add {ADDRESS} dev br0\nlink set br0 up\n"
    ))
}

/// Bytes that came over the bridge from the hosts, and that went to them, with all headers.
pub(super) fn wire() -> Result<[u64; 2]> {
    let text = fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = text.lines().find_map(|it| it.trim_start().strip_prefix("br0:")).context("find the bridge")?;
    let column = |at| line.split_ascii_whitespace().nth(at).and_then(|it| it.parse().ok());
    column(0).zip(column(8)).map(|it| [it.0, it.1]).context("read /proc/net/dev")
}

pub(super) struct Hosts {
    hostlens: PathBuf,
    preset: String,
    n_probes: usize,
    folder: PathBuf,
    hosts: Vec<Host>,
}

struct Host(Child);

impl Hosts {
    pub(super) fn new(hostlens: &Path, preset: &str, n_probes: usize, folder: &Path) -> Self {
        let (hostlens, preset, folder) = (hostlens.to_owned(), preset.to_owned(), folder.to_owned());
        Self { hostlens, preset, n_probes, folder, hosts: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Hosts with probes.
    pub(super) fn n_probes(&self) -> usize {
        self.n_probes
    }

    /// Starts what is missing to so many, and tells Prometheus of them.
    pub(super) fn grow(&mut self, n_hosts: usize) -> Result<()> {
        let mut links = String::new();
        let first = self.hosts.len();
        for idx in first..n_hosts {
            let host = self.start(idx)?;
            // Packets as a wire has them: bytes are counted, headers included.
            links += &format!(
                "link add h{idx} type veth peer name eth0 netns {}\n\
                 link set h{idx} gso_max_segs 1 master br0 up\n",
                host.0.id()
            );
            self.hosts.push(host);
        }
        batch(&links)?;
        for idx in first..n_hosts {
            let stdin = self.hosts[idx].0.stdin.as_mut().context("a host's input")?;
            writeln!(stdin, "{}/16", address(idx))?;
        }
        let targets: Vec<String> = (0..n_hosts).map(|idx| format!("{}:9100", address(idx))).collect();
        let targets = serde_json::json!([{"targets": targets}]).to_string();
        let folder = self.folder.join("targets");
        fs::create_dir_all(&folder)?;
        // Renamed: half a file is none.
        fs::write(folder.join("new"), targets)?;
        Ok(fs::rename(folder.join("new"), folder.join("fleet.json"))?)
    }

    fn start(&self, idx: usize) -> Result<Host> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", HOST, "sh"]).arg(&self.hostlens);
        command.arg(format!("--preset={}", self.preset)).arg("--log.level=warn");
        match idx < self.n_probes {
            // What all hosts do on the one kernel counts for each of them: a budget would be that of two hundred.
            true => command
                .args(["--collector.runqueue", "--collector.block_io"])
                .env("HOSTLENS__EBPF__BUDGET__ON_EXCEED", "warn"),
            false => command.arg("--ebpf.enabled=never"),
        };
        // Every host shows its own network, whatever process 1 of this machine has.
        command.env("HOSTLENS__PATH__NETWORK_NAMESPACE", "self");
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut host = Host(command.spawn().context("start unshare")?);
        let mut word = String::new();
        BufReader::new(host.0.stdout.take().context("a host's output")?).read_line(&mut word)?;
        ensure!(word == "is there\n", "host {idx} did not start: {}", self.log());
        Ok(host)
    }

    /// CPU time of all agents so far.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        self.hosts.iter().map(|it| usage::cpu_time(it.0.id())).sum()
    }

    /// Resident memory of each agent without probes, in KiB, the least first.
    pub(super) fn resident(&self) -> Result<Vec<u64>> {
        let plain = self.hosts.iter().skip(self.n_probes);
        let mut all: Vec<u64> =
            plain.map(|it| Ok(usage::memory(it.0.id())?.resident)).collect::<Result<_>>()?;
        all.sort_unstable();
        Ok(all)
    }

    /// What the agents said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn address(idx: usize) -> String {
    let number = idx + 2;
    format!("10.77.{}.{}", number >> 8, number & 0xff)
}

/// Runs commands of ip(8), a line each.
fn batch(lines: &str) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(lines.as_bytes())?;
    output(Command::new("ip").arg("-batch").arg(file.path())).map(drop)
}
