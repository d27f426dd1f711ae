//! What this host allows: the kernel, privileges and mounts as the process sees them, and for each enabled collector
//! whether it works here, why not, and what would help.

mod advice;
mod facts;
mod first_process;
mod process;

use crate::{
    collector::{Entry, View},
    config::{Config, Diagnostic},
    http::{Hint, ListenError},
    privileges,
    sandbox::{self, Sandbox},
    scrape::{ProbeSummary, State, Summary},
};
use advice::Advice;
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};
use std::fmt;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Good,
    /// Cannot be seen from here.
    Unknown,
    /// Worth knowing, and nothing is lost.
    Note,
    /// Something is lost.
    Bad,
    /// hostlens cannot serve like this.
    Fatal,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Unknown => "unknown",
            Self::Note => "note",
            Self::Bad => "bad",
            Self::Fatal => "fatal",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Fact {
    pub topic: &'static str,
    pub health: Health,
    pub found: String,
    /// What would help; empty if nothing need be done.
    pub remedy: String,
}

impl Fact {
    fn good(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, health: Health::Good, found: found.into(), remedy: String::new() }
    }

    fn unknown(topic: &'static str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, health: Health::Unknown, found: why.into(), remedy: remedy.into() }
    }

    fn note(topic: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, health: Health::Note, found: found.into(), remedy: remedy.into() }
    }

    fn bad(topic: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, health: Health::Bad, found: found.into(), remedy: remedy.into() }
    }

    fn fatal(topic: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, health: Health::Fatal, found: found.into(), remedy: remedy.into() }
    }
}

/// What became of the addresses to listen on.
#[must_use]
pub fn ports(outcomes: &[(String, Result<(), ListenError>)]) -> Vec<Fact> {
    let fact = |(address, outcome): &(String, Result<(), ListenError>)| match outcome {
        Ok(()) => Fact::good("listen", format!("{address} is free")),
        Err(ListenError::Bind { hint: Some(Hint::Held(holder)), .. }) if holder.is_hostlens() => {
            Fact::good("listen", format!("{address} is served by {holder}"))
        }
        Err(error) => {
            Fact::fatal("listen", error.to_string(), "stop that process, or choose another address")
        }
    };
    outcomes.iter().map(fact).collect()
}

/// Sockets that systemd hands to the service alone.
#[must_use]
pub fn sockets_of_systemd() -> Fact {
    Fact::unknown(
        "listen",
        "systemd hands its sockets to the service alone",
        "systemctl status hostlens.socket",
    )
}

/// What of the config lets nobody in.
#[must_use]
pub fn access(fault: Diagnostic) -> Fact {
    Fact::fatal("web settings", fault.message, fault.help.unwrap_or_default())
}

/// What a probe takes of the kernel's memory, here and on a large host.
fn memory(probe: &ProbeSummary) -> Fact {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let maps: Vec<_> = probe.maps.iter().map(|it| format!("{} {}", it.name, kib(it.memory_bytes))).collect();
    let found = format!(
        "{}: {} KiB in the kernel (maps: {}), with 512 possible CPUs {}",
        probe.name,
        kib(probe.memory_bytes),
        maps.join(", "),
        kib(probe.memory_bytes_with_512_cpus),
    );
    Fact::good("probe", found)
}

/// The kernel takes the long way into and out of each system call while any program is there, whatever that does.
fn price_of_system_calls(collectors: &[(&'static Entry, Summary)]) -> Option<Fact> {
    let is_there = |entry: &Entry| {
        let mut programs = entry.probes.iter().flat_map(|it| it.probe.programs);
        programs.any(|it| ["sys_enter", "sys_exit"].contains(&it.attach.hook()))
    };
    let there = collectors.iter().filter(|(entry, summary)| !summary.probes.is_empty() && is_there(entry));
    let names: Vec<_> = there.map(|(entry, _)| entry.name).collect();
    let (first, _) = names.split_first()?;
    Some(Fact::note(
        "system calls",
        format!(
            "each one on this host takes some 140 ns longer, and what programs there take, for {}",
            names.join(" and ")
        ),
        format!(
            "nothing need be done; where programs make hundreds of thousands of calls a second, --no-collector.{first}"
        ),
    ))
}

/// How an enabled collector fares here.
#[derive(Debug)]
struct Verdict {
    view: View,
    /// ok, absent, degraded or unavailable.
    state: &'static str,
    reason: String,
    remedy: String,
}

/// The host, as it is before collectors are opened and privileges given up.
#[derive(Debug)]
pub struct Host {
    facts: Vec<Fact>,
    held: CapabilitySet,
}

/// All that was found.
#[derive(Debug)]
pub struct Report {
    facts: Vec<Fact>,
    collectors: Vec<Verdict>,
    advice: Advice,
}

impl Host {
    /// Looks at it. `ports` is what became of the addresses to listen on.
    #[must_use]
    pub fn new(config: &Config, ports: Vec<Fact>) -> Self {
        let mut facts = facts::all(config);
        facts.extend(ports);
        Self { facts, held: process::held() }
    }

    /// Adds what became of the sandbox, and how each enabled collector fared in a scrape.
    #[must_use]
    pub fn with(
        mut self,
        sandbox: &Result<Sandbox, sandbox::Error>,
        collectors: Vec<(&'static Entry, Summary)>,
    ) -> Report {
        self.facts.push(process::confinement(sandbox));
        let advice = Advice::new(collectors.iter().map(|(entry, _)| *entry));
        let mut probes: Vec<&ProbeSummary> =
            collectors.iter().flat_map(|(_, summary)| &summary.probes).collect();
        probes.sort_by_key(|it| it.name);
        probes.dedup_by_key(|it| it.name);
        self.facts.extend(probes.into_iter().map(memory));
        self.facts.extend(price_of_system_calls(&collectors));
        let verdict = |(entry, summary): (&Entry, Summary)| {
            Verdict::new(entry.view(), &summary.state, entry.capabilities - self.held)
        };
        let collectors = collectors.into_iter().map(|(entry, state)| verdict((entry, state))).collect();
        Report { facts: self.facts, collectors, advice }
    }
}

impl Report {
    /// 0 when hostlens serves all that this host has; with `strict` 1 when a collector gives less than it could; 2 when
    /// it cannot serve.
    #[must_use]
    pub fn exit_code(&self, strict: bool) -> u8 {
        let is_fatal = self.facts.iter().any(|it| it.health == Health::Fatal);
        let is_less = self.collectors.iter().any(|it| !matches!(it.state, "ok" | "absent"));
        match (is_fatal, strict && is_less) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }

    #[must_use]
    pub fn to_json(&self, strict: bool) -> Value {
        let fact = |it: &Fact| json!({ "topic": it.topic, "state": it.health.as_str(), "found": it.found, "remedy": it.remedy });
        let collector = |it: &Verdict| json!({ "name": it.view.name, "state": it.state, "reason": it.reason, "remedy": it.remedy });
        json!({
            "facts": self.facts.iter().map(fact).collect::<Vec<_>>(),
            "collectors": self.collectors.iter().map(collector).collect::<Vec<_>>(),
            "advice": self.advice.to_json(),
            "exit_code": self.exit_code(strict),
        })
    }
}

impl Verdict {
    /// `lacks` are capabilities that it could use and the process has not.
    fn new(view: View, state: &State, lacks: CapabilitySet) -> Self {
        let (reason, remedy) = (state.reason().to_owned(), state.remedy().to_owned());
        let is_denied = reason.contains("ermission denied") || reason.contains("not permitted");
        let (state, reason, remedy) = match state {
            State::NotRun | State::Running if lacks.is_empty() => ("ok", reason, remedy),
            State::NotRun | State::Running => {
                let lacks = privileges::names(lacks);
                ("ok", format!("shows more with {lacks}"), String::new())
            }
            State::Absent { .. } | State::Failed { .. } if is_denied => {
                ("unavailable", reason, "run hostlens as root, or give it CAP_DAC_READ_SEARCH".to_owned())
            }
            State::Absent { .. } => ("absent", reason, remedy),
            State::Unavailable { .. } => ("unavailable", reason, remedy),
            State::Failed { .. } | State::Late | State::Skipped | State::OverBudget => {
                ("degraded", reason, remedy)
            }
        };
        Self { view, state, reason, remedy }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Fact { topic, health, found, remedy } in &self.facts {
            writeln!(f, "{:<6} {topic}: {found}", health.as_str())?;
            write_remedy(f, remedy)?;
        }
        let of_state = |state| self.collectors.iter().filter(move |it| it.state == state);
        let names = |state| of_state(state).map(|it| it.view.name).collect::<Vec<_>>().join(", ");
        writeln!(
            f,
            "\n{} of {} enabled collectors work here: {}",
            of_state("ok").count(),
            self.collectors.len(),
            names("ok")
        )?;
        for it in of_state("ok").filter(|it| !it.reason.is_empty()) {
            writeln!(f, "{} {}", it.view.name, it.reason)?;
        }
        if of_state("absent").next().is_some() {
            writeln!(f, "nothing to read on this host: {}", names("absent"))?;
        }
        for it in self.collectors.iter().filter(|it| !matches!(it.state, "ok" | "absent")) {
            writeln!(f, "{:<11} {}: {}", it.state, it.view.name, it.reason)?;
            write_remedy(f, &it.remedy)?;
        }
        write!(f, "\n{}", self.advice)
    }
}

fn write_remedy(f: &mut fmt::Formatter<'_>, remedy: &str) -> fmt::Result {
    match remedy {
        "" => Ok(()),
        remedy => writeln!(f, "       → {remedy}"),
    }
}
