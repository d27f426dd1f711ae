//! `/`: the host, what is wrong with what would help, charts of the last minutes, and every collector. One answer:
//! nothing is loaded from elsewhere, and without a script all but the charts and the search is there.

mod html;

use super::{App, request, tickets::Client};
use crate::{
    own::VERSION,
    scrape::{State as Standing, Summary},
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::Response,
};
use html::{Html, duration};
use ring::rand::{SystemRandom, generate};
use rustix::system::{sysinfo, uname};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const CHARTS: &str = include_str!("charts.html");

pub(super) async fn page(State(app): State<Arc<App>>, client: Client) -> Response {
    let nonce = nonce();
    let mut response = app.view(client, |app| render(app, &nonce).into_bytes()).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("digits are visible");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// `/api/v1/recorder`: what the flight recorder has after `since`.
pub(super) async fn recorded(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    client: Client,
) -> Response {
    let query = query.unwrap_or_default();
    let since =
        request::pairs(&query).find(|(key, _)| key == "since").and_then(|(_, value)| value.parse().ok());
    let at_work = Arc::clone(&app);
    let look = |app: &App| app.recorder.look(since.unwrap_or(0), move || at_work.registry());
    let mut response = app.view(client, look).await;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
    response
}

/// What only this answer's style and script know. Without random numbers it is nobody's.
fn nonce() -> String {
    let random = generate::<[u8; 16]>(&SystemRandom::new()).map(|it| it.expose());
    random
        .map_or_else(|_| "none".to_owned(), |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn render(app: &App, nonce: &str) -> String {
    let mut out = Html::default();
    // Behind a proxy the agent may stand in a folder.
    let metrics = &format!(".{}", request::route(&app.web.telemetry_path.0));
    let machine = uname();
    let host = machine.nodename().to_string_lossy();
    out.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.raw("<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\"><title>");
    out.text(&host);
    out.raw(" · hostlens</title><style nonce=\"").raw(nonce).raw("\">").raw(STYLE).raw("</style></head>");
    out.raw("<body data-metrics=\"").text(metrics).raw("\"><header><h1>").text(&host).raw("</h1><p>Linux ");
    out.text(&machine.release().to_string_lossy()).raw(" · ").text(&machine.machine().to_string_lossy());
    let up = Duration::from_secs(u64::try_from(sysinfo().uptime).unwrap_or(0));
    out.raw(" · up ").text(&duration(up)).raw(" · hostlens ").raw(VERSION);
    out.raw(", running for ").text(&duration(app.started.elapsed())).raw("</p><nav><a href=\"").text(metrics);
    out.raw("\">Metrics</a>");
    if app.web.enable_ui {
        out.raw(" <a href=\"api/v1/collectors\">Collectors as JSON</a></nav></header><main>\n");
        let collectors: Vec<_> = app.registry().collectors().collect();
        wrong(app, &collectors, &mut out);
        if app.recorder.is_allowed() {
            out.raw(CHARTS);
        }
        html::search(&mut out);
        html::collectors(&collectors, &mut out);
        out.raw("</main><script nonce=\"").raw(nonce).raw("\">").raw(SCRIPT).raw("</script>");
    } else {
        out.raw("</nav></header>");
    }
    out.raw("</body></html>\n");
    out.0
}

/// What somebody should see to.
fn wrong(app: &App, collectors: &[html::Collector], out: &mut Html) {
    let is_wrong = |summary: &Summary| {
        !matches!(summary.state, Standing::Running | Standing::Absent { .. } | Standing::Skipped)
    };
    let unwell = collectors.iter().filter_map(|(entry, summary)| Some((entry.name, summary.as_ref()?)));
    let unwell: Vec<_> = unwell.filter(|(_, summary)| is_wrong(summary)).collect();
    let refused = app.refused().clone();
    let conflicts = app.conflicts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if unwell.is_empty() && refused.is_none() && conflicts.is_empty() {
        out.raw("<section id=\"wrong\" class=\"well\"><h2>Nothing is wrong</h2></section>\n");
        return;
    }
    out.raw("<section id=\"wrong\"><h2>What is wrong</h2><ul>\n");
    if let Some(problems) = refused {
        out.raw("<li class=\"failed\"><b>The config was changed and cannot be used; the one before still holds.</b><pre>");
        out.text(problems.trim_end())
            .raw("</pre><p>What helps: mend the file; it is read again by itself.</p>\n");
    }
    for (name, summary) in unwell {
        let state = &summary.state;
        out.raw("<li class=\"").raw(state.as_str()).raw("\"><b>").raw(name).raw("</b> ").raw(words(state));
        out.raw(": ").text(state.reason()).raw(".<p>What helps: ");
        match state.remedy() {
            "" => {
                out.raw("<code>hostlens once --collect ")
                    .raw(name)
                    .raw("</code> shows it alone; <code>[collector.");
                out.raw(name).raw("] enabled = false</code> switches it off.</p>\n");
            }
            remedy => {
                out.text(remedy).raw(".</p>\n");
            }
        }
    }
    for conflict in conflicts {
        out.raw("<li class=\"failed\"><b>")
            .text(&conflict.family)
            .raw("</b> lacks samples: ")
            .text(conflict.why);
        out.raw(".<p>What helps: see which files of the textfile collector give it, and take it out of one.</p>\n");
    }
    out.raw("</ul></section>\n");
}

fn words(state: &Standing) -> &'static str {
    match state {
        Standing::OverBudget => "over budget",
        state => state.as_str(),
    }
}
