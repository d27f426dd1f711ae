//! The config is read again while the agent serves: nothing that did not change notices it.

use hostlens_tests::Agent;
use rustix::process::Signal;
use std::{
    collections::HashMap,
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

fn start(config: &str, args: &[&str]) -> Agent {
    Agent::start(config, &[&["--web.enable-lifecycle"], args].concat()).unwrap()
}

/// Status and what came of it.
fn reload(agent: &Agent) -> (u16, String) {
    let answer = agent.reload().unwrap();
    (answer.status, answer.text())
}

fn reload_with(agent: &Agent, config: &str) -> (u16, String) {
    agent.configure(config).unwrap();
    reload(agent)
}

/// Values by series.
fn samples(agent: &Agent) -> HashMap<String, f64> {
    let answer = agent.get("/metrics", &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pair =
        |line: &str| line.rsplit_once(' ').map(|(series, value)| (series.to_owned(), value.parse().unwrap()));
    answer.text().lines().filter(|line| !line.starts_with('#')).map(|line| pair(line).unwrap()).collect()
}

fn has_load(agent: &Agent) -> bool {
    samples(agent).contains_key("node_load1")
}

/// What the process holds open, by kind.
fn descriptors(agent: &Agent) -> Vec<String> {
    let folder = format!("/proc/{}/fd", agent.pid());
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

const SUCCESSFUL: &str = "hostlens_config_last_reload_successful";
const TIMESTAMP: &str = "hostlens_config_last_reload_success_timestamp_seconds";

/// A counter that goes on says the same start.
#[test]
fn a_start_lasts_as_long_as_its_counter() {
    let agent = start("[web]\nformats = ['openmetrics2']\n", &["--ebpf.enabled=never"]);
    // Some of what it says of itself is there from the second answer on.
    agent.scrape().unwrap();
    let starts = agent.starts().unwrap();
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let boot: f64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .unwrap()
        .parse()
        .expect("btime is a number");
    // The kernel tells whole seconds.
    let of = |series: &str| starts.get(series).copied();
    assert!((of("node_context_switches_total").unwrap() - boot).abs() < 1.5, "{starts:?}");
    assert!(of("hostlens_scrape_seconds_total") > of("node_context_switches_total"));
    assert_eq!(of("process_network_receive_bytes_total"), None);
    assert_eq!(agent.starts().unwrap(), starts);
    assert_eq!(reload(&agent).0, 200);
    assert_eq!(agent.starts().unwrap(), starts);
}

/// People search the log for them.
#[test]
fn enabled_collectors_are_logged_once_and_in_order() {
    let agent = start(
        "",
        &["--collector.disable-defaults", "--collector.uname", "--collector.loadavg", "--collector.stat"],
    );
    // It serves when all of that is logged.
    agent.get("/-/ready", &[]).unwrap();
    let log = agent.log();
    let words = log.lines().map(|line| line.rsplit_once("msg=").map_or(line, |it| it.1).trim_matches('"'));
    let enabled: Vec<_> = words.skip_while(|it| *it != "Enabled collectors").skip(1).take(3).collect();
    assert_eq!(enabled, ["loadavg", "stat", "uname"], "{log}");
    let answer = agent.get("/metrics?collect[]=loadavg", &[]).unwrap().text();
    assert!(answer.contains("node_load1 ") && !answer.contains("node_uname_info"), "{answer}");
    agent.get("/metrics?exclude[]=loadavg", &[]).unwrap();
    let (_, report) = reload_with(&agent, "[collector.time]\nenabled = true\n");
    assert_eq!(report, "started time\n");
    agent
        .wait_until("it says what changed", || Ok(agent.log().contains("changes=\"started time\"")))
        .unwrap();
    let later = agent.log();
    let later: Vec<_> = later[log.len()..].lines().collect();
    assert_eq!(later.len(), 1, "a filtered request logs nothing, and a reload once: {later:?}");
}

#[test]
fn a_reload_changes_what_changed_and_says_so() {
    let agent = start("[collector]\ndisable_defaults = true\n[collector.loadavg]\nenabled = true\n", &[]);
    let before = samples(&agent);
    assert!(before.contains_key("node_load1") && !before.contains_key("node_boot_time_seconds"));
    let (status, report) = reload_with(
        &agent,
        "[collector]\ndisable_defaults = true\n[collector.stat]\nenabled = true\n[log]\nformat = 'json'\n[web]\nmax_requests = 3\n",
    );
    assert_eq!(
        (status, &*report),
        (
            200,
            "[log] format changed\n[web] max_requests changed, which takes effect at the next start\nstarted stat\nstopped loadavg\n"
        )
    );
    let after = samples(&agent);
    assert!(!after.contains_key("node_load1") && after.contains_key("node_boot_time_seconds"));
    assert_eq!(after[SUCCESSFUL], 1.0);
    assert!(after[TIMESTAMP] > before[TIMESTAMP]);
    agent
        .wait_until("it logs JSON", || Ok(agent.log().lines().any(|it| it.starts_with("{\"time\":"))))
        .unwrap();
    assert_eq!(reload(&agent), (200, "nothing changed\n".to_owned()));
}

#[test]
fn a_bad_config_changes_nothing() {
    let agent = start("[collector.loadavg]\nenabled = true\n", &[]);
    let before = samples(&agent);
    let (status, report) = reload_with(
        &agent,
        "[collector.loadavg]\nenabled = false\n[collector.netdev]\ndevice_exlude = 'x'\n",
    );
    assert_eq!(status, 400);
    assert!(
        report.contains("hostlens.toml:4:1\n") && report.contains("did you mean `device_exclude`?"),
        "{report}"
    );
    let after = samples(&agent);
    assert!(after.contains_key("node_load1"));
    assert_eq!((after[SUCCESSFUL], after[TIMESTAMP]), (0.0, before[TIMESTAMP]));
    assert_eq!(reload_with(&agent, "").0, 200);
    assert_eq!(samples(&agent)[SUCCESSFUL], 1.0);
}

#[test]
fn a_setting_that_cannot_work_is_not_put_in_force() {
    let agent = Agent::start("", &["--ebpf.enabled=never", "--web.enable-lifecycle"]).unwrap();
    let (status, said) =
        reload_with(&agent, "[collector.ntp]\nenabled = true\nserver = 'pool.example.org'\n");
    assert_ne!(status, 200);
    assert!(said.contains("hostlens.toml:3:1") && said.contains("no loopback address"), "{said}");
    assert_eq!(samples(&agent)[SUCCESSFUL], 0.0);
}

#[test]
fn a_hangup_reloads() {
    let agent = start("", &[]);
    agent.configure("[collector.loadavg]\nenabled = false\n").unwrap();
    agent.signal(Signal::HUP).unwrap();
    agent.wait_until("it reloaded", || Ok(!has_load(&agent))).unwrap();
    let line =
        "msg=\"the config was reloaded\" changes=\"[collector.loadavg] enabled changed; stopped loadavg\"";
    agent.wait_until("it says so", || Ok(agent.log().contains(line))).unwrap();
}

/// A ConfigMap as the kubelet publishes it: `hostlens.toml` → `..data/hostlens.toml`, `..data` → a folder named by
/// the time, swapped for another at once; the folder before is removed.
#[test]
fn a_swapped_config_map_reloads() {
    let agent = start("", &[]);
    let at = |name: &str| agent.path(name);
    let publish = |folder: &str, text: &str| {
        fs::create_dir(at(folder)).unwrap();
        fs::write(at(folder).join("hostlens.toml"), text).unwrap();
        let before = fs::read_link(at("..data"));
        symlink(folder, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(at(before.to_str().unwrap())).unwrap();
        }
    };
    publish("..2026_11_22_10_00_00.1", "");
    symlink("..data/hostlens.toml", at("link")).unwrap();
    fs::rename(at("link"), at("hostlens.toml")).unwrap();
    assert_eq!(reload(&agent).0, 200);

    publish("..2026_11_22_10_01_00.2", "[collector.loadavg]\nenabled = false\n");
    agent.wait_until("it reloaded", || Ok(!has_load(&agent))).unwrap();

    publish("..2026_11_22_10_02_00.3", "[collector.loadav]\n");
    agent.wait_until("it says that it is broken", || Ok(samples(&agent)[SUCCESSFUL] == 0.0)).unwrap();
    assert!(!has_load(&agent), "the one before holds");
    let log = agent.log();
    assert!(log.contains("hostlens.toml:1:12 error=\"unknown collector `loadav`\""), "{log}");
    assert!(log.contains("the one before is still in use"), "{log}");

    publish("..2026_11_22_10_03_00.4", "");
    agent.wait_until("it reloaded", || Ok(has_load(&agent))).unwrap();
    assert_eq!(samples(&agent)[SUCCESSFUL], 1.0);
}

#[test]
fn only_who_may_reloads() {
    let agent = start("", &["--no-web.enable-lifecycle"]);
    assert_eq!(reload(&agent).0, 403);
    assert_eq!(agent.get("/-/reload", &[]).unwrap().status, 405);
}

#[test]
fn two_hundred_reloads_lose_nothing() {
    reload_often(&["--ebpf.enabled=never"]);
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn two_hundred_reloads_lose_nothing_of_probes() {
    let agent = reload_often(&["--security.privileges=keep"]);
    assert!(samples(&agent)["node_sched_runqueue_latency_seconds_count"] > 0.0);
    // Another [ebpf] opens all collectors anew, and loads all probes beside those that run.
    let before = descriptors(&agent);
    for round in 0..20 {
        let (status, report) = reload_with(&agent, ["[ebpf]\nclassic_buckets = 'pow2'\n", ""][round % 2]);
        assert!(status == 200 && report.contains("runqueue"), "{report}");
        assert!(samples(&agent).contains_key("node_sched_runqueue_latency_seconds_count"));
    }
    assert_eq!(descriptors(&agent), before, "no probe is left loaded");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn a_probe_goes_on_without_capabilities_until_it_is_switched_off() {
    let agent = start("", &[]);
    let count = || samples(&agent).get("node_sched_runqueue_latency_seconds_count").copied();
    let before = count().unwrap();
    let (status, report) = reload_with(&agent, "[ebpf]\nclassic_buckets = 'pow2'\n");
    assert!(status == 200 && report.contains("warning: runqueue goes on as it was: bpf(2)"), "{report}");
    assert!(count().unwrap() >= before);
    let (status, report) =
        reload_with(&agent, "collector.runqueue.enabled = true\n[ebpf]\nenabled = 'never'\n");
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
    let agent = start("", &[args, &["--log.level=error"]].concat());
    samples(&agent);
    assert_eq!(reload(&agent).0, 200);
    let before = descriptors(&agent);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| scrape_until(&is_over, &agent));
        for round in 0..200 {
            if round % 3 == 2 {
                assert_eq!(reload_with(&agent, bad[round % bad.len()]).0, 400);
            } else {
                let (status, report) = reload_with(&agent, good[round % good.len()]);
                assert_eq!(status, 200, "{report}");
            }
            if round % 10 == 0 {
                agent.signal(Signal::HUP).unwrap();
            }
        }
        assert_eq!(reload_with(&agent, "").0, 200);
        is_over.store(true, Ordering::Relaxed);
        assert!(scraper.join().unwrap() >= 10);
    });
    samples(&agent);
    assert_eq!(descriptors(&agent), before, "nothing is left open");
    agent
}

/// Scrapes ten times at least, and says how often.
fn scrape_until(is_over: &AtomicBool, agent: &Agent) -> usize {
    let mut last = HashMap::<String, f64>::new();
    let mut n_scrapes = 0;
    while !is_over.load(Ordering::Relaxed) || n_scrapes < 10 {
        let now = samples(agent);
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

#[test]
fn jitter_delays_the_start_and_no_reload_that_is_asked_for() {
    let agent = Agent::start("jitter = '1h'\n", &[]).unwrap();
    while !agent.log().contains("waiting, so that not all hosts load probes at once") {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(agent.stop().unwrap().success());

    let without_load = "jitter = '1h'\n[ebpf]\nenabled = 'never'\n[collector.loadavg]\nenabled = false\n";
    let agent = start("jitter = '1h'\n[ebpf]\nenabled = 'never'\n", &[]);
    assert!(has_load(&agent));
    assert_eq!(reload_with(&agent, without_load).0, 200);
    assert!(!has_load(&agent));
}
