//! `/api/v1/collectors`: every collector with its state, its settings and what it gives, for people and programs; and
//! what the page and `hostlens top` are made of: `status`, `recorder` and `groups`.

use super::{App, request, tickets::Client};
use crate::{
    collector::{Entry, View},
    config::{CollectorLimits, Config, KeyView, Section as _},
    recorder::groups,
    scrape::{ProbeSummary, Summary},
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::Response,
};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Collector<'a> {
    #[serde(flatten)]
    view: View,
    /// `disabled`, `not_run`, or a state of `hostlens_collector_state`.
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
    answer(&app, client, |app| {
        let running = app.running();
        let summaries: Vec<_> = running.registry.collectors().collect();
        let described = summaries.iter().map(|(entry, it)| describe(entry, it.as_ref(), &running.config));
        json(&described.collect::<Vec<_>>())
    })
    .await
}

pub(super) async fn status(State(app): State<Arc<App>>, client: Client) -> Response {
    answer(&app, client, |app| json(&app.status())).await
}

/// What the flight recorder has after `since`.
pub(super) async fn recorder(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    client: Client,
) -> Response {
    let query = query.unwrap_or_default();
    let since = request::pairs(&query).find(|(key, _)| key == "since");
    let since = since.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let at_work = Arc::clone(&app);
    answer(&app, client, |_| json(&at_work.recorded(since))).await
}

/// Who uses CPUs and memory.
pub(super) async fn groups_now(State(app): State<Arc<App>>, client: Client) -> Response {
    let groups = groups(&app.registry()).await;
    answer(&app, client, |_| json(&groups)).await
}

async fn answer(app: &App, client: Client, make: impl FnOnce(&App) -> Vec<u8>) -> Response {
    let mut response = app.view(client, make).await;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
    response
}

fn json(it: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(it).expect("all keys are strings, and memory takes all")
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
