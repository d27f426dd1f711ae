//! What the sandbox forbids fails in a process that entered it.

use super::*;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::{getppid, test_kill_process},
};
use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::{PermissionsExt, symlink},
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

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
        .args([
            &format!("sandbox::tests::{test}"),
            "--exact",
            "--include-ignored",
            "--nocapture",
            "--test-threads=1",
        ])
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
    let sandbox = enter(&config, &needs).unwrap();
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
    let flags = MemfdFlags::CLOEXEC;
    say("make a file of memory", memfd_create("code", flags).map_err(Into::into));
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
    assert_eq!(tried.len(), READS.len() + 16);
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
        [
            "change the mode",
            "connect to a file",
            "listen at a name",
            "make a file of memory",
            "remove the socket"
        ]
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

#[test]
fn what_cannot_be_had_ends_the_start_only_when_it_is_required() {
    let none = || Err("not here".to_owned());
    assert_eq!(layer("landlock", Enforce::BestEffort, none).unwrap().to_string(), "none: not here");
    assert_eq!(
        layer("landlock", Enforce::Require, none).unwrap_err().to_string(),
        r#"`landlock = "require"` in [security]: not here"#
    );
    let some = || Ok(Layer::Abi(6));
    assert_eq!(layer("landlock", Enforce::Require, some).unwrap().to_string(), "abi 6");
    assert_eq!(layer("landlock", Enforce::Off, || panic!("not asked for")).unwrap(), Layer::Off);
}
