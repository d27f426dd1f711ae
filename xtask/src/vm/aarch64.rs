//! `cargo xtask vm --arch aarch64`: the released binary on Debian's newest kernel for aarch64, all emulated, beside
//! node_exporter, and its probes against known loads.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    initramfs::{Entry, archive},
    kernels::{self, NEWEST},
};
use crate::{
    apt::Apt,
    dist,
    process::{output, require, workspace},
};

const SUITES: &[&str] = &["trixie-backports", "sid"];
/// Where the files are in them.
const FILES: &[(&str, &[&str])] = &[
    ("busybox-static", &["usr/bin/busybox"]),
    ("prometheus-node-exporter", &["usr/bin/prometheus-node-exporter"]),
    ("libc6", &["usr/lib/aarch64-linux-gnu/libc.so.6", "usr/lib/ld-linux-aarch64.so.1"]),
];
const N_READS: f64 = 400.0;
const N_FORKS: f64 = 500.0;
const INIT: &str = "#!/busybox sh
/busybox mkdir -p /bin /proc /sys /dev
/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
ip link set lo up
/hostlens --web.listen-address=127.0.0.1:9100 2> /log &
/ld-linux-aarch64.so.1 --library-path / /prometheus-node-exporter --no-collector.systemd \
    --collector.textfile.directory= --web.listen-address=127.0.0.1:9200 &
until wget -qO /dev/null http://127.0.0.1:9100/ && wget -qO /dev/null http://127.0.0.1:9200/; do sleep 1; done
page() { wget -qO- http://127.0.0.1:$1/metrics | grep -v '^#'; echo END; }
read_disk() { dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=READS iflag=direct; }
# The first of each is slow to fault in, and leaves caches as the next finds them.
page 9200 > /dev/null; page 9100 > /dev/null; read_disk
stty -F /dev/ttyS0 raw
exec > /dev/ttyS0
page 9200; page 9100; page 9200
read_disk; page 9100
n=0; while [ $n -lt FORKS ]; do /busybox true; n=$((n + 1)); done; page 9100
cat /log
poweroff -f
";
/// Theirs alone, or each exporter's own.
const NOT_COMPARED: &[&str] = &["node_exporter_build_info", "node_scrape_collector_", "node_textfile_"];
/// Other at each look.
const MOVES: &[&str] = &["node_procs_running", "node_procs_blocked", "node_load"];

pub(super) fn run(args: &[String]) -> Result<()> {
    let agent = match args {
        [] => dist::for_aarch64()?,
        [flag, file] if flag == "--agent" => PathBuf::from(file),
        _ => bail!("behind --arch aarch64 there may be --agent FILE alone"),
    };
    require("qemu-system-aarch64", "qemu-system-arm")?;
    let folder = workspace().join("target/vm/aarch64");
    fs::create_dir_all(&folder)?;
    let package = pack(&folder, &agent)?;
    println!("booting {package}");
    judge(&boot(&folder)?)
}

/// Fetches the kernel and makes the guest's root file system; the kernel's name.
fn pack(folder: &Path, agent: &Path) -> Result<String> {
    let apt = Apt::of("arm64", SUITES)?;
    let init = INIT.replace("READS", &N_READS.to_string()).replace("FORKS", &N_FORKS.to_string());
    let mut files = vec![("init".to_owned(), init.into_bytes()), ("hostlens".to_owned(), fs::read(agent)?)];
    for (package, paths) in FILES {
        let unpacked = apt.unpack(package)?;
        for path in *paths {
            let name = Path::new(path).file_name().context("a file has a name")?.display().to_string();
            let bytes = fs::read(unpacked.path().join(path)).with_context(|| format!("{package}: {path}"))?;
            files.push((name, bytes));
        }
    }
    let package = kernels::package(&apt, "arm64", NEWEST)?.context("Debian has no kernel")?;
    let unpacked = apt.unpack(&package)?;
    let image = kernels::vmlinuz_in(unpacked.path())?.with_context(|| format!("no vmlinuz in {package}"))?;
    fs::copy(image, folder.join("vmlinuz"))?;
    let entries: Vec<_> = files.iter().map(|(name, bytes)| Entry { name, bytes }).collect();
    fs::write(folder.join("initramfs"), archive(&entries))?;
    File::create(folder.join("disk"))?.set_len(64 << 20)?;
    Ok(package)
}

/// What the guest writes to a second serial port.
fn boot(folder: &Path) -> Result<String> {
    let mut machine = Command::new("timeout");
    machine.current_dir(folder).args(["900", "qemu-system-aarch64", "-M", "virt", "-m", "1024"]);
    // With less of a cipher for pointers than hardware has, which takes most of the time to emulate.
    machine.args(["-accel", "tcg,thread=single", "-cpu", "max,pauth-impdef=on"]);
    machine.args(["-no-reboot", "-nodefaults", "-display", "none", "-serial", "file:console"]);
    machine.args(["-chardev", "stdio,id=pages", "-device", "pci-serial,chardev=pages"]);
    machine.args(["-drive", "file=disk,format=raw,if=none,id=disk", "-device", "nvme,drive=disk,serial=1"]);
    machine.args(["-kernel", "vmlinuz", "-initrd", "initramfs", "-append", "console=ttyAMA0 panic=-1"]);
    output(&mut machine).with_context(|| format!("see {}", folder.join("console").display()))
}

fn judge(text: &str) -> Result<()> {
    let parts: Vec<&str> = text.split("END").collect();
    let [before, ours, after, read, forked, log] = parts[..] else { bail!("the guest wrote {text}") };
    let [before, ours, after, read, forked] = [before, ours, after, read, forked].map(samples);
    let n_same = compare(&before, &ours, &after)?;
    let n_probes = probes(&ours, &read, &forked)?;
    let bad: Vec<_> = ours.keys().filter(|it| is_bad_state(it)).collect();
    ensure!(bad.is_empty(), "not running: {bad:?}");
    ensure!(log.contains("the sandbox is entered") && log.contains("seccomp=on"), "no sandbox: {log}");
    let landlock = log.split("landlock=").nth(1).and_then(|it| it.split('"').nth(1)).unwrap_or("unknown");
    println!(
        "{} series; {n_same} as node_exporter's; {n_probes}; landlock {landlock}, seccomp on",
        ours.len()
    );
    Ok(())
}

fn is_bad_state(series: &str) -> bool {
    let is_good =
        |it: &str| ["running", "absent"].iter().any(|good| it.contains(&format!("state=\"{good}\"")));
    series.starts_with("hostlens_collector_state{") && !is_good(series)
}

/// How many series of node_exporter's are ours with a value between its two.
fn compare(before: &Samples<'_>, ours: &Samples<'_>, after: &Samples<'_>) -> Result<usize> {
    let is_among = |names: &[&str], series: &str| names.iter().any(|it| series.starts_with(it));
    let compared = before.iter().filter(|it| it.0.starts_with("node_") && !is_among(NOT_COMPARED, it.0));
    let mut n_same = 0;
    for (series, first) in compared {
        let value = ours.get(series).with_context(|| format!("{series} is missing"))?;
        let last = after.get(series).unwrap_or(first);
        // A gauge goes up and down between.
        let is_counter = series.split('{').next().is_some_and(|it| it.ends_with("_total"));
        let slack = if is_counter { 0.0 } else { 0.1 };
        let range = first.min(*last) * (1.0 - slack)..=first.max(*last) * (1.0 + slack);
        ensure!(
            is_among(MOVES, series) || range.contains(value),
            "{series} is {value}, node_exporter has {first} and {last}"
        );
        n_same += 1;
    }
    ensure!(n_same > 200, "node_exporter has but {n_same} series");
    Ok(n_same)
}

/// What probes counted, against what was done and what the kernel counted.
fn probes(ours: &Samples<'_>, read: &Samples<'_>, forked: &Samples<'_>) -> Result<String> {
    let more = |family: &str, labels: &str, from: &Samples<'_>, to: &Samples<'_>| {
        let is_it = |it: &&str| it.split('{').next() == Some(family) && it.contains(labels);
        let sum = |of: &Samples<'_>| of.iter().filter(|it| is_it(it.0)).map(|it| it.1).sum::<f64>();
        sum(to) - sum(from)
    };
    let requests = more("node_block_io_latency_seconds_count", "operation=\"read\"", ours, read);
    ensure!(requests == N_READS, "block_io: {requests} of {N_READS} reads");
    let by_kernel = more("node_forks_total", "", read, forked);
    let by_probe = more("node_process_forks_total", "", read, forked);
    // A thread may begin between the looks at the two.
    ensure!((by_kernel - by_probe).abs() <= 2.0, "process_events: {by_probe} of {by_kernel} forks");
    ensure!(by_kernel >= N_FORKS, "{by_kernel} of {N_FORKS} forks");
    let waits = more("node_sched_runqueue_latency_seconds_count", "", read, forked);
    ensure!(waits >= N_FORKS, "runqueue: {waits} waits of {N_FORKS} processes");
    Ok(format!("{requests} of {N_READS} reads, {by_probe} of {by_kernel} forks, {waits} waits for a CPU"))
}

type Samples<'a> = BTreeMap<&'a str, f64>;

fn samples(page: &str) -> Samples<'_> {
    let samples = page.lines().filter_map(|it| it.trim_end().rsplit_once(' '));
    samples.filter_map(|(series, value)| Some((series, value.parse().ok()?))).collect()
}
