//! What the Debian packages promise, one function a promise, in the order in which an administrator meets them: beside
//! Debian's node_exporter, in its place, on their own, and gone.

use std::{
    fs::{self, read_dir},
    path::Path,
};

use anyhow::{Context, Result, ensure};

use super::{checks::Check, service::Service};
use crate::{apt::Apt, process::workspace};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("leaves node_exporter in its place", beside_node_exporter),
    ("takes its place, with ARGS and text files", in_its_place),
    ("starts with Debian's defaults", with_debians_defaults),
    ("is upgraded", upgrade),
    ("goes on as itself", as_itself),
    ("leaves nothing", purge),
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
            _ => continue,
        };
        fs::copy(workspace().join("target/dist").join(name), folder.join(to))?;
    }
    ensure!(folder.join("hostlens.deb").exists(), "target/dist has no package: run `cargo xtask dist` first");
    let download = tempfile::tempdir()?;
    let theirs = Apt::new(&[suite])?.download("prometheus-node-exporter", download.path())?;
    fs::copy(theirs, folder.join("theirs.deb"))?;
    // It stands in for the package elsewhere.
    fs::remove_file(root.join("usr/lib/systemd/system").join(THEIRS))?;
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
    Ok("with its own settings".to_owned())
}

fn purge(it: &Service) -> Result<String> {
    it.container().output(&["dpkg", "--purge", "hostlens-node-exporter", "hostlens"])?;
    let find = ["find", "/", "-xdev", "-name", "*hostlens*", "-not", "-path", "/var/packages/*"];
    let left = it.container().output(&find)?;
    ensure!(left.is_empty(), "there is left: {left}");
    it.container().output(&["test", "-f", &format!("{THEIR_FOLDER}/a.prom")])?;
    it.container().output(&["test", "-f", THEIR_ARGS])?;
    Ok("but what others left".to_owned())
}
