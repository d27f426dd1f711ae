//! `/api/v1/collectors`: every collector with its state, its settings and what it gives, for people and programs.

use super::{App, tickets::Client};
use crate::{
    collector::Entry,
    config::{CollectorLimits, Config, Key, Section as _},
    metric::Meta,
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
    name: &'a str,
    group: &'a str,
    summary: &'a str,
    /// `disabled`, or a state of `hostlens_collector_state`.
    state: &'a str,
    reason: &'a str,
    /// What would help.
    remedy: &'a str,
    /// The kernel events that it hooks.
    hooks: Vec<String>,
    settings: Vec<Setting<'a>>,
    families: Vec<Family<'a>>,
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

#[derive(Serialize)]
struct Setting<'a> {
    key: String,
    kind: &'a str,
    help: String,
    default: toml::Value,
    value: toml::Value,
    /// Who chose the value: `default`, a preset, a file and line, a variable or a flag.
    origin: String,
}

#[derive(Serialize)]
struct Family<'a> {
    /// With `*` for the part that the kernel names.
    name: &'a str,
    r#type: &'a str,
    /// From the name, where it says one.
    unit: Option<&'a str>,
    help: &'a str,
    labels: &'a [&'a str],
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

fn describe<'a>(entry: &'a Entry, summary: Option<&'a Summary>, config: &Config) -> Collector<'a> {
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
    Collector {
        name: entry.name,
        group: entry.group,
        summary: entry.summary,
        state,
        reason,
        remedy,
        hooks: entry.hooks(),
        settings: settings(entry, config),
        families: entry.metrics.iter().map(family).collect(),
        last_run,
        probes: summary.map(|it| it.probes.clone()).unwrap_or_default(),
    }
}

fn settings<'a>(entry: &'a Entry, config: &Config) -> Vec<Setting<'a>> {
    let keys = entry.keys.iter().chain(CollectorLimits::KEYS);
    let table = format!("collector.{}", entry.name);
    let setting = |key: &'a Key| {
        let path = format!("{table}.{}", key.name);
        Setting {
            kind: key.kind,
            help: key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            value: config.value_in(&table, key),
            default: (key.default)(),
            origin: config.origin(&path).to_string(),
            key: path,
        }
    };
    keys.map(setting).collect()
}

fn family(meta: &Meta) -> Family<'_> {
    Family {
        name: meta.name,
        r#type: meta.kind.as_str(),
        unit: unit(meta.name),
        help: meta.help,
        labels: meta.labels,
    }
}

/// Base units stand at the end of a name, before `_total`.
fn unit(name: &str) -> Option<&str> {
    const UNITS: [&str; 12] = [
        "seconds", "bytes", "ratio", "celsius", "volts", "amperes", "watts", "joules", "hertz", "meters",
        "percent", "rpm",
    ];
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (_, last) = name.rsplit_once('_')?;
    UNITS.contains(&last).then_some(last)
}
