//! An agent that is short of something: readers of its log, descriptors, memory, threads, somebody to bury the dead.

use hostlens_tests::{Agent, agent::program};
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    fs,
    net::TcpStream,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

const NO_PROBES: &str = "--ebpf.enabled=never";

/// An agent that a shell starts, which is to `exec "$@"`.
fn start(shell: &str, args: &[&str]) -> Agent {
    let prepare = |_: &Path, command: &mut Command| {
        let mut in_shell = Command::new("sh");
        in_shell.args(["-c", shell, "sh"]).arg(command.get_program()).args(command.get_args());
        *command = in_shell;
    };
    Agent::start_prepared("", &[&[NO_PROBES, "--web.enable-lifecycle"], args].concat(), prepare).unwrap()
}

fn scrape(agent: &Agent) -> String {
    let answer = agent.get("/metrics", &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Of a process what is resident beside files now, and what was at most with them, in KiB.
fn memory(pid: u32) -> [u64; 2] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["RssAnon:", "VmHWM:"].map(|key| {
        let value = status.lines().find_map(|it| it.strip_prefix(key)).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

/// Collectors that gave all they have.
fn running(agent: &Agent) -> BTreeSet<String> {
    let text = scrape(agent);
    let of_success = text.lines().filter(|it| it.starts_with("node_scrape_collector_success{"));
    of_success.filter(|it| it.ends_with(" 1")).map(str::to_owned).collect()
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    // A pipe of 64 KiB that is full, and open for reading as nobody reads it.
    let shell = "mkfifo pipe && exec 3<>pipe && head -c 65536 /dev/zero >&3 && exec \"$@\" 2>&3";
    let agent = start(shell, &["--log.level=debug"]);
    // Each reload has much to say, so that the queue is full in the end.
    agent.configure(&format!("[collector.loadavg]\nenabled = '{}'\n", "x".repeat(8000))).unwrap();
    let lost = "\nhostlens_log_lines_dropped_total{cause=\"unread\"} ";
    agent
        .wait_until("lines are lost", || {
            assert_eq!(agent.reload()?.status, 400);
            let text = scrape(&agent);
            Ok(text.contains(lost) && !text.contains(&format!("{lost}0\n")))
        })
        .unwrap();
    assert!(agent.stop().unwrap().success());
}

#[test]
fn a_start_that_fails_waits_for_no_reader() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.toml"), "x = 1\n").unwrap();
    let full_pipe =
        "mkfifo pipe && exec 3<>pipe && head -c 65536 /dev/zero >&3 && exec timeout 30 \"$@\" 2>&3";
    for arg in ["--config.file=bad.toml", "--no-such-flag", "--path.procfs=/nonexistent"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", full_pipe, "sh"]).arg(program().unwrap()).arg(arg);
        // Else the port may be what fails.
        let ended = shell.arg("--web.listen-address=127.0.0.1:0").current_dir(&folder).status().unwrap();
        fs::remove_file(folder.path().join("pipe")).unwrap();
        assert_eq!(ended.code(), Some(1), "{arg}");
    }
}

#[test]
fn a_kernel_file_that_is_huge_costs_its_collector_alone() {
    let make = |folder: &Path, command: &mut Command| {
        let proc = folder.join("proc");
        fs::create_dir(&proc).unwrap();
        fs::write(proc.join("loadavg"), "0.21 0.37 0.39 1/719 19737\n").unwrap();
        fs::File::create(proc.join("meminfo")).unwrap().set_len(50 << 20).unwrap();
        command.arg(format!("--path.procfs={}", proc.display()));
    };
    let agent = Agent::start_prepared("", &[NO_PROBES], make).unwrap();
    let text = scrape(&agent);
    assert!(text.contains("\nnode_load1 0.21\n"), "{text}");
    assert!(text.contains("\nnode_scrape_collector_success{collector=\"meminfo\"} 0\n"), "{text}");
    assert!(text.contains("/meminfo: File too large"), "{text}");
    let [resident, peak] = memory(agent.pid());
    println!("{resident} KiB, {peak} at most");
    assert!(peak < 120 << 10 && resident < 40 << 10, "{resident} KiB, {peak} at most");
}

#[test]
fn a_systemd_that_does_not_listen_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let _nobody_reads = UnixDatagram::bind(&path).unwrap();
    let shell = format!("NOTIFY_SOCKET={} WATCHDOG_USEC=2000 exec \"$@\"", path.display());
    let agent = start(&shell, &[]);
    agent.wait_until("the socket is full", || Ok(agent.log().contains("systemd could not be told"))).unwrap();
    scrape(&agent);
    assert!(agent.stop().unwrap().success());
}

#[test]
fn the_last_word_is_written() {
    let agent = start("exec \"$@\" 2>log2", &[]);
    let log = fs::File::open(agent.path("log2")).unwrap();
    assert!(agent.stop().unwrap().success());
    let log = std::io::read_to_string(log).unwrap();
    assert!(log.contains("msg=\"starting hostlens\""), "{log}");
    assert!(log.lines().last().unwrap().contains("msg=ending"), "{log}");
}

#[test]
fn few_descriptors_are_enough_for_all_collectors() {
    let many = running(&start("exec \"$@\"", &[]));
    for limit in [40, 64] {
        let agent = start(&format!("ulimit -n {limit}; exec \"$@\""), &[]);
        assert!(agent.log().contains("few descriptors may be open"), "{}", agent.log());
        // Silent clients, many times more than there may be.
        let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(agent.address()).unwrap()).collect();
        let begin = Instant::now();
        // The first scrape opens what is kept.
        scrape(&agent);
        assert!(begin.elapsed() < Duration::from_secs(8), "{limit} descriptors: {:?}", begin.elapsed());
        assert_eq!(running(&agent), many, "{limit} descriptors: {}", agent.log());
        drop(silent);
    }
}

#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let agent = start("ulimit -S -n 32; exec \"$@\"", &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
    let files = limits.lines().find(|it| it.starts_with("Max open files")).unwrap();
    let words: Vec<_> = files.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{files}");
}

#[test]
#[ignore = "makes a PID namespace: needs root"]
fn the_first_process_buries_the_others() {
    // The shell that becomes the agent leaves it a child that ends soon, of which the agent knows nothing.
    let shell =
        "exec unshare --pid --fork --kill-child -- sh -c '(sleep 0.2 & exec true); exec \"$@\"' sh \"$@\"";
    let agent = start(shell, &[]);
    let children = |pid: &str| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let first = children(&agent.pid().to_string()).unwrap();
    agent.wait_until("its child is buried", || Ok(children(first.trim())?.is_empty())).unwrap();
    agent.signal(Signal::TERM).unwrap();
}

/// A control group of version 1 or 2, removed on drop.
struct Group {
    folder: PathBuf,
    is_first_version: bool,
}

impl Group {
    fn new(controller: &str, name: &str) -> Self {
        let first = PathBuf::from("/sys/fs/cgroup").join(controller);
        let is_first_version = first.is_dir();
        let parent = if is_first_version { first } else { "/sys/fs/cgroup".into() };
        if !is_first_version {
            fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
        }
        let folder = parent.join(format!("hostlens-test-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self { folder, is_first_version }
    }

    fn set(&self, [first, second]: [&str; 2], value: u64) {
        let name = if self.is_first_version { first } else { second };
        fs::write(self.folder.join(name), value.to_string()).unwrap();
    }

    /// A command line that runs `"$@"` in it.
    fn shell(&self) -> String {
        format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.folder.display())
    }

    fn n_processes(&self) -> usize {
        fs::read_to_string(self.folder.join("cgroup.procs")).map_or(0, |it| it.lines().count())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel may still be at work with what it held.
        for _ in 0..500 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

const MEMORY_LIMIT: [&str; 2] = ["memory.limit_in_bytes", "memory.max"];
const MAX_THREADS: [&str; 2] = ["pids.max"; 2];

#[test]
fn what_it_takes_to_learn_an_answer_is_given_back() {
    let agent = start("exec \"$@\"", &[]);
    let anonymous_after = |n_scrapes| {
        for _ in 0..n_scrapes {
            assert_eq!(agent.get("/metrics", &[("accept-encoding", "gzip")]).unwrap().status, 200);
        }
        memory(agent.pid())[0]
    };
    let before = anonymous_after(3);
    let after = anonymous_after(20);
    assert!(after < before + 1024, "{before} KiB before, {after} KiB after");
    assert!(agent.stop().unwrap().success());
}

#[test]
#[ignore = "loads eBPF in a control group: needs root and BTF"]
fn short_of_memory_it_runs_without_probes_and_says_so() {
    let group = Group::new("memory", "memory");
    group.set(MEMORY_LIMIT, 16 << 20);
    let agent = start(&group.shell(), &["--ebpf.enabled=auto"]);
    let text = scrape(&agent);
    let state = text.lines().find(|it| it.contains("collector_problem{collector=\"runqueue\"")).unwrap();
    assert!(state.contains("state=\"unavailable\"") && state.contains("loading probes takes "), "{state}");
    assert!(text.contains("\nnode_load1 "));
    assert!(agent.log().contains("collector=runqueue reason=\"loading probes takes "), "{}", agent.log());
    agent.stop().unwrap();
    // With enough of it they are there.
    group.set(MEMORY_LIMIT, 64 << 20);
    let agent = start(&group.shell(), &["--ebpf.enabled=auto"]);
    assert!(scrape(&agent).contains("\nnode_sched_runqueue_latency_seconds_count "));
    agent.stop().unwrap();
}

#[test]
#[ignore = "loads eBPF in a control group: needs root and BTF"]
fn the_memory_that_the_manifest_asks_for_is_enough() {
    let manifest = include_str!("../../config/kubernetes/base/daemonset.yaml");
    let sizes = manifest.lines().filter_map(|it| it.trim().strip_prefix("memory: ")?.strip_suffix("Mi"));
    let sizes: Vec<u64> = sizes.map(|it| it.parse().unwrap()).collect();
    let [request, limit] = sizes[..] else { panic!("a request and a limit: {sizes:?}") };
    let group = Group::new("memory", "manifest");
    group.set(MEMORY_LIMIT, limit << 20);
    let agent = start(&group.shell(), &["--ebpf.enabled=auto"]);
    for _ in 0..3 {
        assert!(scrape(&agent).contains("\nnode_sched_runqueue_latency_seconds_count "));
    }
    let [resident, peak] = memory(agent.pid());
    println!("{resident} KiB resident, {peak} KiB at most, of {request} and {limit} MiB");
    assert!(resident <= request << 10 && peak <= limit << 10, "{resident} KiB, {peak} KiB at most");
    agent.stop().unwrap();
}

#[test]
#[ignore = "limits threads by a control group: needs root"]
fn reloads_go_on_where_no_thread_can_be_had() {
    let group = Group::new("pids", "pids");
    let agent = start(&group.shell(), &["--config.auto-reload=false"]);
    let before = running(&agent);
    group.set(MAX_THREADS, 1);
    assert_eq!(group.n_processes(), 1);
    // Longer than an idle thread lived.
    thread::sleep(Duration::from_secs(11));
    for config in ["[collector.loadavg]\nenabled = false\n", "x", "[path]\nrootfs = '/'\n", ""] {
        agent.configure(config).unwrap();
        let answer = agent.reload().unwrap();
        assert_eq!(answer.status, if config == "x" { 400 } else { 200 }, "{}", answer.text());
    }
    assert_eq!(running(&agent), before);
    agent.stop().unwrap();
}
