//! `cargo xtask image`: the image in `target/dist`, loaded, run and stopped by podman as README.md says.
//!
//! Three things differ from README.md: the host's network, so that the machine's own stays as it is; and, for virtual
//! machines whose root has no CAP_SYS_RESOURCE, no cgroup of its own and limits that are set by hand.

use std::{
    fs::{read_dir, read_to_string},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lexopt::Parser;
use nix::sched::{CloneFlags, unshare};

use crate::{
    process::{output, require, workspace},
    table::Table,
};

pub(crate) const SUMMARY: &str = "run the image in target/dist by podman and check what it promises";
pub(crate) const HELP: &str = "\
usage: cargo xtask image

Reads the image in target/dist by skopeo, of all architectures, and runs the one of this machine by podman. Needs root,
podman, crun, skopeo and `cargo xtask dist` before. Images and containers of its own; takes ten seconds.
";

/// How README.md runs it.
const OPTIONS: &[&str] = &[
    "--user=65534",
    "--read-only",
    "--security-opt=no-new-privileges",
    "--cap-drop=ALL",
    "--volume=/proc:/host/proc:ro",
    "--volume=/sys:/host/sys:ro",
    "--volume=/:/host/root:ro,rslave",
];
/// What README.md has not.
const HERE: &[&str] =
    &["--network=host", "--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
const FLAGS: &[&str] = &["--path.procfs=/host/proc", "--path.sysfs=/host/sys", "--path.rootfs=/host/root"];
const PROBES: &str = "--cap-add=BPF,PERFMON";
const NAME: &str = "hostlens";
/// The grace time of `podman stop`, after which it kills.
const GRACE: &str = "10";
const LIMIT: Duration = Duration::from_secs(15);

/// One way to run it.
struct Way {
    name: &'static str,
    options: &'static [&'static str],
    /// `CapBnd` of /proc/PID/status: see capabilities(7).
    bounds: u64,
    probes: Probes,
}

#[derive(PartialEq, Eq)]
enum Probes {
    Run,
    /// The runtime's seccomp profile may keep bpf(2) from it.
    May,
    Unavailable,
}

const BPF_AND_PERFMON: u64 = 1 << 39 | 1 << 38;

const WAYS: &[Way] = &[
    Way { name: "as README.md says", options: &[PROBES], bounds: BPF_AND_PERFMON, probes: Probes::May },
    Way {
        name: "without a seccomp profile",
        options: &[PROBES, "--security-opt=seccomp=unconfined"],
        bounds: BPF_AND_PERFMON,
        probes: Probes::Run,
    },
    Way { name: "without capabilities", options: &[], bounds: 0, probes: Probes::Unavailable },
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(arg) = Parser::from_args(args).next()? {
        return Err(arg.unexpected().into());
    }
    ensure!(nix::unistd::geteuid().is_root(), "containers with capabilities need root");
    for program in ["podman", "crun", "skopeo"] {
        require(program, program)?;
    }
    let archive = archive()?;
    let storage = tempfile::tempdir()?;
    // A thread stays in the mounts that it made, and what it starts does.
    let examined = thread::scope(|scope| scope.spawn(|| examine(&archive, storage.path())).join());
    examined.expect("checks do not panic")
}

fn archive() -> Result<PathBuf> {
    let files = read_dir(workspace().join("target/dist")).context("run `cargo xtask dist` first")?;
    let mut paths = files.filter_map(|it| Some(it.ok()?.path()));
    let is_image = |it: &PathBuf| it.to_string_lossy().ends_with(".oci.tar");
    paths.find(is_image).context("target/dist has no image: run `cargo xtask dist` first")
}

fn examine(archive: &Path, storage: &Path) -> Result<()> {
    // crun refuses cgroups of both versions: it sees those of version 2 alone, and nobody else does.
    unshare(CloneFlags::CLONE_NEWNS).context("leave the machine's mounts")?;
    output(Command::new("mount").args(["--make-rprivate", "/"]))?;
    output(Command::new("mount").args(["-t", "cgroup2", "none", "/sys/fs/cgroup"]))?;

    let podman = Podman { storage };
    println!("{}", output(Command::new("podman").arg("--version"))?.trim_end());
    let mut table = Table::default();
    table.row(["check", "result", "detail"]);
    let mut faults = Vec::new();
    let mut note = |name: &str, result: Result<String>| match result {
        Ok(detail) => table.row([name, "ok", &detail]),
        Err(error) => {
            table.row([name, "FAILED", "see below"]);
            faults.push(format!("{name}: {error:#}"));
        }
    };
    note("is read for all architectures", architectures(archive));
    let loaded = podman.load(archive)?;
    let (image, revision) = &loaded;
    note("has the version and revision of its binary", podman.version(image, revision));
    for way in WAYS {
        let result = podman.serves(image, revision, way);
        podman.command(&["rm", "--force", "--ignore", NAME])?;
        note(way.name, result);
    }
    print!("{}", table.render());
    ensure!(faults.is_empty(), "{} faults\n  {}", faults.len(), faults.join("\n  "));
    Ok(())
}

/// Each that the index names is what it says.
fn architectures(archive: &Path) -> Result<String> {
    let source = format!("oci-archive:{}", archive.display());
    let raw = output(Command::new("skopeo").args(["inspect", "--raw", &source]))?;
    let index: serde_json::Value = serde_json::from_str(&raw)?;
    let manifests = index["manifests"].as_array().context("the image has no index")?;
    let mut names = Vec::new();
    for manifest in manifests {
        let name = manifest["platform"]["architecture"].as_str().context("a manifest has no architecture")?;
        let inspect = ["--override-arch", name, "inspect", "--format", "{{.Os}}/{{.Architecture}}", &source];
        let platform = output(Command::new("skopeo").args(inspect))?;
        ensure!(platform.trim() == format!("linux/{name}"), "{name} is {platform}");
        names.push(name);
    }
    ensure!(!names.is_empty(), "the index is empty");
    Ok(names.join(", "))
}

/// podman with images and containers of its own.
struct Podman<'a> {
    storage: &'a Path,
}

impl Podman<'_> {
    fn command(&self, args: &[&str]) -> Result<String> {
        let mut podman = Command::new("podman");
        for (option, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            podman.arg(option).arg(self.storage.join(folder));
        }
        podman.args(["--storage-driver=vfs", "--runtime=crun", "--cgroup-manager=cgroupfs"]);
        podman.arg("--events-backend=none");
        Ok(output(podman.args(args))?.trim_end().to_owned())
    }

    /// The image's name and the revision in its labels.
    fn load(&self, archive: &Path) -> Result<(String, String)> {
        let words = self.command(&["load", "--input", &archive.to_string_lossy()])?;
        let name = words.rsplit_once("Loaded image: ").context("podman names no image")?.1.to_owned();
        let expected = concat!("localhost/hostlens:", env!("CARGO_PKG_VERSION"));
        ensure!(name == expected, "podman loads it as {name}, not {expected}");
        let label = "{{index .Labels \"org.opencontainers.image.revision\"}}";
        let revision = self.command(&["image", "inspect", "--format", label, &name])?;
        Ok((name, revision))
    }

    fn version(&self, image: &str, revision: &str) -> Result<String> {
        let label = "{{index .Labels \"org.opencontainers.image.version\"}}";
        let version = self.command(&["image", "inspect", "--format", label, image])?;
        let run = ["run", "--rm"].iter().chain(HERE).chain(OPTIONS).chain([&image, &"--version"]);
        let words = self.command(&run.copied().collect::<Vec<_>>())?;
        let line = words.lines().next().unwrap_or_default();
        ensure!(line.contains(&format!("version {version} ")), "the image is {version}, its binary: {line}");
        ensure!(line.contains(revision), "the image is of {revision}, its binary: {line}");
        Ok(format!("{version}, {revision}"))
    }

    /// Starts it, asks it, looks at its process and stops it.
    fn serves(&self, image: &str, revision: &str, way: &Way) -> Result<String> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = format!("--web.listen-address={address}");
        let run = ["run", "--detach", "--name", NAME].iter().chain(HERE).chain(OPTIONS).chain(way.options);
        let run = run.copied().chain([image]).chain(FLAGS.iter().copied()).chain([listen.as_str()]);
        self.command(&run.collect::<Vec<_>>())?;
        let page = self.page(&format!("http://{address}/metrics"))?;

        let build = page.lines().find(|it| it.starts_with("hostlens_build_info")).unwrap_or_default();
        ensure!(build.contains(revision), "the image is of {revision}, and who answers: {build}");
        let families = page.lines().filter(|it| it.starts_with("# TYPE node_")).count();
        ensure!(families > 100, "{families} families of node_exporter");
        let states: Vec<_> = page.lines().filter(|it| it.starts_with("hostlens_collector_state{")).collect();
        let in_state = |state: &str| {
            let label = format!("state=\"{state}\"");
            states.iter().filter(|it| it.contains(&label) && it.ends_with(" 1")).count()
        };
        let (running, absent, unavailable) =
            (in_state("running"), in_state("absent"), in_state("unavailable"));
        let others = states.len() - running - absent - unavailable;
        ensure!(running > 0 && others == 0, "{running} collectors run, {others} are in another state");
        match way.probes {
            Probes::Run => ensure!(unavailable == 0, "{unavailable} collectors are unavailable"),
            Probes::Unavailable => ensure!(unavailable > 0, "probes run without capabilities"),
            Probes::May => {}
        }

        let pid = self.command(&["inspect", "--format", "{{.State.Pid}}", NAME])?;
        process(&pid, way.bounds)?;
        let asked = Instant::now();
        self.command(&["stop", "--time", GRACE, NAME])?;
        let took = asked.elapsed();
        let code = self.command(&["inspect", "--format", "{{.State.ExitCode}}", NAME])?;
        ensure!(code == "0", "it ends with {code}");
        let took = took.as_millis();
        Ok(format!("{families} node_ families, {running} run, {unavailable} unavailable, stops in {took} ms"))
    }

    fn page(&self, url: &str) -> Result<String> {
        let started = Instant::now();
        loop {
            match ureq::get(url).call() {
                Ok(mut answer) => return answer.body_mut().read_to_string().context("read the answer"),
                Err(error) if started.elapsed() > LIMIT => {
                    let log = self.command(&["logs", NAME]).unwrap_or_default();
                    bail!("no answer: {error}\n{log}");
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Nobody, who gave up what it was granted.
fn process(pid: &str, bounds: u64) -> Result<()> {
    let status = read_to_string(format!("/proc/{pid}/status")).context("find its process")?;
    let words = |key: &str| status.lines().find_map(|it| it.strip_prefix(key)).unwrap_or_default().trim();
    let uids = words("Uid:");
    ensure!(uids.split_whitespace().all(|it| it == "65534"), "it runs as {uids}");
    ensure!(words("NoNewPrivs:") == "1", "it may gain privileges");
    for (key, expected) in [("CapEff:", 0), ("CapPrm:", 0), ("CapAmb:", 0), ("CapBnd:", bounds)] {
        let found = u64::from_str_radix(words(key), 16).with_context(|| format!("read {key}"))?;
        ensure!(found == expected, "{key} is {found:x}, not {expected:x}");
    }
    Ok(())
}
