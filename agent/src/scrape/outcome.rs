//! How each collector fared, as families and, when it changes, in the log.

use super::{round::Place, slot::Slot, state::State};
use crate::metric::{Families, Meta, metrics};
use std::collections::HashMap;
use tracing::{debug, info, warn};

metrics! {
    STATE: Gauge "hostlens_collector_state" ["collector", "state"], "1 for the state that each enabled collector is in: running, absent (nothing to read on this host), late (did not end before the scrape's deadline), skipped (the scrape's deadline came before it had its turn), over_budget (its probe costs too much and is detached for now), failed or unavailable.";
    PROBLEM: Gauge "hostlens_collector_problem" ["collector", "state", "reason", "remedy"], "1 for each enabled collector that is neither running nor absent: why, and what helps.";
    AGE: Gauge "hostlens_collector_age_seconds" ["collector"], "How old the samples are, of collectors that answer from what they read last (min_interval).";
    DROPPED: Counter "hostlens_series_dropped_total" ["collector"], "Series that were left out because the collector gave more than its max_series.";
    DURATION: Gauge "node_scrape_collector_duration_seconds" ["collector"], "Time that the collector's last run took.";
    SUCCESS: Gauge "node_scrape_collector_success" ["collector"], "1 if the collector gave all it has, else 0.";
}

/// What is told of each collector.
pub(crate) const FAMILIES: &[Meta] = METRICS;

/// The last state of each collector, and the families made of it.
pub(super) struct Outcomes {
    last: HashMap<&'static str, State>,
    families: Families,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { last: HashMap::new(), families: Families::new(METRICS) }
    }
}

impl Outcomes {
    /// Begins a scrape.
    pub(super) fn clear(&mut self) {
        self.families.clear();
    }

    /// Notes how `slot` fared in this scrape.
    pub(super) fn record(&mut self, slot: &Slot, place: &Place) {
        let run = place.run();
        let state = match place {
            Place::Filled(run) => &run.state,
            Place::Late => &State::Late,
            Place::Open => &State::Skipped,
        };
        let out = &mut self.families;
        out.push(STATE, [slot.entry.name, state.as_str()], 1_u64);
        if !matches!(state, State::Running | State::Absent { .. }) {
            let reason = lasting(state.reason());
            out.push(PROBLEM, [slot.entry.name, state.as_str(), reason, state.remedy()], 1_u64);
        }
        out.push(SUCCESS, [slot.entry.name], *state == State::Running);
        if let Some(run) = run
            && !slot.limits.min_interval.is_zero()
        {
            out.push(AGE, [slot.entry.name], run.started.elapsed().as_secs_f64());
        }
        if slot.limits.max_series > 0 {
            out.push_since(DROPPED, [slot.entry.name], slot.n_dropped(), Some(slot.opened));
        }
        if let Some(run) = run {
            out.push(DURATION, [slot.entry.name], run.duration.as_secs_f64());
        }
        // That a scrape was short says nothing of the collector.
        if *state != State::Skipped {
            self.note(slot.entry.name, state);
        }
    }

    /// Logs the state of a collector if it is not the one before.
    pub(super) fn note(&mut self, collector: &'static str, state: &State) {
        if self.last.get(collector) != Some(state) {
            let before = self.last.insert(collector, state.clone());
            log_change(collector, before.as_ref(), state);
        }
    }

    /// What was recorded in this scrape.
    pub(super) fn families(&self) -> &Families {
        &self.families
    }
}

/// A reason without what was found in place of what was expected, which may be another thing at each scrape, and so
/// another series. The log and the API have it.
fn lasting(reason: &str) -> &str {
    reason.split_once(", found `").map_or(reason, |(before, _)| before)
}

fn log_change(collector: &str, before: Option<&State>, now: &State) {
    match (before, now) {
        (None, State::Running) => debug!(collector, "collector runs"),
        (Some(_), State::Running) => info!(collector, "collector runs again"),
        (_, State::Absent { reason }) => debug!(collector, %reason, "collector has nothing to read here"),
        (_, State::Unavailable { reason, remedy }) => {
            warn!(collector, %reason, %remedy, "collector is unavailable");
        }
        // The budget has said so, with figures.
        (_, State::OverBudget) => debug!(collector, reason = now.reason(), "collector does not count"),
        (_, State::Failed { reason, remedy }) => warn!(collector, %reason, remedy, "collector failed"),
        (_, State::NotRun | State::Skipped) => {}
        (_, State::Late) => warn!(collector, "collector did not end before the scrape's deadline"),
    }
}
