//! `/api/v1/collectors`: every collector with its state, its settings and what it gives, for people and programs.

use super::{App, tickets::Client};
use crate::{
    collector::{Entry, View},
    config::{CollectorLimits, Config, KeyView, Section as _},
    scrape::{ProbeSummary, Summary},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Collector<'a> {
    #[serde(flatten)]
    view: View,
    /// `disabled`, or a state of `hostlens_collector_state`.
    state: &'a str,
    reason: &'a str,
    /// What would help.
    remedy: &'a str,
    settings: Vec<KeyView>,
    /// `null` before its first run.
    last_run: Option<LastRun>,
    /// Of those that it reads and that are loaded.
    probes: Vec<ProbeSummary>,
}

#[derive(Serialize)]
struct LastRun {
    duration_seconds: f64,
    age_seconds: f64,
    series: usize,
}

pub(super) async fn collectors(State(app): State<Arc<App>>, client: Client) -> Response {
    let mut response = app.view(client, json).await;
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    response
}

fn json(app: &App) -> Vec<u8> {
    let running = app.running();
    let summaries: Vec<_> = running.registry.collectors().collect();
    let collectors: Vec<_> =
        summaries.iter().map(|(entry, summary)| describe(entry, summary.as_ref(), &running.config)).collect();
    serde_json::to_vec(&collectors).expect("all keys are strings, and memory takes all")
}

fn describe<'a>(entry: &Entry, summary: Option<&'a Summary>, config: &Config) -> Collector<'a> {
    let (state, reason, remedy) = match summary {
        Some(Summary { state, .. }) => (state.as_str(), state.reason(), state.remedy()),
        None => ("disabled", "", ""),
    };
    let last_run = summary.and_then(|it| {
        Some(LastRun {
            duration_seconds: it.duration.as_secs_f64(),
            age_seconds: it.started?.elapsed().as_secs_f64(),
            series: it.n_series,
        })
    });
    let keys = entry.keys.iter().chain(CollectorLimits::KEYS);
    let table = format!("collector.{}", entry.name);
    Collector {
        view: entry.view(),
        state,
        reason,
        remedy,
        settings: keys.map(|key| config.view(&table, key)).collect(),
        last_run,
        probes: summary.map(|it| it.probes.clone()).unwrap_or_default(),
    }
}
