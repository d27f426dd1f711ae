//! The config is read again while the agent serves: nothing that did not change notices it.

#![allow(clippy::unwrap_used, reason = "what fails is the test")]

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than anything takes.
const EVER: Duration = Duration::from_secs(60);

/// An agent that serves on a socket in its own folder, ended on drop.
struct Agent {
    process: Child,
    folder: TempDir,
}

impl Agent {
    fn start(config: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hostlens.toml"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_hostlens"))
            .args([
                "--config.file=hostlens.toml",
                "--web.listen-address=unix:socket",
                "--web.enable-lifecycle",
            ])
            .args(args)
            .current_dir(folder.path())
            .env_clear()
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let agent = Self { process, folder };
        agent.wait_until("it serves", || UnixStream::connect(agent.socket()).is_ok());
        agent
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < EVER, "waiting until {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Status and body.
    fn request(&self, request: &str) -> (u16, String) {
        request_at(&self.socket(), request)
    }

    fn reload(&self) -> (u16, String) {
        self.request("POST /-/reload")
    }

    fn scrape(&self) -> HashMap<String, f64> {
        let (status, body) = self.request("GET /metrics");
        assert_eq!(status, 200);
        samples(&body)
    }

    /// What the process holds open, by kind.
    fn descriptors(&self) -> Vec<String> {
        let folder = format!("/proc/{}/fd", self.process.id());
        let links = fs::read_dir(folder).unwrap().filter_map(|it| fs::read_link(it.unwrap().path()).ok());
        let name = |link: PathBuf| link.to_str().unwrap().split(':').next().unwrap().to_owned();
        // Connections come and go, and not because of reloads.
        let mut names: Vec<String> = links
            .map(|it| if it.starts_with("anon_inode:") { it.to_str().unwrap().to_owned() } else { name(it) })
            .collect();
        names.retain(|it| it != "socket");
        // A description of a descriptor, which has another number when it is opened anew.
        for name in &mut names {
            name.truncate(name.find("/fdinfo/").map_or(name.len(), |it| it + "/fdinfo".len()));
        }
        names.sort();
        names
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn request_at(socket: &PathBuf, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding: chunked"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn samples(body: &str) -> HashMap<String, f64> {
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let pair =
        |line: &str| line.rsplit_once(' ').map(|(series, value)| (series.to_owned(), value.parse().unwrap()));
    lines.map(|line| pair(line).unwrap()).collect()
}

const SUCCESSFUL: &str = "hostlens_config_last_reload_successful";
const TIMESTAMP: &str = "hostlens_config_last_reload_success_timestamp_seconds";

#[test]
fn a_reload_changes_what_changed_and_says_so() {
    let agent =
        Agent::start("[collector]\ndisable_defaults = true\n[collector.loadavg]\nenabled = true\n", &[]);
    let before = agent.scrape();
    assert!(before.contains_key("node_load1") && !before.contains_key("node_boot_time_seconds"));
    agent.write("hostlens.toml", "[collector]\ndisable_defaults = true\n[collector.stat]\nenabled = true\n[log]\nformat = 'json'\n[web]\nmax_requests = 3\n");
    let (status, report) = agent.reload();
    assert_eq!(
        (status, &*report),
        (
            200,
            "[log] format changed\n[web] max_requests changed, which takes effect at the next start\nstarted stat\nstopped loadavg\n"
        )
    );
    let after = agent.scrape();
    assert!(!after.contains_key("node_load1") && after.contains_key("node_boot_time_seconds"));
    assert_eq!(after[SUCCESSFUL], 1.0);
    assert!(after[TIMESTAMP] > before[TIMESTAMP]);
    assert!(agent.log().lines().last().unwrap().starts_with("{\"time\":"), "{}", agent.log());
    assert_eq!(agent.reload(), (200, "nothing changed\n".to_owned()));
}

#[test]
fn a_bad_config_changes_nothing() {
    let agent = Agent::start("[collector.loadavg]\nenabled = true\n", &[]);
    let before = agent.scrape();
    agent.write(
        "hostlens.toml",
        "[collector.loadavg]\nenabled = false\n[collector.netdev]\ndevice_exlude = 'x'\n",
    );
    let (status, report) = agent.reload();
    assert_eq!(status, 400);
    assert!(
        report.contains("hostlens.toml:4:1\n") && report.contains("did you mean `device_exclude`?"),
        "{report}"
    );
    let after = agent.scrape();
    assert!(after.contains_key("node_load1"));
    assert_eq!((after[SUCCESSFUL], after[TIMESTAMP]), (0.0, before[TIMESTAMP]));
    agent.write("hostlens.toml", "");
    assert_eq!(agent.reload().0, 200);
    assert_eq!(agent.scrape()[SUCCESSFUL], 1.0);
}

#[test]
fn a_hangup_reloads() {
    let agent = Agent::start("", &[]);
    agent.write("hostlens.toml", "[collector.loadavg]\nenabled = false\n");
    agent.hang_up();
    agent.wait_until("it reloaded", || !agent.scrape().contains_key("node_load1"));
    assert!(
        agent.log().contains(
            "msg=\"the config was reloaded\" changes=\"[collector.loadavg] enabled changed; stopped loadavg\""
        ),
        "{}",
        agent.log()
    );
}

/// A ConfigMap as the kubelet publishes it: `hostlens.toml` → `..data/hostlens.toml`, `..data` → a folder named by
/// the time, swapped for another at once; the folder before is removed.
#[test]
fn a_swapped_config_map_reloads() {
    let agent = Agent::start("", &[]);
    let at = |name: &str| agent.folder.path().join(name);
    let publish = |folder: &str, text: &str| {
        fs::create_dir(at(folder)).unwrap();
        fs::write(at(folder).join("hostlens.toml"), text).unwrap();
        let before = fs::read_link(at("..data"));
        std::os::unix::fs::symlink(folder, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(agent.folder.path().join(before)).unwrap();
        }
    };
    publish("..2026_11_22_10_00_00.1", "");
    std::os::unix::fs::symlink("..data/hostlens.toml", at("link")).unwrap();
    fs::rename(at("link"), at("hostlens.toml")).unwrap();
    assert_eq!(agent.reload().0, 200);

    publish("..2026_11_22_10_01_00.2", "[collector.loadavg]\nenabled = false\n");
    agent.wait_until("it reloaded", || !agent.scrape().contains_key("node_load1"));

    publish("..2026_11_22_10_02_00.3", "[collector.loadav]\n");
    agent.wait_until("it says that it is broken", || agent.scrape()[SUCCESSFUL] == 0.0);
    assert!(!agent.scrape().contains_key("node_load1"), "the one before holds");
    let log = agent.log();
    assert!(log.contains("hostlens.toml:1:12 error=\"unknown collector `loadav`\""), "{log}");
    assert!(log.contains("the one before still holds"), "{log}");

    publish("..2026_11_22_10_03_00.4", "");
    agent.wait_until("it reloaded", || agent.scrape().contains_key("node_load1"));
    assert_eq!(agent.scrape()[SUCCESSFUL], 1.0);
}

#[test]
fn only_who_may_reloads() {
    let agent = Agent::start("", &["--no-web.enable-lifecycle"]);
    assert_eq!(agent.reload().0, 403);
    assert_eq!(agent.request("GET /-/reload").0, 405);
}

#[test]
fn two_hundred_reloads_lose_nothing() {
    reload_often(&["--ebpf.enabled=never"]);
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn two_hundred_reloads_lose_nothing_of_probes() {
    let agent = reload_often(&["--security.privileges=keep"]);
    let samples = agent.scrape();
    assert!(samples["node_sched_runqueue_latency_seconds_count"] > 0.0);
    // Another [ebpf] opens all collectors anew, and loads all probes beside those that run.
    let descriptors = agent.descriptors();
    for round in 0..20 {
        agent.write("hostlens.toml", ["[ebpf]\nclassic_buckets = 'pow4'\n", ""][round % 2]);
        let (status, report) = agent.reload();
        assert!(status == 200 && report.contains("runqueue"), "{report}");
        assert!(agent.scrape().contains_key("node_sched_runqueue_latency_seconds_count"));
    }
    assert_eq!(agent.descriptors(), descriptors, "no probe is left loaded");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn a_probe_goes_on_without_capabilities_until_it_is_switched_off() {
    let agent = Agent::start("", &[]);
    let count = || agent.scrape().get("node_sched_runqueue_latency_seconds_count").copied();
    let before = count().unwrap();
    agent.write("hostlens.toml", "[ebpf]\nclassic_buckets = 'pow4'\n");
    let (status, report) = agent.reload();
    assert!(status == 200 && report.contains("warning: runqueue goes on as it was: bpf(2)"), "{report}");
    assert!(count().unwrap() >= before);
    agent.write("hostlens.toml", "[ebpf]\nenabled = 'never'\n");
    let (status, report) = agent.reload();
    assert!(status == 200 && report.contains("runqueue is unavailable: probes are switched off"), "{report}");
    assert_eq!(count(), None);
}

/// Reloads good and bad configs under scrapes. No scrape may fail, no counter may fall, nothing may be left open.
fn reload_often(args: &[&str]) -> Agent {
    let good = [
        "",
        "[collector.netdev]\ndevice_exclude = '^veth'\n",
        "[collector.arp]\nenabled = false\n[log]\nlevel = 'error'\n",
        "[collector.buddyinfo]\nenabled = true\n[scrape]\ndefault_timeout = '3s'\n",
    ];
    let bad = ["[collector.netdev]\nnetlnk = true\n", "x"];
    let agent = Agent::start("", &[args, &["--log.level=error"]].concat());
    agent.scrape();
    assert_eq!(agent.reload().0, 200);
    let descriptors = agent.descriptors();
    let is_over = Arc::new(AtomicBool::new(false));
    let scraper = thread::spawn({
        let (is_over, socket) = (Arc::clone(&is_over), agent.socket());
        move || {
            let mut last = HashMap::<String, f64>::new();
            let mut n_scrapes = 0;
            while !is_over.load(Ordering::Relaxed) || n_scrapes < 10 {
                let (status, body) = request_at(&socket, "GET /metrics");
                assert_eq!(status, 200, "{body}");
                let now = samples(&body);
                let is_counter = |series: &str| {
                    let name = series.split('{').next().unwrap();
                    ["_total", "_count", "_bucket", "_sum"].iter().any(|end| name.ends_with(end))
                };
                for (series, value) in now.iter().filter(|(series, _)| is_counter(series)) {
                    let before = last.get(series).copied().unwrap_or(0.0);
                    assert!(*value >= before, "{series} fell from {before} to {value}");
                }
                assert!(now.contains_key("node_load1"));
                last = now;
                n_scrapes += 1;
                thread::sleep(Duration::from_millis(100));
            }
            n_scrapes
        }
    });
    for round in 0..200 {
        if round % 3 == 2 {
            agent.write("hostlens.toml", bad[round % bad.len()]);
            assert_eq!(agent.reload().0, 400);
        } else {
            agent.write("hostlens.toml", good[round % good.len()]);
            let (status, report) = agent.reload();
            assert_eq!(status, 200, "{report}");
        }
        if round % 10 == 0 {
            agent.hang_up();
        }
    }
    agent.write("hostlens.toml", "");
    assert_eq!(agent.reload().0, 200);
    is_over.store(true, Ordering::Relaxed);
    assert!(scraper.join().unwrap() >= 10);
    agent.scrape();
    assert_eq!(agent.descriptors(), descriptors, "nothing is left open");
    agent
}
