//! A whole recorded host, wounded file by file under all collectors: `cargo xtask wound`.
//!
//! Each file in turn is removed, emptied and filled with garbage, and every series that does not come from it has to
//! stay as it is. Of files whose paths differ in numbers alone the first stands for all.

use super::{
    TestHost,
    exceptions::exception,
    perturb::{others, tokens},
    series::{Key, Series, scrape},
    wounds::{GARBAGE, Origin},
};
use crate::{
    collector::Entry,
    collectors,
    config::Config,
    source::{Host, faults::files_read},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The folder of a recorded host, see [`FOLDERS`]; a small one is made when it is not set.
const FOLDER: &str = "HOSTLENS_RECORDED_HOST";

const WOUNDS: [(&str, Option<&str>); 3] =
    [("removed", None), ("emptied", Some("")), ("garbage", Some(GARBAGE))];

/// The parts of a host that collectors read.
const FOLDERS: [&str; 5] = ["proc", "sys", "udev", "qdisc", "wifi"];

/// What a recorded host has no files of, though no probe and no server tells it, and what does.
const OF_THE_MACHINE: [(&str, &str); 10] = [
    ("bpf_other_programs", "bpf(2)"),
    ("bpf_programs", "what the agent has loaded"),
    ("ethtool", "ioctl(2)"),
    ("filesystem", "statfs(2), see its own tests"),
    ("network_route", "netlink(7)"),
    ("perf", "perf_event_open(2)"),
    ("tcpstat", "netlink(7)"),
    ("textfile", "files of users, see its own tests"),
    ("timex", "adjtimex(2)"),
    ("uname", "uname(2)"),
];

/// A larger file's words are changed some at once.
const MAX_CHANGES: usize = 40;

#[test]
#[ignore = "takes minutes for a whole host"]
fn a_recorded_host_loses_what_a_wounded_file_says_and_no_more() {
    let small = TestHost::new(&[
        ("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n"),
        ("proc/meminfo", "MemTotal: 15666184 kB\nMemFree: 440324 kB\n"),
        ("sys/class/thermal/thermal_zone0/temp", "44500\n"),
        ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
        ("sys/class/thermal/thermal_zone1/temp", "45500\n"),
    ]);
    let folder = env::var_os(FOLDER).map_or_else(|| small.path().to_owned(), PathBuf::from);
    let report = wound(&folder);
    println!("{report}");
    assert!(!report.harms.is_empty(), "no file of the host says anything");
    assert!(report.faults.is_empty(), "what does not come from a file is lost with it");
}

#[test]
fn a_collector_that_loses_more_than_a_file_says_is_found() {
    let mut series = Series::new();
    series.insert(Key::new("from_it"), "1".to_owned());
    series.insert(Key::new("from_elsewhere"), "2".to_owned());
    series.insert(Key::new("perhaps"), "3".to_owned());
    let mut of_file = Origin::default();
    of_file.sure.insert(Key::new("from_it"));
    of_file.perhaps.extend([Key::new("from_elsewhere"), Key::new("perhaps")]);
    let elsewhere = |key: &Key| key.family == "from_elsewhere";
    let lost = lost(&series, &Series::new(), &of_file, elsewhere);
    assert_eq!(lost, [&Key::new("from_elsewhere")]);
}

/// What wounds cost.
#[derive(Default)]
struct Report {
    n_files: usize,
    n_series: usize,
    /// Collectors for which the host has no files.
    silent: Vec<&'static str>,
    /// What each wound that changed what a collector shows cost it: collector, wound, series, of how many.
    harms: Vec<(&'static str, String, usize, usize)>,
    /// Collector, wound, and what it costs that does not come from the file.
    faults: Vec<(&'static str, String, Vec<Key>)>,
    /// The same where it is known why: the number of series by reason.
    excused: BTreeMap<(&'static str, &'static str), usize>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (collector, wound, n_lost, n_sound) in &self.harms {
            writeln!(f, "{collector}: {wound}: {n_lost} of {n_sound} series")?;
        }
        for (collector, wound, lost) in &self.faults {
            let n_lost = lost.len();
            writeln!(
                f,
                "fault: {collector}: {wound}: {n_lost} that are not of the file, such as {}",
                lost[0]
            )?;
        }
        for ((collector, why), n_series) in &self.excused {
            writeln!(f, "excepted: {collector}: {n_series} series: {why}")?;
        }
        for (collector, source) in OF_THE_MACHINE {
            writeln!(f, "left out: {collector}: {source}")?;
        }
        let n_lost: usize = self.faults.iter().map(|(_, _, lost)| lost.len()).sum();
        writeln!(f, "the host has nothing for {}", self.silent.join(", "))?;
        let (n_files, n_wounds) = (self.n_files, WOUNDS.len());
        writeln!(f, "{n_files} patterns x {n_wounds} wounds of a host of {} series", self.n_series)?;
        let (n_harms, n_faults) = (self.harms.len(), self.faults.len());
        write!(f, "{n_harms} do harm; {n_faults} of them cost {n_lost} series that do not come from the file")
    }
}

fn wound(folder: &Path) -> Report {
    let files = patterns(folder);
    let next = AtomicUsize::new(0);
    let examine = || {
        let patient = Patient::new(folder);
        let mut seen = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            seen.extend(patient.examine(file));
        }
        let silent = patient.entries.iter().zip(&patient.sound).filter(|(_, sound)| sound.0.is_empty());
        let silent: Vec<_> = silent.map(|(entry, _)| entry.name).collect();
        (seen, patient.sound.iter().map(|it| it.0.len()).sum(), silent)
    };
    let (mut harms, mut n_series, mut silent) = (Vec::new(), 0, Vec::new());
    thread::scope(|scope| {
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(examine)).collect();
        for thread in threads {
            let (seen, n_sound, silent_now) = thread.join().expect("what collectors panic with is caught");
            harms.extend(seen);
            (n_series, silent) = (n_sound, silent_now);
        }
    });
    let mut valued: BTreeMap<&Key, BTreeSet<&Path>> = BTreeMap::new();
    for harm in &harms {
        for key in &harm.origin.valued {
            valued.entry(key).or_default().insert(&harm.file);
        }
    }
    let mut report = Report { n_files: files.len(), n_series, silent, ..Report::default() };
    for harm in &harms {
        let elsewhere =
            |key: &Key| valued.get(key).is_some_and(|files| files.iter().any(|it| *it != harm.file));
        for (wound, now) in &harm.wounds {
            let wound = format!("{}: {wound}", harm.file.display());
            let n_changed = harm.sound.iter().filter(|(key, value)| now.get(key) != Some(value)).count();
            report.harms.push((harm.collector, wound.clone(), n_changed, harm.sound.len()));
            let mut faults = Vec::new();
            for key in lost(&harm.sound, now, &harm.origin, elsewhere) {
                match exception(harm.collector, &wound, &key.family) {
                    Some(it) => *report.excused.entry((it.collector, it.why)).or_default() += 1,
                    None => faults.push(key.clone()),
                }
            }
            if !faults.is_empty() {
                report.faults.push((harm.collector, wound, faults));
            }
        }
    }
    report.harms.sort();
    report.faults.sort();
    report
}

/// Series that are not as they were, and do not come from the file.
fn lost<'a>(
    sound: &'a Series,
    now: &Series,
    of_file: &Origin,
    is_valued_elsewhere: impl Fn(&Key) -> bool,
) -> Vec<&'a Key> {
    let changed = sound.iter().filter(|(key, value)| now.get(key) != Some(value)).map(|(key, _)| key);
    let comes_from_it =
        |key: &Key| of_file.sure.contains(key) || of_file.perhaps.contains(key) && !is_valued_elsewhere(key);
    changed.filter(|key| !comes_from_it(key)).collect()
}

/// One file of each pattern, below the folder.
fn patterns(folder: &Path) -> Vec<PathBuf> {
    let mut first_by_pattern = BTreeMap::new();
    let mut folders = FOLDERS.map(|part| folder.join(part)).to_vec();
    folders.retain(|it| it.is_dir());
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let file = entry.path().strip_prefix(folder).unwrap().to_owned();
                let pattern = file.to_string_lossy().replace(|it: char| it.is_ascii_digit(), "");
                let first = first_by_pattern.entry(pattern).or_insert_with(|| file.clone());
                *first = file.min(first.clone());
            }
        }
    }
    first_by_pattern.into_values().collect()
}

/// What wounds of a file do to a collector.
struct Harm {
    file: PathBuf,
    collector: &'static str,
    sound: Series,
    /// The series after each wound that did something.
    wounds: Vec<(&'static str, Series)>,
    origin: Origin,
}

/// A copy of the host, and what each collector shows of it.
struct Patient {
    folder: tempfile::TempDir,
    config: Config,
    host: Host,
    entries: Vec<&'static Entry>,
    /// What each collector shows, and the folders that it reads files of.
    sound: Vec<(Series, BTreeSet<PathBuf>)>,
}

impl Patient {
    fn new(original: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fs::canonicalize(folder.path()).unwrap(), folder.path());
        let copied = Command::new("cp").arg("-a").arg(original.join(".")).arg(folder.path()).status();
        assert!(copied.unwrap().success(), "cp -a {}", original.display());
        let path = |name: &str| folder.path().join(name).to_str().unwrap().trim_end_matches('/').to_owned();
        let mut config = Config::default();
        for (key, name) in [("procfs", "proc"), ("sysfs", "sys"), ("rootfs", ""), ("udev_data", "udev/data")]
        {
            config.set(&format!("path.{key}"), path(name).into());
        }
        for key in ["netdev.netlink", "netclass.netlink", "arp.netlink"] {
            config.set(&format!("collector.{key}"), false.into());
        }
        config.set("collector.bcache.priority_stats", true.into());
        config.set("collector.qdisc.fixtures", path("qdisc").into());
        config.set("collector.wifi.fixtures", path("wifi").into());
        let settings = ["kernel.threads-max", "fs.file-nr:total,current,max"].map(str::to_owned);
        config.set("collector.sysctl.include", settings.to_vec().into());
        let host = Host::new(config.section(), config.section());
        let is_of_files = |it: &Entry| {
            it.probes.is_empty() && !it.connects && OF_THE_MACHINE.iter().all(|(name, _)| *name != it.name)
        };
        let entries = collectors::all().filter(|it| is_of_files(it)).collect();
        let mut patient = Self { folder, config, host, entries, sound: Vec::new() };
        for entry in &patient.entries {
            let mut sound = patient.scrape(entry).0;
            let files = files_read(|| {
                let again = patient.scrape(entry).0;
                sound.retain(|key, value| again.get(key) == Some(value));
            });
            // A file's place may tell something, too: the folder's other files are the collector's as well.
            let folders = files.iter().filter_map(|it| it.parent()).map(Path::to_owned).collect();
            patient.sound.push((sound, folders));
        }
        patient
    }

    fn scrape(&self, entry: &Entry) -> (Series, bool) {
        let scraped = scrape(entry.metrics, |out| (entry.open)(&self.config, &self.host)?.collect(out));
        scraped.unwrap_or_else(|| panic!("{} panics", entry.name))
    }

    /// What becomes of the collectors that show something else when the file is wounded.
    fn examine(&self, file: &Path) -> Vec<Harm> {
        let path = self.folder.path().join(file);
        let original = fs::read(&path).unwrap();
        let is_changed =
            |now: &Series, sound: &Series| sound.iter().any(|(key, value)| now.get(key) != Some(value));
        let mut harms = BTreeMap::new();
        let parent = path.parent().unwrap();
        let mut readers: Vec<_> =
            (0..self.entries.len()).filter(|idx| self.sound[*idx].1.contains(parent)).collect();
        if readers.is_empty() {
            // It may matter by being there, or be read as no kernel file is.
            readers.extend(0..self.entries.len());
        }
        for (wound, content) in WOUNDS {
            match content {
                Some(content) => fs::write(&path, content).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            for &idx in &readers {
                let now = self.scrape(self.entries[idx]).0;
                if is_changed(&now, &self.sound[idx].0) {
                    harms.entry(idx).or_insert_with(Vec::new).push((wound, now));
                }
            }
        }
        let harms = harms.into_iter().map(|(idx, wounds)| {
            let (entry, sound) = (self.entries[idx], &self.sound[idx].0);
            let mut origin = Origin::default();
            for changed in changed(&String::from_utf8_lossy(&original)) {
                fs::write(&path, changed).unwrap();
                origin.compare(sound, &self.scrape(entry));
            }
            if tokens(&String::from_utf8_lossy(&original)).is_empty() {
                fs::write(&path, "word\n").unwrap();
                origin.compare(sound, &self.scrape(entry));
                // It says something by being there.
                let without = wounds.iter().find(|it| it.0 == WOUNDS[0].0).map(|it| &it.1);
                let is_lost = |key: &&Key| without.is_some_and(|it| !it.contains_key(*key));
                origin.sure.extend(sound.keys().filter(is_lost).cloned());
            }
            Harm { file: file.to_owned(), collector: entry.name, sound: sound.clone(), wounds, origin }
        });
        let harms = harms.collect();
        fs::write(&path, original).unwrap();
        harms
    }
}

/// The text with other numbers or words: one after the other, some at once where there are many.
fn changed(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let at_once = tokens.len().div_ceil(MAX_CHANGES).max(1);
    let mut texts = Vec::new();
    for tokens in tokens.chunks(at_once) {
        let n_ways = tokens.iter().map(|it| others(&text[it.clone()]).len()).max().unwrap_or(0);
        for way in 0..n_ways {
            let mut changed = text.to_owned();
            for token in tokens.iter().rev() {
                if let Some(other) = others(&text[token.clone()]).get(way) {
                    changed.replace_range(token.clone(), other);
                }
            }
            texts.push(changed);
        }
    }
    texts
}
