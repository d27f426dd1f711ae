//! `cargo xtask wifi`: the wifi collector on a simulated radio, mac80211_hwsim, in QEMU, beside node_exporter's.

use std::{
    collections::BTreeMap,
    fs::{self, read_dir},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, Parser};

use crate::{
    apt::Apt,
    guest, peers,
    process::{output, require, workspace},
    vm::initramfs::{Entry, archive},
};

pub(crate) const SUMMARY: &str =
    "hold the wifi collector against node_exporter's, on simulated radios in QEMU";
pub(crate) const HELP: &str = "\
usage: cargo xtask wifi [options]

  --agent FILE    a statically linked hostlens, instead of one built here

Fetches Debian's kernel with modules, hostapd and iw, 75 MB. Takes half a minute.
";

const SUITE: &str = "bookworm";
/// Where the files are in them.
const FILES: &[(&str, &[&str])] = &[
    ("busybox-static", &["bin/busybox"]),
    ("hostapd", &["usr/sbin/hostapd"]),
    ("iw", &["sbin/iw"]),
    (
        "libc6",
        &[
            "lib/x86_64-linux-gnu/libc.so.6",
            "lib/x86_64-linux-gnu/libm.so.6",
            "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ],
    ),
    ("libnl-3-200", &["lib/x86_64-linux-gnu/libnl-3.so.200"]),
    ("libnl-genl-3-200", &["lib/x86_64-linux-gnu/libnl-genl-3.so.200"]),
    ("libnl-route-3-200", &["usr/lib/x86_64-linux-gnu/libnl-route-3.so.200"]),
    ("libssl3", &["usr/lib/x86_64-linux-gnu/libcrypto.so.3", "usr/lib/x86_64-linux-gnu/libssl.so.3"]),
];
/// In an order in which none lacks another.
const MODULES: &[&str] =
    &["virtio_ring", "virtio", "rfkill", "libarc4", "cfg80211", "mac80211", "mac80211_hwsim"];
/// One radio is an access point, the other one joins it.
const INIT: &str = r#"#!/busybox sh
/busybox mkdir -p /bin /proc /sys /dev
/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for module in MODULES; do insmod /$module.ko; done
run() { /ld-linux-x86-64.so.2 --library-path / "$@"; }
ip link set lo up
printf 'interface=wlan0\ndriver=nl80211\nssid=a network\nhw_mode=g\nchannel=6\n' > /hostapd.conf
run /hostapd -B /hostapd.conf
ip link set wlan1 up
run /iw dev wlan1 connect "a network"
HOSTLENS__EBPF__ENABLED=never /hostlens --collector.disable-defaults --collector.wifi --web.listen-address=127.0.0.1:9100 &
run /node_exporter --collector.disable-defaults --collector.wifi --web.listen-address=127.0.0.1:9200 &
until wget -qO /dev/null http://127.0.0.1:9100/ && wget -qO /dev/null http://127.0.0.1:9200/; do sleep 1; done
sleep 3
page() { wget -qO- http://127.0.0.1:$1/metrics | grep ^node_wifi_; echo END; }
(page 9200; page 9100; page 9200; run /iw dev wlan1 station dump) > /dev/ttyS1
poweroff -f
"#;
/// What the kernel tells of some stations alone, and node_exporter of all.
const NOT_OF_ALL: &[&str] =
    &["node_wifi_station_beacon_loss_total", "node_wifi_station_receive_bits_per_second"];
/// It begins anew with each packet.
const MOVES: &str = "node_wifi_station_inactive_seconds{";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut agent = None;
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("agent") => agent = Some(PathBuf::from(parser.value()?)),
            _ => return Err(arg.unexpected().into()),
        }
    }
    require("qemu-system-x86_64", "qemu-system-x86")?;
    let agent = match agent {
        Some(agent) => agent,
        None => guest::build(&["--package", "hostlens", "--bin", "hostlens"])?.join("hostlens"),
    };
    let folder = workspace().join("target/wifi");
    fs::create_dir_all(&folder)?;
    let kernel = pack(&folder, &agent)?;
    judge(&boot(&folder, &kernel)?)
}

/// Makes the guest's root file system; the kernel's image.
fn pack(folder: &Path, agent: &Path) -> Result<PathBuf> {
    let apt = Apt::new(&[SUITE])?;
    let mut files = vec![
        ("init".to_owned(), INIT.replace("MODULES", &MODULES.join(" ")).into_bytes()),
        ("hostlens".to_owned(), fs::read(agent)?),
        ("node_exporter".to_owned(), fs::read(peers::get("node_exporter")?)?),
    ];
    let mut add = |path: &Path| -> Result<()> {
        let name = path.file_name().context("a file has a name")?.display().to_string();
        files.push((name, fs::read(path).with_context(|| format!("read {}", path.display()))?));
        Ok(())
    };
    for (package, paths) in FILES {
        let unpacked = apt.unpack(package)?;
        paths.iter().try_for_each(|it| add(&unpacked.path().join(it)))?;
    }
    let kernels = apt.search("^linux-image-6[.]1[.]0-[0-9]+-amd64$")?;
    let number = |name: &String| name.split('-').nth(3).and_then(|it| it.parse::<u32>().ok());
    let package = kernels.iter().max_by_key(|it| number(it)).context("Debian has no kernel")?;
    let unpacked = apt.unpack(package)?;
    for module in MODULES {
        let name = format!("{module}.ko");
        let found = find(&unpacked.path().join("lib/modules"), &name)?;
        add(&found.with_context(|| format!("{package} has no {name}"))?)?;
    }
    let image = folder.join("vmlinuz");
    let release = package.trim_start_matches("linux-image-");
    fs::copy(unpacked.path().join("boot").join(format!("vmlinuz-{release}")), &image)?;
    let entries: Vec<_> = files.iter().map(|(name, bytes)| Entry { name, bytes }).collect();
    fs::write(folder.join("initramfs"), archive(&entries))?;
    println!("{package}, {} files", files.len());
    Ok(image)
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in read_dir(folder)? {
        let entry = entry?;
        let found = match entry.file_type()?.is_dir() {
            true => find(&entry.path(), name)?,
            false => (entry.file_name() == name).then(|| entry.path()),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What the guest writes to its second serial port.
fn boot(folder: &Path, kernel: &Path) -> Result<String> {
    let mut machine = Command::new("timeout");
    machine.args(["240", "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "qemu64,-cx16"]);
    machine.args(["-m", "1024", "-no-reboot", "-nodefaults", "-display", "none", "-serial"]);
    machine.arg(format!("file:{}", folder.join("console").display())).args(["-serial", "stdio"]);
    machine.arg("-kernel").arg(kernel).arg("-initrd").arg(folder.join("initramfs"));
    machine.args(["-append", "console=ttyS0 panic=-1 no_timer_check mitigations=off"]);
    output(&mut machine).with_context(|| format!("see {}", folder.join("console").display()))
}

fn judge(text: &str) -> Result<()> {
    let parts: Vec<&str> = text.split("END").collect();
    let [before, ours, after, iw] = parts[..] else { bail!("the guest wrote {text}") };
    let [before, ours, after] = [before, ours, after].map(samples);
    ensure!(before.keys().any(|it| it.starts_with("node_wifi_station_info{")), "no station: {text}");
    let (mut n_same, mut n_more) = (0, 0);
    for (series, first) in &before {
        let family = series.split('{').next().unwrap_or_default();
        match ours.get(series) {
            // What counts on does so between their two answers.
            Some(value) => {
                let last = after.get(series).copied().unwrap_or(*first);
                let is_between =
                    series.starts_with(MOVES) || (first.min(last)..=first.max(last)).contains(value);
                ensure!(is_between, "{series} is {value}, node_exporter has {first} and {last}");
                n_same += 1;
            }
            None if *first == 0.0 && NOT_OF_ALL.contains(&family) => n_more += 1,
            None => bail!("{series} is missing, node_exporter has {first}"),
        }
    }
    let more: Vec<_> = ours.keys().filter(|it| !before.contains_key(*it)).collect();
    ensure!(more.is_empty(), "too many: {more:?}");
    let signal = ours.iter().find(|it| it.0.starts_with("node_wifi_station_signal_dbm{device=\"wlan1\""));
    let (_, signal) = signal.context("no strength of the signal")?;
    ensure!(iw.contains(&format!("signal:  \t{signal} dBm")), "the signal is {signal}, iw has {iw}");
    println!(
        "{n_same} series as node_exporter's, {n_more} that the kernel does not tell; the signal as iw's"
    );
    Ok(())
}

fn samples(page: &str) -> BTreeMap<&str, f64> {
    let samples = page.lines().filter_map(|it| it.trim_end().rsplit_once(' '));
    samples.filter_map(|(series, value)| Some((series, value.parse().ok()?))).collect()
}
