//! `cargo xtask vm --arch aarch64`: the released binary on Debian's newest kernel for aarch64, all emulated, beside
//! node_exporter, and all of its probes, some of them against known loads.

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
    table::Table,
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
/// System calls that fail, as many that do not, and signals.
const N_CALLS: f64 = 1000.0;
const INIT: &str = "#!/busybox sh
/busybox mkdir -p /bin /proc /sys /dev
/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
# Those with probes: the names come behind the hooks.
probes=$(/hostlens collectors --json \
    | awk -F '\"' '/^    .hooks.: .$/ { has = 1 } /^    .name.: / { if (has) print $4; has = 0 }')
# An emulated CPU has no share to keep to; `softirqs` is the kernel's own count.
/hostlens --web.listen-address=127.0.0.1:9100 --ebpf.budget.on-exceed=warn --collector.softirqs \
    $(for it in $probes; do echo --collector.$it; done) 2> /log &
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
mkdir /d; cd /d; mkdir $(seq CALLS); mkdir $(seq CALLS) 2> /dev/null
n=0; while [ $n -lt CALLS ]; do kill -WINCH $$; n=$((n + 1)); done; page 9100
echo $probes; echo END
cat /log
poweroff -f
";
/// Collectors with probes that cannot run, the state that they say, and of one that is unavailable the reason.
const NOT_HERE: &[(&str, &str, &str)] = &[
    // x86 alone tells its kinds of page faults apart: elsewhere the collector has nothing to read.
    ("page_faults", "absent", ""),
    // x86 alone has the hook.
    ("tlb_flushes", "unavailable", "this kernel has no hook tp_btf/tlb_flush"),
];
/// Theirs alone, or each exporter's own.
const NOT_COMPARED: &[&str] = &["node_exporter_build_info", "node_scrape_collector_", "node_textfile_"];
/// Other at each look.
const MOVES: &[&str] =
    &["node_procs_running", "node_procs_blocked", "node_load", "node_sockstat_sockets_used"];

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
    let numbers = [("READS", N_READS), ("FORKS", N_FORKS), ("CALLS", N_CALLS)];
    let init = numbers.iter().fold(INIT.to_owned(), |it, (name, n)| it.replace(name, &n.to_string()));
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
    let parts: Vec<&str> = text.split("\nEND").collect();
    let [before, ours, after, read, forked, called, probes, log] = parts[..] else {
        bail!("the guest wrote {text}")
    };
    let [before, ours, after, read, forked, called] =
        [before, ours, after, read, forked, called].map(samples);
    let n_same = compare(&before, &ours, &after)?;
    let states = states(&called, probes)?;
    judge_probes(&ours, &read, &forked, &called)?;
    ensure!(log.contains("the sandbox is entered") && log.contains("seccomp=on"), "no sandbox: {log}");
    let landlock = log.split("landlock=").nth(1).and_then(|it| it.split('"').nth(1)).unwrap_or("unknown");
    println!("{} series; {n_same} as node_exporter's; landlock {landlock}, seccomp on", ours.len());
    println!("{states}");
    Ok(())
}

/// Which of the collectors with probes run; fails when one does not that should, or any other has a problem.
fn states(page: &Samples<'_>, probes: &str) -> Result<String> {
    let is = |it: &str, state: &str| {
        page.contains_key(&*format!("hostlens_collector_state{{collector=\"{it}\",state=\"{state}\"}}"))
    };
    let is_expected = |series: &str| {
        NOT_HERE.iter().any(|(it, state, reason)| {
            let start = format!("hostlens_collector_problem{{collector=\"{it}\",reason=\"{reason}\",");
            series.starts_with(&start) && is(it, state)
        })
    };
    let problems = page.keys().filter(|it| it.starts_with("hostlens_collector_problem{"));
    let bad: Vec<_> = problems.filter(|it| !is_expected(it)).collect();
    ensure!(bad.is_empty(), "not running: {bad:#?}");
    let (running, others): (Vec<&str>, Vec<&str>) =
        probes.split_whitespace().partition(|it| is(it, "running"));
    let expected: Vec<_> = NOT_HERE.iter().filter(|it| is(it.0, it.1)).map(|it| it.0).collect();
    let bad: Vec<_> = others.iter().filter(|it| !expected.contains(it)).collect();
    ensure!(!running.is_empty() && bad.is_empty(), "of {probes} not running: {bad:?}");
    Ok(format!("{} collectors with probes run; not here: {}", running.len(), others.join(", ")))
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
fn judge_probes(
    ours: &Samples<'_>,
    read: &Samples<'_>,
    forked: &Samples<'_>,
    called: &Samples<'_>,
) -> Result<()> {
    let more = |family: &str, labels: &str, from: &Samples<'_>, to: &Samples<'_>| {
        let is_it = |it: &&str| it.split('{').next() == Some(family) && it.contains(labels);
        let sum = |of: &Samples<'_>| of.iter().filter(|it| is_it(it.0)).map(|it| it.1).sum::<f64>();
        sum(to) - sum(from)
    };
    let disk = |family| more(family, "operation=\"read\"", ours, read);
    let fork = |family| more(family, "", read, forked);
    let call = |family, labels| more(family, labels, forked, called);
    let exactly = |n: f64| n..=n;
    // Collectors are read one after the other, and others run between.
    let about = |n: f64| n * 0.97 - 2.0..=n * 1.03 + 2.0;
    let forks = fork("node_forks_total");
    let results = [
        ("block_io: reads", disk("node_block_io_latency_seconds_count"), exactly(N_READS)),
        ("block_bio: reads", disk("node_block_bio_latency_seconds_count"), exactly(N_READS)),
        ("block_io_stages: reads", disk("node_block_io_device_seconds_count"), exactly(N_READS)),
        ("/proc/stat: forks", forks, N_FORKS..=f64::INFINITY),
        // A thread may begin between the looks at the two.
        ("process_events: forks", fork("node_process_forks_total"), forks - 2.0..=forks + 2.0),
        // Some are those that fetch the page.
        ("process_events: execs", fork("node_process_execs_total"), N_FORKS..=N_FORKS + 8.0),
        ("runqueue: waits", fork("node_sched_runqueue_latency_seconds_count"), N_FORKS..=f64::INFINITY),
        (
            "sched_turns: switches",
            fork("node_sched_context_switches_total"),
            about(fork("node_context_switches_total")),
        ),
        (
            "softirq_latency: runs",
            fork("node_softirq_duration_seconds_count"),
            about(fork("node_softirqs_functions_total")),
        ),
        ("syscalls: mkdirat", call("node_syscalls_total", "\"mkdirat\""), exactly(2.0 * N_CALLS + 1.0)),
        ("syscalls: failures", call("node_syscall_failures_total", "\"mkdirat\""), exactly(N_CALLS)),
        ("syscalls: errors", call("node_syscall_errors_total", "\"file exists\""), exactly(N_CALLS)),
        (
            "signals: ignored",
            call("node_signals_total", "result=\"ignored\",signal=\"SIGWINCH\""),
            exactly(N_CALLS),
        ),
    ];
    let mut table = Table::default();
    table.row(["what", "counted", "expected"]);
    for (what, counted, expected) in &results {
        let expected = format!("{:.0} to {:.0}", expected.start(), expected.end());
        table.row([(*what).to_owned(), counted.to_string(), expected]);
    }
    print!("{}", table.render());
    let bad: Vec<_> = results.iter().filter(|it| !it.2.contains(&it.1)).map(|it| it.0).collect();
    ensure!(bad.is_empty(), "miscounted: {bad:?}");
    Ok(())
}

type Samples<'a> = BTreeMap<&'a str, f64>;

fn samples(page: &str) -> Samples<'_> {
    let samples = page.lines().filter_map(|it| it.trim_end().rsplit_once(' '));
    samples.filter_map(|(series, value)| Some((series, value.parse().ok()?))).collect()
}
