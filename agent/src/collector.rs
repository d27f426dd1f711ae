//! What a collector is: one trait for every source, procfs and eBPF alike, and the declaration of one.

use crate::{
    config::{Config, Ebpf, Key, Problem, Section, UseProbes},
    metric::{Families, FamilyView, Meta, Start},
    source::{
        self, Host,
        ebpf::{self, Probe},
    },
};
use rustix::thread::CapabilitySet;
use serde::Serialize;

/// Reads one source of the host and pushes what it finds.
///
/// Runs on a blocking thread, never twice at once. It may block: a call that outlasts the scrape's deadline is
/// reported as late and left to end.
pub trait Collector: Send {
    /// Pushes the current samples. What was pushed before an error stays in the answer.
    ///
    /// # Errors
    /// [`Error::Absent`] when this host has no such thing, anything else when reading it failed.
    fn collect(&mut self, out: &mut Families) -> Result<(), Error>;

    /// What its last run left out, of what other programs had written or its probe could not have, for people to see to.
    fn left_out(&self) -> Vec<LeftOut> {
        Vec::new()
    }

    /// The probes that it reads: what they cost is told beside it and held to a budget.
    fn probes(&self) -> Vec<&Probe> {
        Vec::new()
    }
}

/// What was left out, although the collector runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Such as a file, and the line.
    pub place: String,
    pub reason: String,
    pub remedy: &'static str,
}

/// All that a collector says about itself: registry, config, docs and tests read it from here.
pub trait Spec: Collector + Sized + 'static {
    /// One sentence for users: what it shows, and from where.
    const SUMMARY: &'static str;
    /// Whether it runs when the config does not say.
    const ENABLED: bool;
    /// The probes that it reads. Others may read them, too.
    const PROBES: &'static [ebpf::Use] = &[];
    /// Capabilities that let it see more at a scrape, if the process has them; they are kept for it.
    const CAPABILITIES: CapabilitySet = CapabilitySet::empty();
    /// Whether it connects to a server, local ones too: the sandbox lets nobody else.
    const CONNECTS: bool = false;
    /// What it costs where that is worth knowing: a part of a sentence.
    const COST: &'static str = "";
    /// Since when its counters count, where nothing else is said of a row. A start that may be wrong is none.
    const START: Start = if Self::PROBES.is_empty() { Start::Unknown } else { Start::Opened };
    /// Every family it may push.
    const METRICS: &'static [Meta];
    /// Its keys under `[collector.<name>]`, beside those that every collector has.
    type Config: Section;

    /// What of its settings can never work, on any host, and that no key's type can refuse: start refuses it.
    fn faults(_: &Self::Config) -> Vec<Fault> {
        Vec::new()
    }

    /// Prepares it once, at start or when it is switched on, unless there are [`faults`](Self::faults).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when this host, kernel or privilege does not allow it.
    fn open(config: Self::Config, host: &Host) -> Result<Self, Error>;
}

/// Why a collector gave nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host has no such thing.
    #[error("not on this host: {0}")]
    Absent(String),
    /// It cannot run here, and this would help.
    #[error("{reason}")]
    Unavailable { reason: String, remedy: String },
    /// The config forbids what it needs.
    #[error("{reason}")]
    Forbidden { reason: String, remedy: String },
    #[error(transparent)]
    Source(#[from] source::Error),
}

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub key: &'static str,
    pub message: String,
    pub remedy: String,
}

impl From<Fault> for Error {
    fn from(Fault { key, message, remedy }: Fault) -> Self {
        Self::Unavailable { reason: format!("`{key}`: {message}"), remedy }
    }
}

/// Two keys that are right each for itself and not together.
impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Unavailable {
            reason: problem.message,
            remedy: "change the collector's section of the config".to_owned(),
        }
    }
}

impl From<source::Foreign> for Error {
    fn from(foreign: source::Foreign) -> Self {
        Self::Unavailable {
            reason: foreign.to_string(),
            remedy:
                "run in the host's network (hostNetwork: true), or see the host's processes and start with \
                     CAP_SYS_ADMIN and CAP_SYS_PTRACE"
                    .to_owned(),
        }
    }
}

/// Opens a collector with its own section of the config.
pub type Open = fn(&Config, &Host) -> Result<Box<dyn Collector>, Error>;

/// The collector `S`, opened with the section of the config that has its name.
pub(crate) fn open<S: Spec>(config: &Config, name: &str, host: &Host) -> Result<Box<dyn Collector>, Error> {
    let section = config.of_collector(name);
    match S::faults(&section).into_iter().next() {
        Some(fault) => Err(fault.into()),
        None => Ok(Box::new(S::open(section, host)?)),
    }
}

fn faults<S: Spec>(config: &Config, name: &str) -> Vec<Fault> {
    S::faults(&config.of_collector(name))
}

impl From<ebpf::Error> for Error {
    fn from(error: ebpf::Error) -> Self {
        let (reason, remedy) = (error.reason(), error.remedy().to_owned());
        match error {
            ebpf::Error::SwitchedOff => Self::Forbidden { reason, remedy },
            _ => Self::Unavailable { reason, remedy },
        }
    }
}

/// A collector as the registry sees it before it is opened.
#[derive(Debug)]
pub struct Entry {
    /// The name of its file.
    pub name: &'static str,
    /// The folder it stands in.
    pub group: &'static str,
    pub summary: &'static str,
    pub enabled: bool,
    pub probes: &'static [ebpf::Use],
    pub capabilities: CapabilitySet,
    pub connects: bool,
    pub cost: &'static str,
    pub start: Start,
    pub metrics: &'static [Meta],
    pub keys: &'static [Key],
    pub open: Open,
    faults: fn(&Config, &str) -> Vec<Fault>,
}

impl Entry {
    pub(crate) const fn of<S: Spec>(group: &'static str, name: &'static str, open: Open) -> Self {
        Self {
            name,
            group,
            summary: S::SUMMARY,
            enabled: S::ENABLED,
            probes: S::PROBES,
            capabilities: S::CAPABILITIES,
            connects: S::CONNECTS,
            cost: S::COST,
            start: S::START,
            metrics: S::METRICS,
            keys: S::Config::KEYS,
            open,
            faults: faults::<S>,
        }
    }

    /// Whether it runs. Where probes are switched off, so is what reads them, unless somebody wants it by name, who is told
    /// why it cannot run.
    #[must_use]
    pub fn is_enabled(&self, config: &Config) -> bool {
        let may_run = self.probes.is_empty() || config.section::<Ebpf>().enabled == UseProbes::Auto;
        if may_run { config.enables(self.name, self.enabled) } else { config.names(self.name) }
    }

    /// What of its settings can never work.
    #[must_use]
    pub fn faults(&self, config: &Config) -> Vec<Fault> {
        (self.faults)(config, self.name)
    }

    /// The kernel events that its probes hook, as `tp_btf/sched_switch`; none for a collector without one.
    #[must_use]
    pub fn hooks(&self) -> Vec<String> {
        self.probes.iter().flat_map(ebpf::Use::programs).map(|program| program.attach.to_string()).collect()
    }

    #[must_use]
    pub fn view(&self) -> View {
        let &Self { name, group, summary, .. } = self;
        View {
            name,
            group,
            summary,
            hooks: self.hooks(),
            families: self.metrics.iter().map(FamilyView::of).collect(),
        }
    }
}

/// What a collector is, wherever it is shown: API, list, page, `doctor`.
#[derive(Debug, Serialize)]
pub struct View {
    pub name: &'static str,
    pub group: &'static str,
    pub summary: &'static str,
    /// The kernel events that it hooks.
    pub hooks: Vec<String>,
    pub families: Vec<FamilyView>,
}
