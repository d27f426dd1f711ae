//! Collector tests: files in, exposition out. Nothing of the machine that runs them is read.

mod exceptions;
mod fuzz;
mod perturb;
mod recorded;
mod series;
mod wounds;

use crate::{
    collector::{Error, Spec},
    config::{Config, Section},
    exposition::Encoder,
    metric::Families,
    source::{Host, faults::with_fault},
};
use expect_test::Expect;
pub(crate) use fuzz::fuzz;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any},
    sample::Index,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use rustix::io::Errno;
use std::{env, fs, os::unix::fs::symlink, path::Path, time::Duration};
pub(crate) use wounds::survives;

/// Runs the collector with `section` (the lines of its table in the config) on a host that consists of `files`, twice
/// as a scraper would, and compares the second answer. A path that ends in `/` is an empty folder; a content that
/// starts with `-> ` makes a symbolic link. Then the files are wounded one by one: see [`wounds`].
#[track_caller]
pub(crate) fn check<S: Spec>(section: &str, files: &[(&str, &str)], expect: Expect) {
    let host = TestHost::new(files);
    let mut collector = host.open::<S>(section).expect("the collector opens");
    let mut out = Families::new(S::METRICS);
    for _ in 0..2 {
        out.clear();
        collector.collect(&mut out).expect("the collector succeeds");
    }
    expect.assert_eq(&host.render(&out));
    survives::<S>(section, files);
}

/// The same for a host on which the collector fails, at opening or collecting: compares the error, after what was
/// pushed before it.
#[track_caller]
pub(crate) fn check_error<S: Spec>(section: &str, files: &[(&str, &str)], expect: Expect) {
    let host = TestHost::new(files);
    let mut out = Families::new(S::METRICS);
    let error = match host.open::<S>(section) {
        Ok(mut collector) => collector.collect(&mut out).expect_err("the collector fails"),
        Err(error) => error,
    };
    expect.assert_eq(&(host.render(&out) + &host.hide_root(&error.to_string())));
}

/// Writes another word in place of the first `sound` one of a file, and checks that just the sample `lost` is gone then.
/// Whether the collector finds nothing wrong.
#[track_caller]
pub(crate) fn costs<S: Spec>(
    section: &str,
    (path, text): (&str, &str),
    (sound, word): (&str, &str),
    lost: &str,
) -> bool {
    let host = TestHost::new(&[(path, text)]);
    let mut collector = host.open::<S>(section).expect("the collector opens");
    let mut out = Families::new(S::METRICS);
    let mut samples = |text: &str| {
        host.write(path, text);
        out.clear();
        let is_well = collector.collect(&mut out).is_ok();
        let text = host.render(&out);
        (text.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect::<Vec<_>>(), is_well)
    };
    let (before, _) = samples(text);
    let (after, is_well) = samples(&text.replacen(sound, word, 1));
    assert!(before.iter().any(|it| it == lost), "{lost} is shown at first");
    assert_eq!(after, before.into_iter().filter(|it| it != lost).collect::<Vec<_>>());
    is_well
}

/// The same as [`check`] without the wounds, while reads of the file at `path` give `errno`.
#[track_caller]
pub(crate) fn check_errno<S: Spec>(files: &[(&str, &str)], (path, errno): (&str, Errno), expect: Expect) {
    let host = TestHost::new(files);
    let path = fs::canonicalize(host.path().join(path)).unwrap();
    let mut out = Families::new(S::METRICS);
    with_fault(&path, errno, || {
        let collected = host.open::<S>("").and_then(|mut it| it.collect(&mut out));
        collected.expect("the collector succeeds");
    });
    expect.assert_eq(&host.render(&out));
}

/// Spoils each of `files` in turn, in many ways that are the same at each run, and scrapes: any samples and any error
/// will do, a panic will not.
#[track_caller]
pub(crate) fn never_panics<S: Spec>(section: &str, files: &[(&str, &str)]) {
    let host = TestHost::new(files);
    // A host's files are many: each collector gets a part of a family's time.
    let seconds = env::var(fuzz::SECONDS).ok().and_then(|text| text.parse::<f64>().ok());
    let fuzzing_time = seconds.map(|seconds| Duration::from_secs_f64(seconds / 20.0));
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for (path, content) in files {
        if path.ends_with('/') || content.starts_with("-> ") {
            continue;
        }
        let damages = vec((any::<Index>(), any::<Index>(), any::<Index>(), any::<u8>()), 1..4);
        let scraped = runner.run(&damages, |damages| {
            let mut text = content.as_bytes().to_vec();
            for (how, from, to, byte) in damages {
                spoil(&mut text, how.index(6), from, to, byte);
            }
            fs::write(host.path().join(path), &text).unwrap();
            let mut out = Families::new(S::METRICS);
            if let Err(error) = host.open::<S>(section).and_then(|mut it| it.collect(&mut out)) {
                assert_ne!(error.to_string(), "");
            }
            Encoder::default().write(&[&out], &mut Vec::new());
            Ok(())
        });
        scraped.unwrap_or_else(|error| panic!("{path}: {error}"));
        if let Some(time) = fuzzing_time {
            fuzz::fuzz_for(time / files.len() as u32, &[content.as_bytes()], |text| {
                fs::write(host.path().join(path), text).unwrap();
                let mut out = Families::new(S::METRICS);
                drop(host.open::<S>(section).and_then(|mut it| it.collect(&mut out)));
                Encoder::default().write(&[&out], &mut Vec::new());
            });
        }
        host.write(path, content);
    }
}

/// One of six kinds of damage to a kernel file's text.
fn spoil(text: &mut Vec<u8>, how: usize, from: Index, to: Index, byte: u8) {
    let (a, b) = (from.index(text.len() + 1), to.index(text.len() + 1));
    let range = a.min(b)..a.max(b);
    match how {
        0 => text.truncate(range.start),
        1 => drop(text.drain(range)),
        2 => text.splice(range, [byte, b' ', byte]).for_each(drop),
        3 => text.splice(range.start..range.start, *b"-18446744073709551616").for_each(drop),
        4 => text.iter_mut().skip(range.start).take(3).for_each(|it| *it = byte),
        _ => {
            let mut lines: Vec<_> = text.split_inclusive(|&it| it == b'\n').collect();
            let (one, other) = (from.index(lines.len().max(1)), to.index(lines.len().max(1)));
            if !lines.is_empty() {
                lines.swap(one, other);
                lines.push(lines[one]);
            }
            *text = lines.concat();
        }
    }
}

/// A host in a folder, for tests that change it between scrapes.
pub(crate) struct TestHost {
    root: tempfile::TempDir,
}

impl TestHost {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let host = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["proc", "sys", "udev"] {
            fs::create_dir(host.root.path().join(folder)).unwrap();
        }
        for (path, content) in files {
            host.write(path, content);
        }
        host
    }

    /// Makes or replaces one file.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root.path().join(path);
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return fs::create_dir_all(path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => {
                // A link is not written through.
                if path.is_symlink() {
                    fs::remove_file(&path).unwrap();
                }
                symlink(target, path).unwrap();
            }
            None => fs::write(path, content).unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn host(&self) -> Host {
        let mut config = Config::default();
        for (key, folder) in [("procfs", "proc"), ("sysfs", "sys"), ("rootfs", ""), ("udev_data", "udev")] {
            let path = self.root.path().join(folder).to_str().unwrap().trim_end_matches('/').to_owned();
            config.set(&format!("path.{key}"), path.into());
        }
        Host::new(config.section(), config.section())
    }

    /// In the section, `ROOT` stands for the host's folder.
    pub(crate) fn open<S: Spec>(&self, section: &str) -> Result<S, Error> {
        let root = self.root.path().to_str().unwrap();
        let config = Self::section(&section.replace("ROOT", root));
        match S::faults(&config).into_iter().next() {
            Some(fault) => Err(fault.into()),
            None => S::open(config, &self.host()),
        }
    }

    /// A collector's section from the lines of its table.
    pub(crate) fn section<S: Section>(section: &str) -> S {
        let table: toml::Table = section.parse().expect("the test's section is TOML");
        let mut config = Config::default();
        for (key, value) in table {
            let known = S::KEYS.iter().find(|it| it.name == key).expect("the test names a key");
            (known.check)(&value).expect("the test's value fits");
            config.set(&format!("collector.test.{key}"), value);
        }
        config.of_collector("test")
    }

    /// The samples as text, the folder's own path cut out.
    pub(crate) fn render(&self, out: &Families) -> String {
        let mut bytes = Vec::new();
        let conflicts = Encoder::default().write(&[out], &mut bytes);
        assert_eq!(conflicts, [], "a collector contradicts itself");
        self.hide_root(&String::from_utf8(bytes).unwrap())
    }

    fn hide_root(&self, text: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        text.replace(&format!("{root}/"), "").replace(root, "/")
    }
}
