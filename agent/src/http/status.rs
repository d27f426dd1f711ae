//! `/api/v1/status`: the host, and what somebody should see to. What the page begins with, and `hostlens top`.

use super::App;
use crate::{
    collector::LeftOut,
    own::VERSION,
    recorder::Recorded,
    scrape::{Registry, Selection, State, Summary},
};
use rustix::system::{sysinfo, uname};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub host: String,
    pub kernel: String,
    pub machine: String,
    pub uptime_seconds: u64,
    /// Of hostlens.
    pub version: String,
    pub running_seconds: u64,
    pub problems: Vec<Problem>,
    /// Collectors of which nothing is known, as no scrape has asked for them.
    #[serde(default)]
    pub not_run: usize,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Of a collector as in `hostlens_collector_state`; `failed` for all else.
    pub state: String,
    pub what: String,
    pub reason: String,
    /// What would help: a part of a sentence.
    pub remedy: String,
}

/// Things that one collector left out are named up to so many.
const MOST_LEFT_OUT: usize = 5;

impl Status {
    pub(super) fn new(app: &App) -> Self {
        let machine = uname();
        let registry = app.registry();
        let summaries = registry.collectors().filter_map(|(_, summary)| summary);
        Self {
            host: machine.nodename().to_string_lossy().into_owned(),
            kernel: machine.release().to_string_lossy().into_owned(),
            machine: machine.machine().to_string_lossy().into_owned(),
            uptime_seconds: u64::try_from(sysinfo().uptime).unwrap_or(0),
            version: VERSION.to_owned(),
            running_seconds: app.started.elapsed().as_secs(),
            problems: problems(app),
            not_run: summaries.filter(|it| it.state == State::NotRun).count(),
        }
    }

    /// What is not known yet, if anything.
    #[must_use]
    pub fn unknown(&self) -> Option<String> {
        match self.not_run {
            0 => None,
            1 => Some("1 collector has not run yet: no scrape has asked for it.".to_owned()),
            n => Some(format!("{n} collectors have not run yet: no scrape has asked for them.")),
        }
    }
}

fn problems(app: &App) -> Vec<Problem> {
    let failed = |what: String, reason: String, remedy: &str| Problem {
        state: "failed".to_owned(),
        what,
        reason,
        remedy: remedy.to_owned(),
    };
    let refused = app.answers.own.refused().map(|(what, why)| {
        let what = format!("the changed {what} has errors; hostlens keeps using the previous one");
        failed(what, why, "correct the file; hostlens reads it again by itself")
    });
    let collectors = app.registry().collectors().collect::<Vec<_>>();
    let enabled = || collectors.iter().filter_map(|(entry, summary)| Some((entry.name, summary.as_ref()?)));
    let unwell = enabled().filter_map(|(name, summary)| of_collector(name, summary));
    let left_out = enabled().flat_map(|(name, summary)| left_out(name, &summary.left_out));
    let conflicts = app.conflicts.lock().unwrap_or_else(PoisonError::into_inner).all();
    let conflicts = conflicts.into_iter().map(|it| {
        let remedy = "see which files of the textfile collector give it, and take it out of one";
        failed(format!("{} lacks samples", it.family), it.why.to_owned(), remedy)
    });
    refused.chain(unwell).chain(left_out).chain(conflicts).collect()
}

/// The first of what a collector left out, and how much more there is.
fn left_out(name: &str, all: &[LeftOut]) -> impl Iterator<Item = Problem> {
    let n_more = all.len().saturating_sub(MOST_LEFT_OUT);
    all.iter().take(MOST_LEFT_OUT).enumerate().map(move |(at, it)| {
        let more = match n_more {
            1.. if at == MOST_LEFT_OUT - 1 => format!("; and {n_more} more, see the log"),
            _ => String::new(),
        };
        Problem {
            state: "failed".to_owned(),
            what: format!("{name} left out {}", it.place),
            reason: format!("{}{more}", it.reason),
            remedy: it.remedy.to_owned(),
        }
    })
}

fn of_collector(name: &str, summary: &Summary) -> Option<Problem> {
    let state = &summary.state;
    if matches!(state, State::NotRun | State::Running | State::Absent { .. } | State::Skipped) {
        return None;
    }
    let switch = format!("`enabled = false` in [collector.{name}] switches it off");
    let remedy = match state.remedy() {
        "" => format!("`hostlens once --collect {name}` shows it alone; {switch}"),
        remedy => remedy.to_owned(),
    };
    Some(Problem {
        state: state.as_str().to_owned(),
        what: match state {
            State::Failed { .. } => format!("{name} has failed"),
            _ => format!("{name} is {}", state.words()),
        },
        reason: state.reason().to_owned(),
        remedy,
    })
}

impl App {
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(self)
    }

    /// Runs all collectors if some have not run yet, where nobody scrapes. What takes longer is told as late.
    pub async fn run_once(&self, limit: Duration) {
        if self.status().not_run > 0 {
            let limit = Instant::now() + limit;
            self.registry().scrape(&Selection::All, limit, |_| ()).await.unwrap_or_default();
        }
    }

    /// What the flight recorder has after `since` (Unix time in milliseconds), and why what is missing is missing. To be
    /// called inside of a runtime.
    pub fn recorded(self: &Arc<Self>, since: u64) -> Recorded {
        let app = Arc::clone(self);
        let mut recorded = self.recorder.look(since, move || app.registry());
        let registry = self.registry();
        for chart in &mut recorded.charts {
            chart.missing = match self.recorder.is_allowed() {
                true => missing(&registry, &chart.family),
                false => "Nothing is recorded: `recorder` in [web] is never.".to_owned(),
            };
        }
        recorded
    }
}

/// Why there is nothing of that family, if something is wrong.
fn missing(registry: &Registry, family: &str) -> String {
    let mut collectors = registry.collectors();
    let Some((entry, summary)) =
        collectors.find(|(entry, _)| entry.metrics.iter().any(|it| it.name == family))
    else {
        return String::new();
    };
    let name = entry.name;
    let Some(summary) = summary else {
        return format!(
            "Missing: the collector {name} is not enabled. What helps: `enabled = true` in [collector.{name}], or \
             --collector.{name}."
        );
    };
    match &summary.state {
        State::NotRun | State::Running => String::new(),
        State::Absent { reason } => format!("Missing: {reason}."),
        _ => of_collector(name, &summary).map_or_else(String::new, |it| {
            format!("Missing: {}: {}. What helps: {}.", it.what, it.reason, it.remedy)
        }),
    }
}

/// The two largest units: `3 d 4 h`.
#[must_use]
pub fn duration(it: Duration) -> String {
    let seconds = it.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
