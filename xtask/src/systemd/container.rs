//! A Debian system with systemd as its init, in a container of this machine's kernel: systemd-nspawn(1).

use std::{
    fs::{self, File, create_dir_all, read_to_string},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    apt::{self, Apt},
    process::{output, workspace},
};

/// What the container has beside a minimal Debian. procps has kill(1), by which units reload.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,procps,curl";
const BOOT_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A booted system, switched off with the value.
pub(crate) struct Container {
    nspawn: Child,
    /// Process id of its init, as this machine counts.
    init: u32,
    root: PathBuf,
}

/// What to do with systems that were fetched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Keep,
    Renew,
}

/// What a command in the container did.
pub(crate) struct Answer {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where the console of the container goes.
pub(crate) fn console(suite: &str) -> PathBuf {
    workspace().join("target/systemd").join(format!("{suite}.log"))
}

/// A root file system of `suite` that nobody has used yet; Debian's packages are fetched once.
pub(crate) fn fresh_root(suite: &str, cache: Cache) -> Result<PathBuf> {
    let folder = workspace().join("target/systemd");
    create_dir_all(&folder)?;
    let pristine = folder.join(suite);
    if cache == Cache::Renew {
        remove(&pristine)?;
    }
    if !pristine.exists() {
        println!("fetching Debian {suite}");
        let partial = folder.join(format!("{suite}.partial"));
        remove(&partial)?;
        let include = format!("--include={PACKAGES}");
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", &include, suite]).arg(&partial).arg(apt::mirror()?);
        output(&mut debootstrap)?;
        node_exporter(suite, &partial)?;
        fs::rename(&partial, &pristine)?;
    }
    let root = folder.join(format!("{suite}.run"));
    remove(&root)?;
    output(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&pristine).arg(&root))?;
    Ok(root)
}

/// Debian's unit of node_exporter, without the program.
fn node_exporter(suite: &str, root: &Path) -> Result<()> {
    let unit = "lib/systemd/system/prometheus-node-exporter.service";
    let package = Apt::new(&[suite])?.unpack("prometheus-node-exporter")?;
    // Until trixie packages had it in /lib.
    let places = [package.path().join(unit), package.path().join("usr").join(unit)];
    let from = places.iter().find(|it| it.exists()).context("Debian's unit of node_exporter has moved")?;
    fs::copy(from, root.join("usr").join(unit))?;
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

impl Container {
    /// Boots what is in `root` and waits until its services have started.
    pub(crate) fn boot(root: PathBuf, suite: &str) -> Result<Self> {
        let log = File::create(console(suite)).context("make a file for the console")?;
        let nspawn = Command::new("systemd-nspawn")
            .arg("--directory")
            .arg(&root)
            // This machine need not run systemd itself.
            .args(["--boot", "--register=no", "--keep-unit", "--private-network"])
            .arg(format!("--machine=hostlens-{suite}"))
            // nspawn keeps these from containers; a host's systemd has them to give.
            .args(["--capability=CAP_BPF,CAP_PERFMON"])
            .args(["--system-call-filter=bpf perf_event_open adjtimex clock_adjtime"])
            // As hosts of today are, and as systemd 256 and newer insist.
            .env("UNIFIED_CGROUP_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start systemd-nspawn")?;
        let mut container = Self { nspawn, init: 0, root };
        let started = Instant::now();
        while !container.is_up()? {
            ensure!(started.elapsed() < BOOT_LIMIT, "no boot within {BOOT_LIMIT:?}");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(container)
    }

    fn is_up(&mut self) -> Result<bool> {
        if let Some(status) = self.nspawn.try_wait()? {
            bail!("systemd-nspawn: {status}");
        }
        let pid = self.nspawn.id();
        let children = read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let Some(init) = children.split_ascii_whitespace().next().and_then(|it| it.parse().ok()) else {
            return Ok(false);
        };
        self.init = init;
        // `starting` while it boots, and an error before systemd can be asked.
        let state = self.run(&["systemctl", "is-system-running"])?.stdout;
        ensure!(state.trim() != "degraded", "some of Debian's own services did not start");
        Ok(state.trim() == "running")
    }

    /// Runs a command in the container, as root.
    pub(crate) fn run(&self, command: &[&str]) -> Result<Answer> {
        let output = Command::new("nsenter")
            .args(["--all", "--target", &self.init.to_string(), "--", "env", "--ignore-environment"])
            .args(["PATH=/usr/bin:/usr/sbin", "LC_ALL=C.UTF-8"])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .context("start nsenter")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Ok(Answer {
            is_success: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }

    /// What a command that must succeed writes.
    pub(crate) fn output(&self, command: &[&str]) -> Result<String> {
        let answer = self.run(command)?;
        ensure!(answer.is_success, "{}: {}{}", command.join(" "), answer.stdout, answer.stderr);
        Ok(answer.stdout)
    }

    /// Sends a signal to its systemd from outside, where none is ignored.
    pub(crate) fn signal_init(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.init.cast_signed()), signal)?)
    }

    /// Where a file of the container is on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Opens sockets in the container's network.
    pub(crate) fn in_its_network<T: Send>(&self, open: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.init)).context("find the network")?;
        let enter_and_open = || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            open()
        };
        // A thread stays where it went.
        thread::scope(|scope| scope.spawn(enter_and_open).join()).expect("opening sockets does not panic")
    }

    /// Writes a file in the container.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        place(&self.root, path, text.as_bytes())
    }
}

/// Writes a file below `root`, with its folder.
pub(crate) fn place(root: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let file = root.join(path.trim_start_matches('/'));
    create_dir_all(file.parent().unwrap_or(root))?;
    fs::write(&file, bytes).with_context(|| format!("write {}", file.display()))
}

impl Drop for Container {
    fn drop(&mut self) {
        // nspawn hands the signal on as one that has the system switch itself off. What was wrong was said before.
        let pid = nix::unistd::Pid::from_raw(self.nspawn.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT {
            if matches!(self.nspawn.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.nspawn.kill().ok();
        self.nspawn.wait().ok();
    }
}
