//! What the packages promise, one function a promise, in the order in which an administrator meets them: beside
//! Debian's node_exporter, in its place, on their own, and gone; then the RPM package, by Debian's rpm.

use std::{
    fs::{self, read_dir},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{checks::Check, service::Service};
use crate::{
    apt::Apt,
    process::{output, workspace},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("leaves node_exporter in its place", beside_node_exporter),
    ("takes its place, with ARGS and text files", in_its_place),
    ("starts with Debian's defaults", with_debians_defaults),
    ("is upgraded", upgrade),
    ("goes on as itself", as_itself),
    ("leaves nothing", purge),
    ("rpm: is installed with its scripts", rpm_installs),
    ("rpm: serves", rpm_serves),
    ("rpm: is erased", rpm_erases),
];

const THEIRS: &str = "prometheus-node-exporter.service";
const THEIR_ARGS: &str = "/etc/default/prometheus-node-exporter";
const THEIR_FOLDER: &str = "/var/lib/prometheus/node-exporter";
/// Where the packages are in the container.
const FOLDER: &str = "/var/packages";

/// Puts the packages in `target/dist`, and Debian's node_exporter, where the container finds them.
pub(super) fn place(root: &Path, suite: &str) -> Result<()> {
    let folder = root.join(FOLDER.trim_start_matches('/'));
    fs::create_dir_all(&folder)?;
    for package in read_dir(workspace().join("target/dist")).context("run `cargo xtask dist` first")? {
        let name = package?.file_name().into_string().unwrap_or_default();
        let to = match name.split('_').next() {
            Some("hostlens-node-exporter") => "hostlens-node-exporter.deb",
            Some("hostlens") if name.ends_with("_amd64.deb") => "hostlens.deb",
            _ if name.ends_with(".x86_64.rpm") => "hostlens.rpm",
            _ => continue,
        };
        fs::copy(workspace().join("target/dist").join(name), folder.join(to))?;
    }
    for package in ["hostlens.deb", "hostlens.rpm"] {
        ensure!(folder.join(package).exists(), "target/dist has no {package}: run `cargo xtask dist` first");
    }
    let download = tempfile::tempdir()?;
    let theirs = Apt::new(&[suite])?.download("prometheus-node-exporter", download.path())?;
    fs::copy(theirs, folder.join("theirs.deb"))?;
    // It stands in for the package elsewhere.
    fs::remove_file(root.join("usr/lib/systemd/system").join(THEIRS))?;
    // With this machine's network; the booted system has none.
    let mut nspawn = Command::new("systemd-nspawn");
    nspawn.args(["--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=copy-host"]);
    nspawn.arg("--setenv=DEBIAN_FRONTEND=noninteractive").arg("--directory").arg(root);
    output(nspawn.args(["apt-get", "install", "--yes", "--no-install-recommends", "rpm"]))?;
    Ok(())
}

fn install(it: &Service, package: &str) -> Result<String> {
    let file = format!("{FOLDER}/{package}.deb");
    let options = "DEBIAN_FRONTEND=noninteractive";
    let answer = it.container().run(&[
        "env",
        options,
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        &file,
    ])?;
    ensure!(answer.is_success, "install {package}: {}{}", answer.stdout, answer.stderr);
    Ok(answer.stdout + &answer.stderr)
}

fn beside_node_exporter(it: &Service) -> Result<String> {
    install(it, "theirs")?;
    it.container().write(&format!("{THEIR_FOLDER}/a.prom"), "a_metric 1\n")?;
    let file = format!("{THEIR_FOLDER}/of_group.prom");
    it.container().write(&file, "of_group 1\n")?;
    it.container().output(&["chgrp", "prometheus", &file])?;
    it.container().output(&["chmod", "0640", &file])?;
    let words = install(it, "hostlens")?;
    ensure!(words.contains("is not started"), "the package does not say that it is not started: {words}");
    ensure!(it.property("ActiveState")? == "inactive", "hostlens runs beside it");
    it.wait_until("node_exporter serves", |it| Ok(it.scrape().is_ok()))?;
    ensure!(it.scrape()?.names().any(|it| it.starts_with("go_")), "another one serves");
    Ok("hostlens is installed and not started, and says why".to_owned())
}

fn in_its_place(it: &Service) -> Result<String> {
    it.container()
        .write(THEIR_ARGS, "ARGS=\"--no-collector.arp --collector.diskstats.ignored-devices=^ram\"\n")?;
    it.container().output(&["systemctl", "restart", THEIRS])?;
    it.wait_until("node_exporter serves", |it| Ok(it.scrape().is_ok()))?;
    let before = it.scrape()?;
    before.get("a_metric")?;
    install(it, "hostlens-node-exporter")?;
    it.wait_until("hostlens serves", |it| Ok(it.scrape().is_ok()))?;
    let after = it.scrape()?;
    ensure!(after.names().any(|it| it.starts_with("hostlens_build_info")), "another one serves");
    after.get("a_metric")?;
    after.get("of_group").context("read what only the group of Debian's unit may read")?;
    ensure!(after.state("arp").is_none(), "ARGS have no effect");
    ensure!(it.property("UnitFileState")? == "enabled", "it is not enabled");
    let pid = it.property("MainPID")?;
    it.container().output(&["systemctl", "restart", THEIRS])?;
    ensure!(it.property("MainPID")? != pid, "their unit's name does not mean hostlens");
    it.container().output(&["systemctl", "reload", THEIRS])?;
    Ok(format!("{} series before, {} after, under both names", before.len(), after.len()))
}

fn with_debians_defaults(it: &Service) -> Result<String> {
    it.container().write(THEIR_ARGS, "ARGS=\"\"\n")?;
    it.container().output(&["systemctl", "restart", THEIRS])?;
    let page = it.scrape()?;
    page.get("a_metric")?;
    page.get("node_systemd_system_running")?;
    let is_of_run =
        |it: &str| it.starts_with("node_filesystem_size_bytes") && it.contains("mountpoint=\"/run");
    ensure!(!page.names().any(is_of_run), "mounts below /run are shown");
    Ok("text files, units, no mounts below /run".to_owned())
}

fn upgrade(it: &Service) -> Result<String> {
    let pid = it.property("MainPID")?;
    it.container().output(&["dpkg", "--install", &format!("{FOLDER}/hostlens.deb")])?;
    it.wait_until("another process serves", |it| Ok(it.property("MainPID")? != pid && it.scrape().is_ok()))?;
    // Who switched it off finds it switched off.
    it.container().output(&["systemctl", "disable", "--now", "hostlens.service"])?;
    it.container().output(&["dpkg", "--install", &format!("{FOLDER}/hostlens.deb")])?;
    ensure!(it.property("ActiveState")? == "inactive", "an upgrade started what was stopped");
    ensure!(it.property("UnitFileState")? == "disabled", "an upgrade enabled what was disabled");
    it.container().output(&["systemctl", "enable", "--now", "hostlens.service"])?;
    Ok("started anew; one that was disabled stays so".to_owned())
}

fn as_itself(it: &Service) -> Result<String> {
    it.container().output(&["dpkg", "--remove", "hostlens-node-exporter"])?;
    it.wait_until("hostlens serves", |it| Ok(it.scrape().is_ok()))?;
    ensure!(it.scrape()?.get("a_metric").is_err(), "it goes on with the other's settings");
    let groups = it.container().output(&["id", "--name", "--groups", "hostlens"])?;
    ensure!(groups.trim() == "hostlens", "it keeps the other's groups: {groups}");
    Ok("with its own settings".to_owned())
}

fn purge(it: &Service) -> Result<String> {
    it.container().output(&["dpkg", "--purge", "hostlens-node-exporter", "hostlens"])?;
    let left = files_left(it)?;
    ensure!(left.is_empty(), "there is left: {left}");
    it.container().output(&["test", "-f", &format!("{THEIR_FOLDER}/a.prom")])?;
    it.container().output(&["test", "-f", THEIR_ARGS])?;
    Ok("but what others left".to_owned())
}

fn files_left(it: &Service) -> Result<String> {
    it.container().output(&["find", "/", "-xdev", "-name", "*hostlens*", "-not", "-path", "/var/packages/*"])
}

/// rpm without what it cannot know: Debian's systemd is no package of its own.
fn rpm(it: &Service, verb: &str, package: &str) -> Result<()> {
    let mut command = vec!["rpm", verb, "--nodeps"];
    // Debian 12's refuses without this option, which Debian 13's does not know.
    if it.container().run(&["rpm", "--force-debian", "--version"])?.is_success {
        command.push("--force-debian");
    }
    command.push(package);
    let answer = it.container().run(&command)?;
    // rpm calls a failed script a warning.
    let is_whole = answer.is_success && !answer.stderr.contains("scriptlet failed");
    ensure!(is_whole, "rpm {verb}: {}{}", answer.stdout, answer.stderr);
    Ok(())
}

fn rpm_installs(it: &Service) -> Result<String> {
    // A purge leaves the user, whom the scripts are to make.
    it.container().output(&["userdel", "hostlens"])?;
    rpm(it, "--install", &format!("{FOLDER}/hostlens.rpm"))?;
    let verify = it.container().run(&["rpm", "--verify", "--nodeps", "hostlens"])?;
    ensure!(verify.is_success, "files are not as packed: {}{}", verify.stdout, verify.stderr);
    it.container().output(&["getent", "passwd", "hostlens"])?;
    ensure!(it.property("LoadState")? == "loaded", "systemd does not know the unit");
    ensure!(it.property("ActiveState")? == "inactive", "the package started it");
    let files = it.container().output(&["rpm", "--query", "--list", "hostlens"])?;
    Ok(format!("{} files, the user, the unit, {}", files.lines().count(), it.property("UnitFileState")?))
}

fn rpm_serves(it: &Service) -> Result<String> {
    it.container().output(&["systemctl", "start", "hostlens.service"])?;
    it.wait_until("hostlens serves", |it| Ok(it.scrape().is_ok()))?;
    let page = it.scrape()?;
    ensure!(page.names().any(|it| it.starts_with("hostlens_build_info")), "another one serves");
    Ok(format!("{} series", page.len()))
}

fn rpm_erases(it: &Service) -> Result<String> {
    rpm(it, "--erase", "hostlens")?;
    ensure!(it.scrape().is_err(), "it goes on");
    ensure!(it.property("LoadState")? == "not-found", "systemd still knows the unit");
    // rpm has no purge: the folder of other programs' text files stays.
    let left = files_left(it)?;
    ensure!(left == "/var/lib/hostlens", "there is left: {left}");
    Ok("but its user and the folder of text files".to_owned())
}
