//! Wounds: what a host's files say is spoiled, one file, line or field at a time, and the collector must keep all that
//! does not come from there.
//!
//! A series comes from a place if other numbers or names there change it. That is found out by trying, so it needs no
//! list that somebody keeps.

use super::{
    TestHost,
    exceptions::exception,
    perturb::{perturbed, tokens},
    series::{Key, Series, is_remnant, scrape},
};
use crate::{
    collector::{Entry, Spec},
    collectors,
    source::faults::with_fault,
};
use rustix::io::Errno;
use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// What no kernel file says.
pub(super) const GARBAGE: &str = "?garbage?";

/// Where drivers answer with an error when they have no value.
const SENSORS: [&str; 4] = ["sys/block/", "sys/bus/", "sys/class/", "sys/devices/p"];

/// Wounds each of `files` in turn; a panic tells of every wound that costs more than what comes from it.
#[track_caller]
pub(crate) fn survives<S: Spec>(section: &str, files: &[(&str, &str)]) {
    let patient = Patient::<S>::new(section, files);
    let mut faults = Vec::new();
    let places: Vec<Place> = files.iter().flat_map(|(path, text)| places(path, text)).collect();
    let origins: Vec<Origin> = places.iter().map(|it| patient.origin(it)).collect();
    for (path, text) in files.iter().filter(|(path, _)| !path.ends_with('/')) {
        let (here, elsewhere) = split(&places, &origins, |it| it.path == *path);
        patient.wound_file(path, text, &here, &elsewhere, &mut faults);
    }
    for (idx, place) in places.iter().enumerate() {
        let mut n_before = 0..;
        let (here, elsewhere) = split(&places, &origins, |_| n_before.next() == Some(idx));
        patient.wound_line(place, &here, &elsewhere, &mut faults);
    }
    let n_faults = faults.len();
    faults.truncate(60);
    assert!(n_faults == 0, "{n_faults} wounds cost more than what comes from them:\n{}", faults.join("\n"));
}

/// Those whose hosts are not made of files that could be wounded, and why. All others are.
const UNWOUNDED: &[(&str, &str)] = &[
    ("bpf_other_programs", "It asks bpf(2)."),
    ("bpf_programs", "It asks what the agent itself has loaded."),
    ("ethtool", "It asks drivers; their answers are fuzzed."),
    ("logind", "It asks a bus; its tests have one of their own."),
    ("netdev_queues", "It asks netlink; what that answers is fuzzed."),
    ("network_route", "It asks netlink; what that answers is fuzzed."),
    ("ntp", "It asks a server; its tests have one of their own."),
    ("supervisord", "It asks a server; its tests have one of their own."),
    ("systemd", "It asks a bus; its tests have one of their own."),
    ("timex", "It asks adjtimex(2)."),
    ("uname", "It asks uname(2)."),
];

#[test]
fn every_collector_that_reads_files_is_wounded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/collectors");
    let is_wounded = |entry: &Entry| {
        let path = folder.join(entry.group).join(entry.name);
        let inner = fs::read_dir(&path).into_iter().flatten().map(|it| it.unwrap().path());
        let texts = inner.chain([path.with_extension("rs")]).map(|it| fs::read_to_string(it).unwrap());
        let calls = ["check::<", "survives::<"];
        texts.into_iter().any(|text| calls.iter().any(|it| text.contains(it)))
    };
    for entry in collectors::all().filter(|it| it.probes.is_empty()) {
        let is_excepted = UNWOUNDED.iter().any(|(name, _)| *name == entry.name);
        assert_ne!(is_wounded(entry), is_excepted, "{}: wounded, or excepted with a reason", entry.name);
    }
}

/// A line of a file.
struct Place<'a> {
    path: &'a str,
    text: &'a str,
    line: Range<usize>,
    number: usize,
}

fn places<'a>(path: &'a str, text: &'a str) -> Vec<Place<'a>> {
    if path.ends_with('/') {
        return Vec::new();
    }
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        at += line.len();
        at - line.len()..at - usize::from(line.ends_with('\n'))
    });
    lines.enumerate().map(|(idx, line)| Place { path, text, line, number: idx + 1 }).collect()
}

/// What comes from a place.
#[derive(Clone, Default)]
pub(super) struct Origin {
    /// Series that changed, or got another name, while the collector found nothing wrong.
    pub(super) sure: BTreeSet<Key>,
    /// Those of them that got another value.
    pub(super) valued: BTreeSet<Key>,
    /// Series that were lost when the collector took what was there for wrong.
    pub(super) perhaps: BTreeSet<Key>,
}

impl Origin {
    /// Notes what `now`, with other words at the place, has not as in `sound`.
    pub(super) fn compare(&mut self, sound: &Series, (now, is_well): &(Series, bool)) {
        for (key, value) in sound {
            match now.get(key) {
                Some(now) if now == value => {}
                None if !is_well => drop(self.perhaps.insert(key.clone())),
                now => {
                    self.sure.insert(key.clone());
                    self.valued.extend(now.map(|_| key.clone()));
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.sure.extend(other.sure.iter().cloned());
        self.valued.extend(other.valued.iter().cloned());
        self.perhaps.extend(other.perhaps.iter().cloned());
    }
}

fn split<'a>(
    places: &[Place<'a>],
    origins: &[Origin],
    mut is_here: impl FnMut(&Place<'a>) -> bool,
) -> (Origin, BTreeSet<Key>) {
    let (mut here, mut elsewhere) = (Origin::default(), BTreeSet::new());
    for (place, origin) in places.iter().zip(origins) {
        match is_here(place) {
            true => here.add(origin),
            false => elsewhere.extend(origin.valued.iter().cloned()),
        }
    }
    (here, elsewhere)
}

/// A collector on a host that is well at first.
struct Patient<'a, S> {
    host: TestHost,
    section: &'a str,
    collector: &'static str,
    sound: Series,
    /// What is not the same at each scrape, such as the time.
    unsteady: BTreeSet<Key>,
    spec: std::marker::PhantomData<S>,
}

/// How much a wound leaves of what was there.
#[derive(Clone, Copy, PartialEq)]
enum Remains {
    /// Nothing to make a value of.
    Nothing,
    /// Other lines of the file.
    Lines,
    /// A part of the text, or another one.
    Text,
}

impl<'a, S: Spec> Patient<'a, S> {
    fn new(section: &'a str, files: &[(&str, &str)]) -> Self {
        let collector =
            std::any::type_name::<S>().rsplit("::").skip(1).find(|it| *it != "tests").unwrap_or_default();
        let host = TestHost::new(files);
        let spec = std::marker::PhantomData;
        let mut patient =
            Self { host, section, collector, sound: Series::new(), unsteady: BTreeSet::new(), spec };
        let first = patient.scrape().expect("it does not panic").0;
        let again = patient.scrape().expect("it does not panic").0;
        let (sound, unsteady): (Series, Series) =
            first.into_iter().partition(|(key, value)| again.get(key) == Some(value));
        patient.sound = sound;
        patient.unsteady = unsteady.into_keys().collect();
        patient
    }

    fn scrape(&self) -> Option<(Series, bool)> {
        scrape(S::METRICS, |out| self.host.open::<S>(self.section)?.collect(out))
    }

    fn origin(&self, place: &Place<'_>) -> Origin {
        let mut origin = Origin::default();
        for line in perturbed(&place.text[place.line.clone()]) {
            self.host.write(place.path, &place.with(&line));
            if let Some(scraped) = self.scrape() {
                origin.compare(&self.sound, &scraped);
            }
        }
        self.host.write(place.path, place.text);
        origin
    }

    fn wound_file(
        &self,
        path: &str,
        text: &str,
        here: &Origin,
        elsewhere: &BTreeSet<Key>,
        faults: &mut Vec<String>,
    ) {
        let full_path = self.host.path().join(path);
        let is_link = text.starts_with("-> ");
        let mut here = here.clone();
        fs::remove_file(&full_path).unwrap();
        if is_link || tokens(text).is_empty() {
            // It says something by being there.
            let left = self.scrape().map(|it| it.0).unwrap_or_default();
            here.sure.extend(self.sound.keys().filter(|key| !left.contains_key(key)).cloned());
        }
        let mut judge = |wound: &str| {
            self.judge(&format!("{path}: {wound}"), Remains::Nothing, &here, elsewhere, faults);
        };
        judge("removed");
        if is_link {
            self.host.write(path, "-> nowhere");
            judge("leads nowhere");
        } else {
            for (wound, content) in [("emptied", ""), ("garbage", GARBAGE)] {
                self.host.write(path, content);
                judge(wound);
            }
            self.host.write(path, text);
            let real_path: PathBuf = fs::canonicalize(&full_path).unwrap();
            for (wound, errno) in [("EINVAL", Errno::INVAL), ("EIO", Errno::IO), ("ENODATA", Errno::NODATA)] {
                with_fault(&real_path, errno, || judge(wound));
            }
            let is_sensor =
                SENSORS.iter().any(|it| path.starts_with(it)) && !path.starts_with("sys/class/net/");
            let may_fail = !is_sensor || self.is_known(&format!("{path}: EINVAL"), "");
            with_fault(&real_path, Errno::INVAL, || {
                if self.scrape().is_some_and(|(_, is_well)| !is_well && !may_fail) {
                    faults.push(format!("{path}: EINVAL: it fails, and a sensor may say so"));
                }
            });
        }
        self.host.write(path, text);
    }

    fn wound_line(
        &self,
        place: &Place<'_>,
        here: &Origin,
        elsewhere: &BTreeSet<Key>,
        faults: &mut Vec<String>,
    ) {
        let line = &place.text[place.line.clone()];
        if line.starts_with("-> ") {
            return;
        }
        let words = tokens(line);
        let mut wounds = vec![("doubled".to_owned(), Remains::Lines, format!("{line}\n{line}"))];
        if place.text.trim_end().contains('\n') {
            wounds.push(("garbage".to_owned(), Remains::Text, GARBAGE.to_owned()));
        }
        let cuts =
            [words.first().map_or(0, |it| it.end), line.len() / 2, words.last().map_or(0, |it| it.start)];
        for cut in cuts.into_iter().filter(|cut| line.is_char_boundary(*cut)) {
            wounds.push((format!("cut after {cut}"), Remains::Text, line[..cut].to_owned()));
        }
        for word in words {
            let spoilt = format!("{}{GARBAGE}{}", &line[..word.start], &line[word.end..]);
            wounds.push((format!("garbage for {:?}", &line[word]), Remains::Text, spoilt));
        }
        let mut judge = |wound: &str, remains| {
            let wound = format!("{}, line {} {line:?}: {wound}", place.path, place.number);
            self.judge(&wound, remains, here, elsewhere, faults);
        };
        for (wound, remains, line) in wounds {
            self.host.write(place.path, &place.with(&line));
            judge(&wound, remains);
        }
        let end = (place.line.end + 1).min(place.text.len());
        self.host.write(place.path, &format!("{}{}", &place.text[..place.line.start], &place.text[end..]));
        judge("removed", Remains::Lines);
        self.host.write(place.path, place.text);
    }

    /// Whether it is an exception that the wound harms the family.
    fn is_known(&self, wound: &str, family: &str) -> bool {
        exception(self.collector, wound, family).is_some()
    }

    /// Scrapes the wounded host and notes what is wrong with what is left.
    fn judge(
        &self,
        wound: &str,
        remains: Remains,
        here: &Origin,
        elsewhere: &BTreeSet<Key>,
        faults: &mut Vec<String>,
    ) {
        let Some((series, _)) = self.scrape() else {
            return faults.push(format!("{wound}: it panics"));
        };
        let mut note = |what: &str, key: &Key| {
            if !self.is_known(wound, &key.family) {
                faults.push(format!("{wound}: {what} {key}"));
            }
        };
        for (key, value) in &self.sound {
            let comes_from_here =
                here.sure.contains(key) || (here.perhaps.contains(key) && !elsewhere.contains(key));
            match series.get(key) {
                Some(now) if now == value => {}
                Some(_) if comes_from_here && remains == Remains::Nothing => note("invents a value of", key),
                None | Some(_) if comes_from_here => {}
                // It has one label more.
                None if series.keys().any(|it| it.has_garbage() && is_remnant(key, it)) => {}
                None => note("loses", key),
                Some(_) => note("changes", key),
            }
        }
        let is_new = |it: &&Key| !self.sound.contains_key(it) && !self.unsteady.contains(it);
        for key in series.keys().filter(is_new) {
            let is_of_here = |it: &&Key| it.family == key.family && here.sure.contains(it);
            let is_another_text = remains == Remains::Text
                && (!S::METRICS.iter().any(|it| it.name == key.family)
                    || self.sound.keys().any(|it| is_of_here(&it)));
            let mut lost = self.sound.keys().filter(|it| !series.contains_key(it));
            if !is_another_text && !key.has_garbage() && !lost.any(|it| is_remnant(key, it)) {
                note("invents", key);
            }
        }
    }
}

impl Place<'_> {
    /// The file's text with another line here.
    fn with(&self, line: &str) -> String {
        format!("{}{line}{}", &self.text[..self.line.start], &self.text[self.line.end..])
    }
}
