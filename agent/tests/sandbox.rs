//! The sandbox: what it forbids fails in a process that entered it, and what the agent does in one is what it does
//! without.

#![allow(clippy::unwrap_used, reason = "what fails is the test")]

use hostlens::{
    config::Config,
    sandbox::{self, Layer, Needs},
};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::{Pid, Signal, getppid, kill_process, test_kill_process},
    thread::CapabilitySet,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::{PermissionsExt, symlink},
            net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than anything takes.
const EVER: Duration = Duration::from_secs(60);

/// Holds the folder that the process inside of the sandbox tries to change.
const INSIDE: &str = "HOSTLENS_TEST_INSIDE";

/// What is tried inside, with the number of the error, 0 for none.
type Tried = BTreeMap<String, i32>;

/// Runs the test of this name in a process of its own, which enters the sandbox: nobody leaves it again.
fn inside(test: &str) -> Tried {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "kept").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    fs::create_dir(folder.path().join("served")).unwrap();
    fs::write(folder.path().join("served/socket"), "").unwrap();
    // Servers outside of the sandbox.
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    fs::write(folder.path().join("port"), port.to_string()).unwrap();
    let _named = UnixListener::bind_addr(&name(port)).unwrap();
    let _with_a_file = UnixListener::bind(folder.path().join("server")).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(INSIDE, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "kept");
    let lines = text.lines().filter_map(|line| line.split_once("tried: ")?.1.rsplit_once(' '));
    lines.map(|(what, errno)| (what.to_owned(), errno.parse().unwrap())).collect()
}

/// The Unix server that has no file.
fn name(port: u16) -> SocketAddr {
    SocketAddr::from_abstract_name(format!("hostlens-test-{port}")).unwrap()
}

/// Enters the sandbox where [`INSIDE`] says so, tries all, and prints what came of it. `false` outside.
fn tried(landlock: &str, seccomp: &str, connects: bool) -> bool {
    let Some(folder) = env::var_os(INSIDE).map(PathBuf::from) else { return false };
    let mut config = Config::default();
    config.set("security.landlock", landlock.into());
    config.set("security.seccomp", seccomp.into());
    let served = folder.join("served/socket");
    // It has no filter of its own, and is to get the process'.
    let (sender, receiver) = mpsc::channel::<()>();
    let earlier = thread::spawn(move || {
        receiver.recv().unwrap();
        fs::read_to_string("/proc/thread-self/status").unwrap()
    });
    let needs = Needs { sockets: &[&served], effective: CapabilitySet::empty(), connects };
    let sandbox = sandbox::enter(&config, &needs).unwrap();
    assert_eq!(sandbox.landlock.level() >= 6, landlock == "require");
    assert_eq!(sandbox.seccomp == Layer::On, seccomp == "require");
    sender.send(()).unwrap();
    let status = earlier.join().unwrap();
    assert_eq!(status.contains("\nSeccomp:\t2\n"), seccomp == "require", "{status}");
    // A thread, because threads are to work, and inherit it all.
    thread::spawn(move || try_all(&folder)).join().unwrap();
    true
}

fn try_all(folder: &Path) {
    fn say<T>(what: &str, outcome: io::Result<T>) {
        let errno = outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1));
        println!("\ntried: {what} {errno}");
    }
    let at = |name: &str| folder.join(name);
    say("read", fs::read_to_string(at("link")));
    say("read procfs", fs::read_to_string("/proc/stat"));
    say("read a process", fs::read_to_string(format!("/proc/{}/stat", getppid().unwrap())));
    say("list", fs::read_dir("/sys/class/net"));
    say("ask for space", rustix::fs::statfs("/").map_err(Into::into));
    say("send a datagram", UdpSocket::bind("127.0.0.1:0").and_then(|it| it.send_to(b"", "127.0.0.1:9")));
    say("pair", UnixStream::pair());

    say("write", fs::OpenOptions::new().write(true).open(at("file")));
    say("create", fs::File::create_new(at("new")));
    say("make a folder", fs::create_dir(at("folder")));
    say("link", fs::hard_link(at("file"), at("hard")));
    say("rename", fs::rename(at("link"), at("other")));
    say("remove", fs::remove_file(at("link")));
    say("remove the socket", fs::remove_file(at("served/socket")));
    say("change the mode", fs::set_permissions(at("file"), fs::Permissions::from_mode(0o777)));
    say("execute", Command::new("true").stdin(Stdio::inherit()).status());
    let tmpfs = mount("none", folder, "tmpfs", MountFlags::empty(), None);
    if tmpfs.is_ok() {
        unmount(folder, UnmountFlags::empty()).unwrap();
    }
    say("mount", tmpfs.map_err(Into::into));
    say("signal", test_kill_process(getppid().unwrap()).map_err(Into::into));
    let port = fs::read_to_string(at("port")).unwrap().parse().unwrap();
    say("connect by TCP", TcpStream::connect(("127.0.0.1", port)));
    say("connect to a name", UnixStream::connect_addr(&name(port)));
    say("connect to a file", UnixStream::connect(at("server")));
    say("listen by TCP", TcpListener::bind("127.0.0.1:0"));
    let other = SocketAddr::from_abstract_name(format!("hostlens-test-{port}-other")).unwrap();
    say("listen at a name", UnixListener::bind_addr(&other));
}

const READS: [&str; 7] =
    ["read", "read procfs", "read a process", "list", "ask for space", "send a datagram", "pair"];

const EPERM: i32 = libc::EPERM;
const EACCES: i32 = libc::EACCES;

fn assert_reads(tried: &Tried) {
    for what in READS {
        assert_eq!(tried[what], 0, "{what}");
    }
}

/// Takes what is the same in both: no need to say it twice.
fn with(tried: &Tried, errno: i32) -> Vec<&str> {
    let names = tried.iter().filter(|it| *it.1 == errno && !READS.contains(&it.0.as_str()));
    names.map(|it| it.0.as_str()).collect()
}

/// So that what fails in the other tests does so because of the sandbox.
#[test]
fn without_a_layer_nothing_is_refused() {
    if tried("off", "off", false) {
        return;
    }
    let mut tried = inside("without_a_layer_nothing_is_refused");
    assert_reads(&tried);
    // Root's alone.
    tried.remove("mount");
    assert_eq!((with(&tried, EPERM), with(&tried, EACCES)), (vec![], vec![]));
    assert_eq!(tried.len(), READS.len() + 15);
}

#[test]
fn a_filter_refuses_all_but_reading() {
    if tried("off", "require", false) {
        return;
    }
    let tried = inside("a_filter_refuses_all_but_reading");
    assert_reads(&tried);
    // Where a socket's file is to be removed in the end, a filter cannot tell it from others.
    assert_eq!(with(&tried, 0), ["remove", "remove the socket"]);
    assert_eq!(with(&tried, EPERM).len(), tried.len() - READS.len() - 2, "{tried:?}");
}

#[test]
#[ignore = "needs a kernel with Landlock, Linux 6.12 or newer"]
fn a_domain_refuses_all_but_reading() {
    if tried("require", "off", false) {
        return;
    }
    let tried = inside("a_domain_refuses_all_but_reading");
    assert_reads(&tried);
    // Not Landlock's: modes of files, servers that have one, those that have none and are inside.
    assert_eq!(
        with(&tried, 0),
        ["change the mode", "connect to a file", "listen at a name", "remove the socket"]
    );
    assert_eq!(with(&tried, EPERM), ["connect to a name", "mount", "signal"]);
    assert_eq!(
        with(&tried, EACCES),
        [
            "connect by TCP",
            "create",
            "execute",
            "link",
            "listen by TCP",
            "make a folder",
            "remove",
            "rename",
            "write"
        ]
    );
}

#[test]
#[ignore = "needs a kernel with Landlock, Linux 6.12 or newer"]
fn a_collector_that_connects_may_and_nothing_else() {
    if tried("require", "require", true) {
        return;
    }
    let tried = inside("a_collector_that_connects_may_and_nothing_else");
    assert_reads(&tried);
    assert_eq!(
        with(&tried, 0),
        ["connect by TCP", "connect to a file", "connect to a name", "remove the socket"]
    );
}

const HOSTLENS: &str = env!("CARGO_BIN_EXE_hostlens");

/// An agent that serves on a socket in its own folder.
struct Agent {
    process: Child,
    folder: TempDir,
}

impl Agent {
    fn start(args: &[&str], prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.path().join("hostlens.toml"), "").unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(HOSTLENS);
        command.args([
            "--config.file=hostlens.toml",
            "--web.listen-address=unix:socket",
            "--web.enable-lifecycle",
        ]);
        command.args(args).env_clear();
        prepare(folder.path(), &mut command);
        command.current_dir(folder.path()).stderr(Stdio::from(log));
        let agent = Self { process: command.spawn().unwrap(), folder };
        agent.wait_until("it serves", || UnixStream::connect(agent.path("socket")).is_ok());
        agent
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < EVER, "waiting until {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Status and body.
    fn request(&self, request: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.path("socket")).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The series of the host, which collectors gave all they have, and which programs run.
    fn series(&self) -> BTreeSet<String> {
        let (status, body) = self.request("GET /metrics");
        assert_eq!(status, 200);
        let of_host = |line: &&str| line.starts_with("node_");
        let series = |line: &str| match line.starts_with("node_scrape_collector_success") {
            true => line.to_owned(),
            false => line.rsplit_once(' ').unwrap().0.to_owned(),
        };
        body.lines().filter(of_host).map(series).collect()
    }

    fn end(mut self) -> TempDir {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
        let nothing = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.folder, nothing)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
        }
    }
}

const RUNQUEUE: &str = "node_scrape_collector_success{collector=\"runqueue\"} 1";

const OPEN: [&str; 2] = ["--security.landlock=off", "--security.seccomp=off"];

#[test]
fn all_threads_of_an_agent_are_confined_and_it_tidies_up() {
    let agent = Agent::start(&["--security.seccomp=require", "--ebpf.enabled=never"], |_, _| {});
    assert!(agent.request("GET /metrics").1.contains("hostlens_sandbox{layer=\"seccomp\"} 1\n"));
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.process.id())).unwrap();
    let statuses = tasks.map(|it| fs::read_to_string(it.unwrap().path().join("status")).unwrap());
    let statuses: Vec<String> = statuses.collect();
    assert!(statuses.len() > 1);
    for status in statuses {
        assert!(status.contains("\nNoNewPrivs:\t1\n") && status.contains("\nSeccomp:\t2\n"), "{status}");
    }
    assert!(agent.log().contains("msg=\"the sandbox is entered\""), "{}", agent.log());
    let folder = agent.end();
    assert!(!folder.path().join("socket").exists(), "the socket's file is removed");

    let agent = Agent::start(&[&OPEN[..], &["--ebpf.enabled=never"]].concat(), |_, _| {});
    let status = fs::read_to_string(format!("/proc/{}/status", agent.process.id())).unwrap();
    assert!(status.contains("\nNoNewPrivs:\t0\n"), "{status}");
}

/// Two agents at the same time, one of them in the sandbox, show the same host.
fn see_the_same(args: &[&str], prepare: impl Fn(&mut Command)) -> BTreeSet<String> {
    let prepare = |_: &Path, command: &mut Command| prepare(command);
    let inside = Agent::start(&[args, &["--security.seccomp=require"]].concat(), prepare);
    let outside = Agent::start(&[args, &OPEN].concat(), prepare);
    let start = Instant::now();
    loop {
        // Something may come or go between two scrapes.
        let (inside, outside) = (inside.series(), outside.series());
        if inside == outside {
            assert!(inside.len() > 200, "{inside:?}");
            return inside;
        }
        assert!(start.elapsed() < EVER, "{:?}", inside.symmetric_difference(&outside).collect::<Vec<_>>());
    }
}

/// Those that are off by default too, and need no setting.
const MORE: [&str; 2] = ["--preset=all-safe", "--collector.slabinfo"];

#[test]
fn collectors_do_not_notice() {
    see_the_same(&[&MORE[..], &["--ebpf.enabled=never"]].concat(), |_| {});
}

#[test]
#[ignore = "loads eBPF and changes user: needs root and BTF"]
fn collectors_of_root_and_of_others_do_not_notice() {
    let all = [&MORE[..], &["--collector.bpf_other_programs"]].concat();
    assert!(see_the_same(&all, |_| {}).contains(RUNQUEUE));
    let bounded = "--bounding-set=-all,+bpf,+perfmon";
    // Others cannot reach it where it was built. Another process copies it: one that this process had open for writing
    // while another thread forks could not be executed.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("hostlens");
    assert!(Command::new("cp").arg(HOSTLENS).arg(&program).status().unwrap().success());
    let series = see_the_same(&MORE, |command| {
        let mut as_nobody = Command::new("setpriv");
        as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", bounded]);
        as_nobody.args(["--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon", "--"]);
        as_nobody.arg(&program).args(command.get_args()).env_clear();
        *command = as_nobody;
    });
    assert!(series.contains(RUNQUEUE));
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn probes_are_loaded_anew_where_privileges_are_retained() {
    let agent = Agent::start(&["--security.privileges=retain", "--security.seccomp=require"], |_, _| {});
    assert!(agent.series().contains(RUNQUEUE));
    for text in ["[ebpf]\nclassic_buckets = 'pow4'\n", "[collector.block_io]\nenabled = false\n", ""] {
        fs::write(agent.path("hostlens.toml"), text).unwrap();
        let (status, report) = agent.request("POST /-/reload");
        assert_eq!(status, 200, "{report}");
        assert!(!report.contains("warning"), "{report}");
        assert!(agent.series().contains(RUNQUEUE), "{}", agent.log());
    }
    assert!(agent.series().contains("node_scrape_collector_success{collector=\"block_io\"} 1"));
}

/// As kubelet does it: the file is a link to a link, which is swapped.
#[test]
fn a_web_config_is_read_again() {
    let agent = Agent::start(&["--web.config.file=web.yml", "--ebpf.enabled=never"], |folder, _| {
        fs::create_dir(folder.join("..1")).unwrap();
        fs::write(folder.join("..1/web.yml"), "").unwrap();
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/web.yml", folder.join("web.yml")).unwrap();
    });
    assert_eq!(agent.request("GET /metrics").0, 200);
    fs::create_dir(agent.path("..2")).unwrap();
    let user = "basic_auth_users:\n  a: $2b$04$M8IVMuRRfjxkFbiSgGN7jezUIdSBjBS9MSzaBpzGJShZAXc.DmWqC\n";
    fs::write(agent.path("..2/web.yml"), user).unwrap();
    symlink("..2", agent.path("..new")).unwrap();
    fs::rename(agent.path("..new"), agent.path("..data")).unwrap();
    agent.wait_until("it asks for a password", || agent.request("GET /metrics").0 == 401);
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("hostlens-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    for (variable, systemd) in [
        (path.display().to_string(), UnixDatagram::bind(&path).unwrap()),
        (format!("@{name}"), UnixDatagram::bind_addr(&abstract_address).unwrap()),
    ] {
        systemd.set_read_timeout(Some(EVER)).unwrap();
        let hear = || {
            let mut word = [0; 64];
            let n_bytes = systemd.recv(&mut word).unwrap();
            String::from_utf8(word[..n_bytes].to_vec()).unwrap()
        };
        let agent = Agent::start(&["--ebpf.enabled=never"], |_, command| {
            command.env("NOTIFY_SOCKET", &variable).env("WATCHDOG_USEC", "100000");
        });
        assert_eq!([hear(), hear(), hear()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
        agent.end();
        let mut last = hear();
        while last == "WATCHDOG=1" {
            last = hear();
        }
        assert_eq!(last, "STOPPING=1");
    }
}

#[test]
#[ignore = "mounts: needs root"]
fn landlock_is_left_out_where_it_would_hide_processes() {
    let hidden = |args: &[&str]| {
        let script = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\" doctor --json \
            --collector.disable-defaults --web.listen-address=127.0.0.1:0 \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--", "sh", "-c", script]);
        command.arg(HOSTLENS).args(args).output().unwrap()
    };
    let found = String::from_utf8(hidden(&[]).stdout).unwrap();
    let expected =
        "landlock none: /proc is mounted with hidepid=, which would hide more from a domain; seccomp on";
    assert!(found.contains(expected), "{found}");
    let required = hidden(&["--security.landlock=require"]);
    assert_eq!(required.status.code(), Some(2), "{required:?}");
}
