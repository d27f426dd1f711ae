//! Recorded hosts, spoiled here and there: whatever node_exporter shows of one, hostlens has to show with the same value,
//! but for values that nobody measured.

mod spoil;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Report, command, serve};
use crate::process::output;

/// Collectors of node_exporter's own end-to-end test, which read recorded files, and others that do.
const ENABLED: &str = "arp bcache bcachefs bonding btrfs buddyinfo cgroups conntrack cpu cpufreq cpu_vulnerabilities \
    diskstats dmi drbd drm edac entropy fibrechannel filefd hwmon infiniband interrupts ipvs kernel_hung \
    ksmd lnstat loadavg mdadm meminfo meminfo_numa mountstats netclass netdev netstat nfs nfsd nvme os pcidevice \
    powersupplyclass pressure processes qdisc rapl schedstat slabinfo sockstat softirqs softnet stat swap sysctl \
    tapestats textfile thermal_zone udp_queues vmstat watchdog wifi xfrm xfs zfs zoneinfo";
/// `HOST` is the folder.
const FLAGS: &[&str] = &[
    "--collector.disable-defaults",
    "--web.disable-exporter-metrics",
    "--path.rootfs=HOST",
    "--path.procfs=HOST/proc",
    "--path.sysfs=HOST/sys",
    "--path.udev.data=HOST/udev/data",
    "--collector.bcache.priorityStats",
    "--collector.cpu.info",
    "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
    "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
    "--collector.netclass.ignored-devices=(dmz|int)",
    "--collector.qdisc.fixtures=HOST/qdisc/",
    "--collector.stat.softirq",
    "--collector.sysctl.include-info=kernel.seccomp.actions_avail",
    "--collector.sysctl.include=fs.file-nr",
    "--collector.sysctl.include=fs.file-nr:total,current,max",
    "--collector.sysctl.include=kernel.threads-max",
    "--collector.textfile.directory=HOST/textfile/two_metric_files/",
    "--collector.wifi.fixtures=HOST/wifi",
    "--no-collector.arp.netlink",
    "--no-collector.netdev.netlink",
];
/// Families in which a program speaks of itself.
const OWN: [&str; 3] = ["node_scrape_", "node_exporter_build_info", "hostlens_"];

/// Values that node_exporter shows where nobody measured them, which are absent from hostlens: how the series begins, the
/// value, and what is not there.
const INVENTED: &[(&str, &str, &str)] = &[
    ("node_bcache_", "0", "a file of bcache"),
    ("node_bcachefs_", "0", "a file of bcachefs"),
    ("node_btrfs_", "0", "a file of btrfs"),
    ("node_cpu_scaling_governor{", "0", "a chosen governor that is available"),
    ("node_network_flags{", "0", "flags"),
    ("node_network_up{", "0", "operstate"),
    ("node_pcidevice_", "0", "a file of a PCI device"),
    ("node_pcidevice_", "-1", "the speed of a PCI device's link"),
    ("node_sockstat_", "0", "a column of sockstat"),
    ("node_tape_", "0", "a file of a tape drive"),
];
/// Lines of `/proc/net/netstat` come in pairs of one name; node_exporter does not look at the second's.
const ANY_PAIR: &str = "node_netstat_IpExt_";

/// Compares what both show of as many spoiled copies of `host`, an archive or a folder.
pub(super) fn compare(
    programs: &[PathBuf; 2],
    host: &Path,
    n_hosts: u64,
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let unpacked = tempfile::tempdir().context("make a folder for the host")?;
    let host = match host.is_dir() {
        true => host.to_owned(),
        false => {
            output(Command::new("tar").arg("-xf").arg(host).arg("-C").arg(unpacked.path()))?;
            fs::read_dir(unpacked.path())?.next().context("the archive is empty")??.path()
        }
    };
    for seed in seed..seed + n_hosts {
        let folder = tempfile::tempdir().context("make a folder for a spoiled host")?;
        let copy = folder.path().join("host");
        output(Command::new("cp").arg("--archive").arg(&host).arg(&copy))?;
        let spoiled = spoil::spoil(&copy, seed)?;
        if report.is_verbose {
            spoiled.iter().for_each(|it| println!("  {it}"));
        }
        let [theirs, ours] = programs.each_ref().map(|program| scrape(program, &copy));
        let (theirs, ours) = (theirs?, ours?);
        let before = (report.n_same, report.n_different);
        judge(&theirs, &ours, seed, report);
        println!(
            "host {seed}: {} files spoiled; of {} series {} are node_exporter's, {} differ as listed; {} more",
            spoiled.len(),
            theirs.len(),
            report.n_same - before.0,
            report.n_different - before.1,
            ours.keys().filter(|it| !theirs.contains_key(*it)).count(),
        );
    }
    Ok(())
}

/// What one shows of a host, by series.
fn scrape(program: &Path, host: &Path) -> Result<BTreeMap<String, String>> {
    let folder = host.to_str().context("the folder's name is no text")?;
    let flags = FLAGS.iter().map(|it| it.replace("HOST", folder));
    let collectors = ENABLED.split_ascii_whitespace().map(|it| format!("--collector.{it}"));
    let (_process, port) = serve(command(program), flags.chain(collectors))?;
    let answer = ureq::get(format!("http://127.0.0.1:{port}/metrics")).call();
    let text = answer.with_context(|| format!("ask {}", program.display()))?.body_mut().read_to_string()?;
    let samples = text.lines().filter(|it| !it.starts_with('#')).filter_map(|it| it.rsplit_once(' '));
    let samples = samples.filter(|(series, _)| !OWN.iter().any(|own| series.starts_with(own)));
    Ok(samples.map(|(series, value)| (series.replace(folder, "HOST"), value.to_owned())).collect())
}

fn judge(theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>, seed: u64, report: &mut Report) {
    for (series, value) in theirs {
        match ours.get(series) {
            Some(ours) if ours == value => report.n_same += 1,
            None if is_invented(series, value, ours) => report.n_different += 1,
            ours => {
                let ours = ours.map_or("nothing", String::as_str);
                report.fault(format!("host {seed}: {series}\n  node_exporter: {value}\n  hostlens: {ours}"));
            }
        }
    }
}

fn is_invented(series: &str, value: &str, ours: &BTreeMap<String, String>) -> bool {
    let is_ours = |start: &str, label: &str, shown: &str| {
        series.starts_with(start) && ours.contains_key(&relabelled(series, label, shown))
    };
    INVENTED.iter().any(|it| series.starts_with(it.0) && value == it.1)
        // Where another file of a disk's queue is not there, it does not look at this one.
        || is_ours("node_disk_info{", "rotational", "1")
        || is_ours("node_network_info{", "adminstate", "unknown")
        // It takes the address of whatever mount has the place in the other list.
        || is_ours("node_mountstats_nfs_", "mountaddr", "")
        || series.starts_with(ANY_PAIR)
}

/// The series with another value of that label.
fn relabelled(series: &str, label: &str, value: &str) -> String {
    let start = format!("{label}=\"");
    let Some((before, after)) = series.split_once(&start) else { return series.to_owned() };
    let rest = after.split_once('"').map_or("", |it| it.1);
    format!("{before}{start}{value}\"{rest}")
}
