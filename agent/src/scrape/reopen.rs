//! A registry for another config, made beside the one that runs.

use super::{Registry, State, slot::Slot};
use crate::{
    collector::Entry,
    config::{CollectorLimits, Config, Key, Section as _},
    source::Host,
};
use std::{collections::BTreeSet, sync::Arc};

/// What became of the collectors, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub started: Vec<&'static str>,
    pub stopped: Vec<&'static str>,
    /// Opened anew, with other keys or because they were not open.
    pub reopened: Vec<&'static str>,
    /// Not opened with their new keys, and why: what ran before goes on.
    pub kept: Vec<(&'static str, String)>,
    /// Not opened, and why.
    pub unavailable: Vec<(&'static str, String)>,
}

impl Registry {
    /// The registry for `after`, where this one was opened with `before`. A collector whose keys are the same goes on as
    /// it is, unless the `host` is another, or others want more or less of a probe that it shares with them. The others
    /// are opened beside those that run now, which end with the last scrape that holds them.
    pub fn reopen(
        &self,
        entries: impl IntoIterator<Item = &'static Entry>,
        (before, after): (&Config, &Config),
        host: &Host,
        is_same_host: bool,
    ) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut slots = Vec::new();
        let known: Vec<_> = entries.into_iter().collect();
        let enabled = || known.iter().copied().filter(|entry| entry.is_enabled(after));
        let running = |entry: &Entry| self.slots.iter().find(|slot| slot.entry.name == entry.name);
        let is_unchanged = |entry: &Entry| {
            is_same_host
                && has_same_keys(entry, before, after)
                && has_same_probes(entry, &known, before, after)
        };
        let is_kept =
            |entry: &Entry| running(entry).is_some_and(|slot| slot.is_open()) && is_unchanged(entry);
        host.announce(enabled().filter(|entry| !is_kept(entry)).flat_map(|entry| entry.probes));
        for entry in enabled() {
            let running = running(entry);
            slots.push(match running {
                None => {
                    let opened = Slot::open(entry, after, host);
                    match why_unavailable(&opened) {
                        None => changes.started.push(entry.name),
                        Some(reason) => changes.unavailable.push((entry.name, reason)),
                    }
                    Arc::new(opened)
                }
                Some(slot) if is_unchanged(entry) => {
                    let opened = if slot.is_open() { None } else { Some(Slot::open(entry, after, host)) };
                    match opened.filter(Slot::is_open) {
                        // It may be open now that its cause is gone; else the first reason is the true one.
                        None => Arc::clone(slot),
                        Some(opened) => {
                            changes.reopened.push(entry.name);
                            Arc::new(opened)
                        }
                    }
                }
                Some(slot) => {
                    let opened = Slot::open(entry, after, host);
                    match why_unavailable(&opened) {
                        // What it was opened with may be gone for good, such as a capability.
                        Some(reason) if slot.is_open() && !opened.is_forbidden => {
                            changes.kept.push((entry.name, reason));
                            Arc::clone(slot)
                        }
                        Some(reason) => {
                            changes.unavailable.push((entry.name, reason));
                            Arc::new(opened)
                        }
                        None => {
                            changes.reopened.push(entry.name);
                            Arc::new(opened)
                        }
                    }
                }
            });
        }
        let is_stopped = |name: &&str| !slots.iter().any(|slot: &Arc<Slot>| slot.entry.name == *name);
        changes.stopped = self.names().filter(is_stopped).collect();
        let Self { turn, outcomes, .. } = self.clone();
        (Self { slots, known, turn, outcomes }, changes)
    }
}

/// Why a slot could not be opened, with what would help; `None` if it was, or its host has no such thing.
fn why_unavailable(opened: &Slot) -> Option<String> {
    match opened.summary().state {
        State::Unavailable { reason, remedy } => Some(format!("{reason}; {remedy}")),
        State::Failed { reason, .. } => Some(reason),
        _ => None,
    }
}

fn has_same_keys(entry: &Entry, before: &Config, after: &Config) -> bool {
    let table = format!("collector.{}", entry.name);
    let is_same = |key: &Key| before.value_in(&table, key) == after.value_in(&table, key);
    entry.keys.iter().chain(CollectorLimits::KEYS).all(is_same)
}

/// Whether the collectors that share the probes of this one want the same of them: a probe is loaded once, with what all
/// want.
fn has_same_probes(entry: &Entry, known: &[&'static Entry], before: &Config, after: &Config) -> bool {
    let features = |probe: &str, config: &Config| -> BTreeSet<&'static str> {
        let enabled = known.iter().filter(|it| it.is_enabled(config));
        let uses = enabled.flat_map(|it| it.probes).filter(|it| it.probe.name == probe);
        uses.flat_map(|it| it.features).copied().collect()
    };
    entry.probes.iter().map(|it| it.probe.name).all(|probe| features(probe, before) == features(probe, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collector::{Collector, Error, Spec},
        config::{NoConfig, section},
        exposition::{Encoder, Format, Offer},
        metric::{Families, Meta, Start, metrics},
        scrape::Selection,
        source::ebpf::{Use, declared::softirq_time},
    };
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::{Duration, Instant},
    };

    metrics! {
        RUNS: Counter "test_runs_total" ["step"], "How often it ran since it was opened.";
    }

    section! {
        struct Keys {
            /// What is added each time.
            step: u64 = 1,
        }
    }

    /// Counts its runs, so that a new one can be told from an old one.
    struct Counts(u64, u64);

    impl Spec for Counts {
        const SUMMARY: &'static str = "";
        const ENABLED: bool = true;
        const START: Start = Start::Opened;
        const METRICS: &'static [Meta] = METRICS;
        type Config = Keys;

        fn open(config: Keys, _: &Host) -> Result<Self, Error> {
            if config.step == 0 {
                return Err(Error::Forbidden { reason: "no step".to_owned(), remedy: "take one".to_owned() });
            }
            if config.step > MAX_STEP {
                let (reason, remedy) =
                    (format!("a step is at most {MAX_STEP}"), "take a smaller one".to_owned());
                return Err(Error::Unavailable { reason, remedy });
            }
            Ok(Self(config.step, 0))
        }
    }

    impl Collector for Counts {
        fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
            self.1 += self.0;
            out.push(RUNS, [self.0], self.1);
            Ok(())
        }
    }

    /// Shares a probe with the next one, which wants more of it.
    struct Plain;

    struct Full;

    macro_rules! sharing {
        ($name:ident, $uses:expr) => {
            impl Spec for $name {
                const SUMMARY: &'static str = "";
                const ENABLED: bool = true;
                const PROBES: &'static [Use] = &[$uses];
                const COST: &'static str = "";
                const METRICS: &'static [Meta] = &[];
                type Config = NoConfig;

                fn open(_: NoConfig, _: &Host) -> Result<Self, Error> {
                    Ok(Self)
                }
            }

            impl Collector for $name {
                fn collect(&mut self, _: &mut Families) -> Result<(), Error> {
                    Ok(())
                }
            }
        };
    }

    sharing!(Plain, Use::of(&softirq_time::SPEC));
    sharing!(Full, Use { probe: &softirq_time::SPEC, features: &["LATENCY"] });

    #[test]
    fn a_probe_is_shared_again_when_somebody_wants_more_of_it() {
        let host = host();
        let entries: &[Entry] = const {
            &[
                Entry::of::<Plain>("test", "plain", |_, _| Ok(Box::new(Plain))),
                Entry::of::<Full>("test", "full", |_, _| Ok(Box::new(Full))),
            ]
        };
        let (plain, full) = (config(&[("collector.full.enabled", false.into())]), config(&[]));
        let registry = Registry::open(entries, &plain, &host);
        let (registry, changes) = registry.reopen(entries, (&plain, &full), &host, true);
        assert_eq!((changes.started, changes.reopened), (vec!["full"], vec!["plain"]));
        let (registry, changes) = registry.reopen(entries, (&full, &full), &host, true);
        assert_eq!(changes, Changes::default());
        let (_, changes) = registry.reopen(entries, (&full, &plain), &host, true);
        assert_eq!((changes.stopped, changes.reopened), (vec!["full"], vec!["plain"]));
    }

    const MAX_STEP: u64 = 100;

    static CAN_OPEN: AtomicBool = AtomicBool::new(false);

    static ENTRIES: &[Entry] = &[
        Entry::of::<Counts>("test", "counts", |config, host| {
            Ok(Box::new(Counts::open(config.of_collector("counts"), host)?))
        }),
        Entry::of::<Counts>("test", "late", |config, host| match CAN_OPEN.load(Ordering::Relaxed) {
            true => Ok(Box::new(Counts::open(config.of_collector("late"), host)?)),
            false => Err(Error::Absent("not yet".to_owned())),
        }),
    ];

    fn config(values: &[(&str, toml::Value)]) -> Config {
        let mut config = Config::default();
        for (path, value) in values {
            config.set(path, value.clone());
        }
        config
    }

    fn host() -> Host {
        let config = Config::default();
        Host::new(config.section(), config.section())
    }

    async fn runs(registry: &Registry) -> Vec<String> {
        let limit = Instant::now() + Duration::from_secs(600);
        let encode = |parts: &[&Families]| {
            let mut body = Vec::new();
            assert_eq!(Encoder::default().write(parts, &mut body), []);
            String::from_utf8(body).unwrap()
        };
        let text = registry.scrape(&Selection::All, limit, encode).await.unwrap();
        text.lines().filter(|line| line.starts_with("test_runs")).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn what_did_not_change_goes_on() {
        let host = host();
        let off = ("collector.late.enabled", false.into());
        let first = config(std::slice::from_ref(&off));
        let registry = Registry::open(ENTRIES, &first, &host);
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="1"} 1"#]);
        // The default, said aloud, is no change.
        let second = config(&[off.clone(), ("collector.counts.step", 1.into())]);
        let (registry, changes) = registry.reopen(ENTRIES, (&first, &second), &host, true);
        assert_eq!(changes, Changes::default());
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="1"} 2"#]);
        let third = config(&[off.clone(), ("collector.counts.step", 5.into())]);
        let (registry, changes) = registry.reopen(ENTRIES, (&second, &third), &host, true);
        assert_eq!(changes.reopened, ["counts"]);
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="5"} 5"#]);
        let (registry, changes) = registry.reopen(ENTRIES, (&third, &third), &host, false);
        assert_eq!(changes.reopened, ["counts"], "another host needs all collectors anew");
        let fourth = config(&[off, ("collector.counts.enabled", false.into())]);
        let (registry, changes) = registry.reopen(ENTRIES, (&third, &fourth), &host, true);
        assert_eq!(changes.stopped, ["counts"]);
        assert_eq!(runs(&registry).await, [""; 0]);
        let (_, changes) = registry.reopen(ENTRIES, (&fourth, &third), &host, true);
        assert_eq!(changes.started, ["counts"]);
    }

    /// Since when the first collector's counter counts, in seconds after the boot.
    async fn start(registry: &Registry) -> String {
        let format = Format::negotiate("application/openmetrics-text;version=2.0.0", &[Offer::OpenMetrics2]);
        let encode = move |parts: &[&Families]| {
            let mut body = Vec::new();
            assert_eq!(Encoder { format, ..Encoder::default() }.write(parts, &mut body), []);
            String::from_utf8(body).unwrap()
        };
        let limit = Instant::now() + Duration::from_secs(600);
        let text = registry.scrape(&Selection::All, limit, encode).await.unwrap();
        let line = text.lines().find(|line| line.starts_with("test_runs")).unwrap();
        line.split_once(" st@").unwrap().1.to_owned()
    }

    #[tokio::test]
    async fn a_counter_that_begins_anew_says_so() {
        let host = host();
        let first = config(&[]);
        let registry = Registry::open(&ENTRIES[..1], &first, &host);
        let began = start(&registry).await;
        let (registry, _) = registry.reopen(&ENTRIES[..1], (&first, &first), &host, true);
        assert_eq!(start(&registry).await, began);
        // Starts are told in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let second = config(&[("collector.counts.step", 2.into())]);
        let (registry, _) = registry.reopen(&ENTRIES[..1], (&first, &second), &host, true);
        assert!(start(&registry).await.parse::<f64>().unwrap() > began.parse::<f64>().unwrap());
        // What goes on because it cannot be opened anew counts on.
        let broken = config(&[("collector.counts.step", 101.into())]);
        let went_on = start(&registry).await;
        let (registry, _) = registry.reopen(&ENTRIES[..1], (&second, &broken), &host, true);
        assert_eq!(start(&registry).await, went_on);
    }

    #[tokio::test]
    async fn what_could_not_be_opened_is_tried_again() {
        let host = host();
        let config = config(&[("collector.counts.enabled", false.into())]);
        let registry = Registry::open(ENTRIES, &config, &host);
        let (registry, changes) = registry.reopen(ENTRIES, (&config, &config), &host, true);
        assert_eq!(changes, Changes::default());
        CAN_OPEN.store(true, Ordering::Relaxed);
        let (registry, changes) = registry.reopen(ENTRIES, (&config, &config), &host, true);
        assert_eq!(changes.reopened, ["late"]);
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="1"} 1"#]);
    }

    #[tokio::test]
    async fn what_the_config_forbids_ends() {
        let host = host();
        let off = ("collector.late.enabled", false.into());
        let first = config(std::slice::from_ref(&off));
        let registry = Registry::open(ENTRIES, &first, &host);
        let second = config(&[off, ("collector.counts.step", 0.into())]);
        let (registry, changes) = registry.reopen(ENTRIES, (&first, &second), &host, true);
        let unavailable = vec![("counts", "no step; take one".to_owned())];
        assert_eq!(changes, Changes { unavailable, ..Changes::default() });
        assert_eq!(runs(&registry).await, [""; 0]);
    }

    #[tokio::test]
    async fn what_cannot_be_opened_anew_goes_on() {
        let host = host();
        let off = ("collector.late.enabled", false.into());
        let first = config(std::slice::from_ref(&off));
        let registry = Registry::open(ENTRIES, &first, &host);
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="1"} 1"#]);
        let second = config(&[off, ("collector.counts.step", 101.into())]);
        let (registry, changes) = registry.reopen(ENTRIES, (&first, &second), &host, true);
        let why = "a step is at most 100; take a smaller one".to_owned();
        assert_eq!(changes, Changes { kept: vec![("counts", why.clone())], ..Changes::default() });
        assert_eq!(runs(&registry).await, [r#"test_runs_total{step="1"} 2"#]);
        // Where there was none, there is none.
        let (registry, _) = registry.reopen(&ENTRIES[1..], (&second, &first), &host, true);
        let (registry, changes) = registry.reopen(ENTRIES, (&first, &second), &host, true);
        assert_eq!(changes, Changes { unavailable: vec![("counts", why)], ..Changes::default() });
        assert_eq!(runs(&registry).await, [""; 0]);
    }
}
