//! `cargo xtask soak`: the agent under scrapes and reloads for a while; nothing that it holds may grow.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    bench::{exporter, usage},
    table::Table,
};

pub(crate) const SUMMARY: &str = "scrape and reload the agent for long, and see that nothing grows";
pub(crate) const HELP: &str = "\
usage: cargo xtask soak [options]

  --minutes N       how long (default: 25)
  --reloads N       instead, N reloads without a pause that all change the probes; more than 50
  --hostlens FILE   the agent (default: target/release/hostlens, built first)

Five scrapes a second in alternating formats, a reload every five seconds. In the first half no reload changes a probe,
in the second half every second one does, for which the agent is to be root. Fails when descriptors, threads or loaded
programs grow, or when resident memory leaves the first sample of its half by more than 3 MiB.

With --reloads, as root, each reload is followed by one scrape. Fails when a reload leaves the loaded programs as they
were, or when resident memory is more than 3 MiB above the highest of the first 50 reloads.
";

const SCRAPE_EVERY: Duration = Duration::from_millis(200);
const RELOAD_EVERY: Duration = Duration::from_secs(5);
/// Before the first sample of a half, caches and buffers fill.
const WARM_UP: u32 = 8;
/// Of reloads without a pause, those in which the allocator comes to hold what the largest takes.
const FILLING: u32 = 50;
/// In KiB.
const MAX_DRIFT: u64 = 3 << 10;
/// Descriptors that are open just while we count.
const MAX_DESCRIPTORS: u64 = 2;
/// Threads that were wanted at the same time once, and stay as long as there is work within ten seconds: a reload beside
/// a scrape, and who takes over from a slow collector in each.
const MAX_THREADS: u64 = 4;

/// Configs in the order in which they are put in force, again and again. Samples are taken in the first.
const HALVES: [(&str, &[&str]); 2] = [
    ("no probe changes", &["", "[collector.netdev]\ndevice_exclude = '^veth'\n"]),
    (
        "probes change",
        &[
            "",
            "[collector.netdev]\ndevice_exclude = '^veth'\n",
            "[collector.netdev]\ndevice_exclude = '^veth'\n[ebpf]\nclassic_buckets = 'pow2'\n",
            "[ebpf]\nclassic_buckets = 'pow2'\n",
        ],
    ),
];

/// Each is another setting of all probes' collectors.
const PROBES_CHANGE: [&str; 2] = ["[ebpf]\nclassic_buckets = 'pow2'\n", ""];

const FORMATS: [&str; 3] = [
    "text/plain;version=0.0.4",
    "application/openmetrics-text;version=1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
];
const CODINGS: [&str; 2] = ["identity", "gzip"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut minutes, mut n_reloads, mut given) = (25.0, None, None);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("minutes") => minutes = parser.value()?.parse()?,
            Arg::Long("reloads") => n_reloads = Some(parser.value()?.parse()?),
            Arg::Long("hostlens") => given = Some(PathBuf::from(parser.value()?)),
            _ => return Err(arg.unexpected().into()),
        }
    }
    ensure!(n_reloads.is_none_or(|n| n > FILLING), "--reloads: more than {FILLING}, which fill buffers");
    let agent = Agent::start(&exporter::hostlens(given.as_deref())?)?;
    if let Some(n_reloads) = n_reloads {
        return agent.reload(n_reloads).with_context(|| agent.log());
    }
    let half = Duration::try_from_secs_f64(minutes * 30.0).context("so many minutes")?;
    let mut faults = Vec::new();
    for (name, configs) in HALVES {
        let samples = agent.soak(configs, half).with_context(|| agent.log())?;
        println!("{name}: {} samples\n{}", samples.len(), table(&samples));
        faults.extend(judge(&samples).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// What the agent holds.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    seconds: u64,
    /// In KiB.
    resident: u64,
    n_descriptors: u64,
    n_threads: u64,
    n_programs: u64,
}

struct Agent {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
    client: ureq::Agent,
}

impl Agent {
    fn start(program: &Path) -> Result<Self> {
        const LIMIT: Duration = Duration::from_secs(30);
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("hostlens.toml"), "")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(program.canonicalize()?)
            .arg("--config.file=hostlens.toml")
            .arg(format!("--web.listen-address={address}"))
            .args(["--web.enable-lifecycle", "--security.privileges=retain", "--log.level=warn"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let client = ureq::Agent::config_builder().proxy(None).timeout_global(Some(LIMIT)).build().into();
        let agent = Self { process, folder, url: format!("http://{address}"), client };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(start.elapsed() < LIMIT, "it does not listen: {}", agent.log());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(agent)
    }

    /// Scrapes and reloads for `time`; a sample each time that the first config has been in force for a while.
    fn soak(&self, configs: &[&str], time: Duration) -> Result<Vec<Sample>> {
        let (start, mut samples) = (Instant::now(), Vec::new());
        let mut n_scrapes = 0;
        let n_reloads = (time.as_secs() / RELOAD_EVERY.as_secs()) as u32;
        for reload in 0..n_reloads {
            let at = reload as usize % configs.len();
            fs::write(self.folder.path().join("hostlens.toml"), configs[at])?;
            self.client.post(format!("{}/-/reload", self.url)).send_empty().context("reload")?;
            while start.elapsed() < RELOAD_EVERY * (reload + 1) {
                self.scrape(n_scrapes)?;
                n_scrapes += 1;
                let next = SCRAPE_EVERY * n_scrapes;
                thread::sleep(next.saturating_sub(start.elapsed()).min(SCRAPE_EVERY));
            }
            if at == 0 && reload >= WARM_UP.min(n_reloads / 2) {
                samples.push(self.sample(start.elapsed())?);
            }
        }
        ensure!(!samples.is_empty(), "too short a time for a sample");
        Ok(samples)
    }

    /// `n_reloads` that change the probes, each as soon as the one before is answered and a scrape has shown it.
    fn reload(&self, n_reloads: u32) -> Result<()> {
        let (start, mut highest) = (Instant::now(), 0);
        self.scrape(0)?;
        for n in 0..=n_reloads {
            if n > 0 {
                let before = self.programs()?;
                let config = PROBES_CHANGE[(n - 1) as usize % PROBES_CHANGE.len()];
                fs::write(self.folder.path().join("hostlens.toml"), config)?;
                self.client.post(format!("{}/-/reload", self.url)).send_empty().context("reload")?;
                self.scrape(n)?;
                ensure!(!self.programs()?.is_subset(&before), "reload {n} loads no program: is this root?");
            }
            let it = self.sample(start.elapsed())?;
            if n % 100 == 0 || [25, FILLING, n_reloads].contains(&n) {
                println!(
                    "{n:>5} reloads, {:>4} s: {} KiB resident, {} descriptors, {} threads, {} programs",
                    it.seconds, it.resident, it.n_descriptors, it.n_threads, it.n_programs
                );
            }
            if n <= FILLING {
                highest = highest.max(it.resident);
            }
            ensure!(
                it.resident <= highest + MAX_DRIFT,
                "after {n} reloads {} KiB resident, at most {highest} in the first {FILLING}",
                it.resident
            );
        }
        Ok(())
    }

    /// The numbers of the eBPF programs that it holds.
    fn programs(&self) -> Result<BTreeSet<String>> {
        let mut numbers = BTreeSet::new();
        for fd in fs::read_dir(format!("/proc/{}/fdinfo", self.process.id()))? {
            // It may be closed by now.
            let text = fs::read_to_string(fd?.path()).unwrap_or_default();
            let number = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
            numbers.extend(number.map(|it| it.trim().to_owned()));
        }
        Ok(numbers)
    }

    fn scrape(&self, number: u32) -> Result<()> {
        let format = FORMATS[number as usize % FORMATS.len()];
        let coding = CODINGS[number as usize / FORMATS.len() % CODINGS.len()];
        let request = self.client.get(format!("{}/metrics", self.url)).header("accept", format);
        let mut answer = request.header("accept-encoding", coding).call().context("scrape")?;
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
        ensure!(!body.is_empty(), "an empty answer");
        Ok(())
    }

    fn sample(&self, since: Duration) -> Result<Sample> {
        let pid = self.process.id();
        let memory = usage::memory(pid)?;
        let (mut n_descriptors, mut n_programs) = (0, 0);
        for fd in fs::read_dir(format!("/proc/{pid}/fd"))? {
            // It may be closed by now.
            let Ok(target) = fs::read_link(fd?.path()) else { continue };
            n_descriptors += 1;
            n_programs += u64::from(target.as_os_str() == "anon_inode:bpf-prog");
        }
        let (resident, n_threads) = (memory.resident, memory.n_threads);
        Ok(Sample { seconds: since.as_secs(), resident, n_descriptors, n_threads, n_programs })
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn judge(samples: &[Sample]) -> Vec<String> {
    let Some((first, later)) = samples.split_first() else { return Vec::new() };
    let mut faults = Vec::new();
    for it in later {
        let mut grows = |what: &str, before: u64, now: u64, allowed: u64| {
            if now > before + allowed {
                faults.push(format!("after {} s {what}: {now}, {before} at first", it.seconds));
            }
        };
        grows("descriptors", first.n_descriptors, it.n_descriptors, MAX_DESCRIPTORS);
        grows("threads", first.n_threads, it.n_threads, MAX_THREADS);
        grows("loaded programs", first.n_programs, it.n_programs, 0);
        grows("KiB resident", first.resident, it.resident, MAX_DRIFT);
    }
    faults
}

/// A dozen of the samples.
fn table(samples: &[Sample]) -> String {
    const N_ROWS: usize = 12;
    let mut table = Table::default();
    table.row(["seconds", "resident KiB", "descriptors", "threads", "programs"]);
    let last = samples.len().saturating_sub(1);
    for at in (0..N_ROWS.min(samples.len())).map(|row| row * last / (N_ROWS.min(samples.len()) - 1).max(1)) {
        let it = samples[at];
        let cells = [it.seconds, it.resident, it.n_descriptors, it.n_threads, it.n_programs];
        table.row(cells.map(|it| it.to_string()));
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_a_fault() {
        let first = Sample { resident: 10_000, n_descriptors: 60, n_threads: 5, n_programs: 9, seconds: 1 };
        let same = Sample { resident: 12_000, n_descriptors: 61, ..first };
        assert_eq!(judge(&[first, same]), Vec::<String>::new());
        let grown = Sample { resident: 14_000, n_programs: 10, seconds: 40, ..first };
        assert_eq!(
            judge(&[first, same, grown]),
            ["after 40 s loaded programs: 10, 9 at first", "after 40 s KiB resident: 14000, 10000 at first"]
        );
    }
}
