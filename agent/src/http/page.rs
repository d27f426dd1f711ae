//! `/`: what hostlens is and how its collectors fare. One page, nothing loaded from elsewhere, no script.

use super::{App, tickets::Client};
use crate::own::VERSION;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use std::{fmt::Write as _, sync::Arc};

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>hostlens</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15rem .6rem;border-bottom:1px solid #8884}
td.n{text-align:right;font-variant-numeric:tabular-nums}.failed,.late{color:#d33}.unavailable{color:#c70}.absent,.disabled{opacity:.6}
</style></head><body><h1>hostlens</h1>
"#;

pub(super) async fn page(State(app): State<Arc<App>>, client: Client) -> Response {
    let mut response = app.view(client, |app| render(app).into_bytes()).await;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(html);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn render(app: &App) -> String {
    let mut html = HEAD.to_owned();
    let path = escaped(&super::request::route(&app.web.telemetry_path.0));
    let written = write!(html, "<p>Version {VERSION}.</p><p><a href=\"{path}\">Metrics</a>");
    written.expect("a String takes any text");
    if app.web.enable_ui {
        html.push_str(" · <a href=\"/api/v1/collectors\">Collectors as JSON</a></p>\n");
        html.push_str(
            "<table><tr><th>Collector<th>State<th>Series<th>Milliseconds<th>Reason<th>What would help\n",
        );
        for (entry, summary) in app.registry().collectors() {
            let row = match &summary {
                None => {
                    writeln!(html, "<tr class=\"disabled\"><td>{}<td>disabled<td><td><td><td>", entry.name)
                }
                Some(it) => writeln!(
                    html,
                    "<tr class=\"{state}\"><td title=\"{}\">{}<td>{state}<td class=\"n\">{}<td class=\"n\">{:.3}<td>{}<td>{}",
                    escaped(entry.summary),
                    entry.name,
                    it.n_series,
                    it.duration.as_secs_f64() * 1e3,
                    escaped(it.state.reason()),
                    escaped(it.state.remedy()),
                    state = it.state.as_str(),
                ),
            };
            row.expect("a String takes any text");
        }
        html.push_str("</table>\n");
    }
    html + "</body></html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
