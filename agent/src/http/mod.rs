//! The HTTP server: routes, listeners, answers.

use crate::{
    config::{Scrape, Web},
    exposition::Encoder,
    scrape::{Registry, Selection},
};
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

/// What the routes need.
pub struct App {
    pub registry: RwLock<Registry>,
    pub web: Web,
    pub scrape: Scrape,
}

/// The routes of `app`, ready to be served.
pub fn router(app: Arc<App>) -> Router {
    let metrics_path = app.web.telemetry_path.clone();
    Router::new()
        .route(&metrics_path, any(metrics))
        .route("/-/healthy", get(async || "hostlens is healthy.\n"))
        .route("/-/ready", get(async || "hostlens is ready.\n"))
        .route("/", get(landing_page))
        .with_state(app)
}

async fn landing_page(State(app): State<Arc<App>>) -> Html<String> {
    let path = &app.web.telemetry_path;
    Html(format!(
        "<!doctype html><title>hostlens</title><h1>hostlens</h1><p>Version {}</p><p><a href=\"{path}\">Metrics</a></p>",
        env!("CARGO_PKG_VERSION"),
    ))
}

async fn metrics(State(app): State<Arc<App>>, RawQuery(_query): RawQuery, headers: HeaderMap) -> Response {
    let deadline = Instant::now() + time_limit(&headers, &app.scrape);
    // A task of its own: a client that goes away must not leave a scrape half done.
    let scrape = tokio::spawn(async move {
        let encode = |parts: &[&_]| {
            let mut body = Vec::new();
            let conflicts = Encoder::default().write(parts, &mut body);
            (body, conflicts)
        };
        let registry = app.registry.read().unwrap_or_else(PoisonError::into_inner).clone();
        registry.scrape(&Selection::All, deadline, encode).await
    });
    match scrape.await.expect("a scrape does not panic and is not cancelled") {
        Ok((body, _)) => {
            ([(header::CONTENT_TYPE, Encoder::default().format.content_type())], body).into_response()
        }
        Err(busy) => (StatusCode::SERVICE_UNAVAILABLE, format!("{busy}\n")).into_response(),
    }
}

/// How long the scrape may take: the scraper's own timeout, which Prometheus sends, less a margin.
fn time_limit(headers: &HeaderMap, scrape: &Scrape) -> Duration {
    headers
        .get("x-prometheus-scrape-timeout-seconds")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .map_or(scrape.default_timeout, |limit| limit.saturating_sub(scrape.deadline_offset))
}
