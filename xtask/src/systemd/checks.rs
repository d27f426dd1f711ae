//! What the unit promises, one function a promise, in the order in which an administrator meets them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    servers,
    service::{BINARY, Service},
    units,
};

/// Says what it saw.
pub(super) type Check = fn(&Service) -> Result<String>;

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("files are valid", files_are_valid),
    ("user and folders are made", user_and_folders),
    ("starts and says when it is ready", starts),
    ("runs as nobody, with nothing", runs_without_privileges),
    ("collects what root collects", collects_what_root_does),
    ("probes count", probes_count),
    ("exposure is low", exposure),
    ("reload takes a new config", reload),
    ("reload refuses a broken config", broken_config),
    ("comes back after kill -9", comes_back),
    ("comes back when it hangs", watchdog),
    ("stops at once", stops),
    ("runs without capabilities", without_capabilities),
    ("shows systemd's units", units::shows_units),
    ("outlives a systemd that hangs", units::outlives_systemd),
    ("reaches servers of the host", servers::shows_servers),
    ("takes node_exporter's ARGS", arguments),
    ("takes node_exporter's place", in_place_of_node_exporter),
    ("starts by its socket", socket_activation),
    ("the socket outlives a restart", socket_outlives_restart),
];

/// `systemd-analyze security` counts up to 10.
const MAX_EXPOSURE: f64 = 2.5;
const MAX_STOP: Duration = Duration::from_secs(1);
/// Of files that root alone may read.
const FOR_ROOT: [&str; 2] = ["netfilter_queue", "rapl"];
const LATENCY: &str = "node_sched_runqueue_latency_seconds_count";
const IN_FORCE: &str = "hostlens_config_last_reload_successful";
const NO_LOADAVG: &str = "[collector.loadavg]\nenabled = false\n";

fn files_are_valid(it: &Service) -> Result<String> {
    let mut verify = vec!["systemd-analyze", "verify", "--man=no"];
    verify.extend(["hostlens.service", "hostlens.socket"]);
    let answer = it.container().run(&verify)?;
    // It complains of a setting that it does not know, and succeeds.
    ensure!(answer.is_success && answer.stderr.is_empty(), "{}", answer.stderr);
    Ok("systemd-analyze verify has nothing to say".to_owned())
}

fn user_and_folders(it: &Service) -> Result<String> {
    it.container().output(&["getent", "passwd", "hostlens"])?;
    let textfile = it.container().output(&["stat", "--format=%A %U:%G", "/var/lib/hostlens/textfile"])?;
    ensure!(textfile == "drwxrwsr-x root:hostlens", "the folder for text files is {textfile}");
    Ok(textfile)
}

fn starts(it: &Service) -> Result<String> {
    let started = Instant::now();
    it.container().output(&["systemctl", "start", "hostlens.service"])?;
    let took = started.elapsed();
    ensure!(it.property("Type")? == "notify", "systemd is not told when it is ready");
    // The first scrape succeeds: nothing is waited for.
    let n_series = it.scrape()?.len();
    Ok(format!("after {} ms, {n_series} series", took.as_millis()))
}

fn runs_without_privileges(it: &Service) -> Result<String> {
    let pid = it.property("MainPID")?;
    let statuses = it.container().output(&["sh", "-c", &format!("cat /proc/{pid}/task/*/status")])?;
    let uid = it.container().output(&["id", "--user", "hostlens"])?;
    let mut n_threads = 0;
    for line in statuses.lines() {
        let (key, value) = line.split_once(":\t").unwrap_or((line, ""));
        let is_good = match key {
            "Uid" => value.split('\t').all(|it| it == uid),
            "CapInh" | "CapPrm" | "CapEff" | "CapAmb" => value.trim_start_matches('0').is_empty(),
            "NoNewPrivs" => value == "1",
            "Seccomp" => value == "2",
            _ => continue,
        };
        ensure!(is_good, "a thread has {line}");
        n_threads += usize::from(key == "CapEff");
    }
    ensure!(n_threads > 0, "no thread was seen");
    Ok(format!("user {uid}, CapEff 0, NoNewPrivs, seccomp, {n_threads} threads"))
}

fn collects_what_root_does(it: &Service) -> Result<String> {
    let report: Value = serde_json::from_str(&it.container().run(&[BINARY, "doctor", "--json"])?.stdout)?;
    let page = it.scrape()?;
    let mut n_running = 0;
    let collectors = report["collectors"].as_array().context("the doctor lists no collectors")?;
    for collector in collectors {
        let name = collector["name"].as_str().context("a collector has no name")?;
        if collector["state"] != "ok" || FOR_ROOT.contains(&name) {
            continue;
        }
        match page.state(name) {
            Some(("running", _)) => n_running += 1,
            state => bail!("{name} works for root, and in the service it is {state:?}"),
        }
    }
    ensure!(n_running > 0, "no collector works for root");
    Ok(format!("{n_running} collectors"))
}

fn probes_count(it: &Service) -> Result<String> {
    let before = it.scrape()?.get(LATENCY)?;
    it.wait_until("more context switches", |it| Ok(it.scrape()?.get(LATENCY)? > before))?;
    Ok(format!("{LATENCY} rises from {before}"))
}

fn exposure(it: &Service) -> Result<String> {
    let report = it.container().output(&["systemd-analyze", "security", "--no-pager", "hostlens.service"])?;
    let level = report.lines().last().and_then(|it| it.split_once("hostlens.service: "));
    let level = level.and_then(|(_, it)| it.split(' ').next()).context("find the level")?;
    ensure!(level.parse::<f64>()? <= MAX_EXPOSURE, "{level} is more than {MAX_EXPOSURE}");
    Ok(format!("{level} of 10"))
}

fn reload(it: &Service) -> Result<String> {
    let (pid, before) = (it.property("MainPID")?, it.scrape()?);
    before.get("node_load1")?;
    it.configure(NO_LOADAVG)?;
    it.container().output(&["systemctl", "reload", "hostlens.service"])?;
    let took = it.wait_until("the collector is gone", |it| Ok(it.scrape()?.get("node_load1").is_err()))?;
    ensure!(it.property("MainPID")? == pid, "it was started anew");
    ensure!(it.scrape()?.get(LATENCY)? >= before.get(LATENCY)?, "the probes' counters began anew");
    Ok(format!("within {} ms, same process, counters go on", took.as_millis()))
}

fn broken_config(it: &Service) -> Result<String> {
    it.configure("[collector.loadavg]\nenable = true\n")?;
    let answer = it.systemctl("reload", "hostlens.service")?;
    ensure!(!answer.is_success, "systemctl took a broken config for a good one");
    it.wait_until("the metric says so", |it| Ok(it.scrape()?.get(IN_FORCE)? == 0.0))?;
    ensure!(it.scrape()?.get("node_load1").is_err(), "the config before does not hold");
    ensure!(it.property("ActiveState")? == "active", "it does not run on");
    let journal = it.journal()?;
    for words in ["hostlens.toml:2:1", "did you mean `enabled`?", "the one before is still in use"] {
        ensure!(journal.contains(words), "the journal does not say `{words}`");
    }
    it.configure("")?;
    it.container().output(&["systemctl", "reload", "hostlens.service"])?;
    it.wait_until("a good one is taken", |it| Ok(it.scrape()?.get(IN_FORCE)? == 1.0))?;
    Ok("systemctl fails, metric and journal say why, the one before holds".to_owned())
}

fn comes_back(it: &Service) -> Result<String> {
    let took = replaced(it, "-KILL")?;
    Ok(format!("serves again after {} ms", took.as_millis()))
}

fn watchdog(it: &Service) -> Result<String> {
    it.drop_in("watchdog", "WatchdogSec=1s\nTimeoutAbortSec=1s")?;
    it.restart("", "")?;
    // It tells systemd in time while it runs.
    let pid = it.property("MainPID")?;
    std::thread::sleep(Duration::from_secs(3));
    ensure!(it.property("MainPID")? == pid, "it was ended though it runs");
    let took = replaced(it, "-STOP")?;
    it.no_drop_in()?;
    it.restart("", "")?;
    Ok(format!("ended by WatchdogSec=1s, serves again after {} ms", took.as_millis()))
}

/// Sends the signal and waits until another process serves.
fn replaced(it: &Service, signal: &str) -> Result<Duration> {
    let pid = it.property("MainPID")?;
    it.container().output(&["kill", signal, &pid])?;
    it.wait_until("another process serves", |it| Ok(it.property("MainPID")? != pid && it.scrape().is_ok()))
}

fn stops(it: &Service) -> Result<String> {
    // A scraper that holds its connection open must not keep it.
    let connect = "exec 3<>/dev/tcp/localhost/9100; sleep infinity";
    it.container().output(&["systemd-run", "--quiet", "--unit=idle", "bash", "-c", connect])?;
    it.wait_until("a connection is open", |it| {
        let pid = it.property("MainPID")?;
        let links = it.container().output(&["sh", "-c", &format!("readlink /proc/{pid}/fd/*")])?;
        Ok(links.lines().filter(|it| it.starts_with("socket:")).count() > 1)
    })?;
    let started = Instant::now();
    it.container().output(&["systemctl", "stop", "hostlens.service"])?;
    let took = started.elapsed();
    let result = it.property("Result")?;
    it.systemctl("stop", "idle.service")?;
    ensure!(result == "success", "its result is {result}");
    ensure!(took <= MAX_STOP, "after {took:?}");
    Ok(format!("after {} ms, a connection open", took.as_millis()))
}

fn without_capabilities(it: &Service) -> Result<String> {
    it.drop_in("unprivileged", "AmbientCapabilities=\nCapabilityBoundingSet=")?;
    it.restart("", "")?;
    let page = it.scrape()?;
    page.get("node_load1")?;
    let reason = match page.state("runqueue") {
        Some(("unavailable", reason)) if !reason.is_empty() => reason.to_owned(),
        state => bail!("runqueue is {state:?}"),
    };
    let exposed = exposure(it)?;
    it.no_drop_in()?;
    Ok(format!("exposure {exposed}; runqueue: {reason}"))
}

fn arguments(it: &Service) -> Result<String> {
    // Single words, quoted words, and a regex as Debian's file tells how to write it.
    let args = "ARGS=\"--no-collector.arp --collector.buddyinfo \
                --collector.netdev.device-exclude=^\\\\\\\\wo$\"\n";
    it.restart("", args)?;
    let page = it.scrape()?;
    ensure!(page.state("arp").is_none(), "--no-collector.arp had no effect");
    ensure!(page.state("buddyinfo").is_some(), "--collector.buddyinfo had no effect");
    let lo = page.get("node_network_receive_bytes_total{device=\"lo\"}");
    ensure!(lo.is_err(), "--collector.netdev.device-exclude had no effect");
    Ok("flags, and a regex with a backslash".to_owned())
}

fn in_place_of_node_exporter(it: &Service) -> Result<String> {
    const UNIT: &str = "prometheus-node-exporter.service";
    let folder = "/var/lib/prometheus/node-exporter";
    it.systemctl("stop", "hostlens.service")?;
    it.container().output(&["sh", "-c", "echo 'u prometheus -' | systemd-sysusers -"])?;
    it.container().output(&["ln", "--symbolic", BINARY, "/usr/bin/prometheus-node-exporter"])?;
    it.container().write(&format!("{folder}/a.prom"), "a_metric 1\n")?;
    it.container().write(
        "/etc/default/prometheus-node-exporter",
        &format!(
            "ARGS=\"--collector.textfile.directory={folder} --collector.diskstats.ignored-devices=^ram\"\n"
        ),
    )?;
    it.container().output(&["systemctl", "daemon-reload"])?;
    it.container().output(&["systemctl", "start", UNIT])?;
    it.wait_until("it serves", |it| Ok(it.scrape().is_ok()))?;
    it.scrape()?.get("a_metric")?;
    let pid = || it.container().output(&["systemctl", "show", "--value", "--property=MainPID", UNIT]);
    let before = pid()?;
    it.container().output(&["systemctl", "reload", UNIT])?;
    it.scrape()?.get("a_metric")?;
    ensure!(pid()? == before, "a reload ended it");
    // As the package installs it: its defaults are in the binary that was there before.
    it.container().write("/etc/default/prometheus-node-exporter", "ARGS=\"\"\n")?;
    it.container().output(&["systemctl", "restart", UNIT])?;
    it.wait_until("it serves without ARGS", |it| Ok(it.scrape().is_ok()))?;
    let warning = format!("--collector.textfile.directory={folder}");
    ensure!(it.journal()?.contains(&warning), "the journal does not say `{warning}`");
    it.systemctl("stop", UNIT)?;
    Ok("Debian's unit, user and ARGS; empty ARGS warn of text files; it survives a reload".to_owned())
}

fn socket_activation(it: &Service) -> Result<String> {
    it.container().write("/etc/default/hostlens", "ARGS=--web.systemd-socket\n")?;
    it.container().output(&["systemctl", "start", "hostlens.socket"])?;
    ensure!(it.property("ActiveState")? == "inactive", "it runs before anybody asks");
    let started = Instant::now();
    it.scrape()?;
    let took = started.elapsed();
    ensure!(it.property("ActiveState")? == "active", "somebody else answered");
    Ok(format!("first answer after {} ms", took.as_millis()))
}

fn socket_outlives_restart(it: &Service) -> Result<String> {
    const REQUESTS: usize = 20;
    let pid = it.property("MainPID")?;
    it.container().output(&["systemctl", "restart", "--no-block", "hostlens.service"])?;
    for request in 0..REQUESTS {
        it.scrape().with_context(|| format!("request {request}"))?;
    }
    it.wait_until("another process serves", |it| Ok(it.property("MainPID")? != pid))?;
    it.scrape()?;
    Ok(format!("{REQUESTS} scrapes over a restart, none refused"))
}
